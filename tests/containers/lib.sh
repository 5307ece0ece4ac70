# What the container tests share: an image store of their own, the base image, containers that are gone when the test
# ends, and a count of what passed. Source it first. Nothing outside build/containers and /run/segue-containers.* is
# written, no image registry is asked, and only containers that this very script started are ever removed.
#
#   build/containers/store   images (SEGUE_CONTAINERS=/folder: elsewhere, to share them between worktrees)
#
# A test file:
#
#   . "$(dirname "$0")/lib.sh"
#   containers_need                    # or the file is one skipped test
#   base_image
#   image_build IMAGE DOCKERFILE [options of buildah]
#   container_run NAME [options of podman] IMAGE [command]
#   check 'what it shows' command ...  # one test: passed or failed by the exit code
#   wait_until 10 command ...          # until it succeeds; no sleeps
#
# Where there is a function test_end, it is called before the containers are removed. CONTAINERS_DNS is the name server of
# all containers. The exit code says whether a test failed; the last line is the count that
# `make check-containers` adds up.
# shellcheck shell=bash

set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CONTAINERS=${SEGUE_CONTAINERS:-$ROOT/build/containers}
BASE_IMAGE=docker.io/library/debian:bookworm-slim
OWNED=segue.test=$$ # the label of every container of this run
SCRATCH=$(mktemp -d)
PASSED=0 FAILED=0 SKIPPED=0

ok() {
	PASSED=$((PASSED + 1))
	printf 'ok       %s\n' "$1"
}

fail() {
	FAILED=$((FAILED + 1))
	printf 'FAILED   %s\n' "$1"
}

skip() {
	SKIPPED=$((SKIPPED + 1))
	printf 'skipped  %s: %s\n' "$1" "$2"
}

note() {
	printf '         %s\n' "$*"
}

# check WHAT COMMAND...: one test. What the command said is shown only if it failed.
check() {
	local what=$1
	shift
	if "$@" >"$SCRATCH/said" 2>&1; then
		ok "$what"
	else
		fail "$what"
		sed 's/^/         | /' "$SCRATCH/said"
		return 1
	fi
}

# wait_until SECONDS COMMAND...: true as soon as the command is, asked ten times a second.
wait_until() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >"$SCRATCH/waiting" 2>&1; do
		if [ "${EPOCHREALTIME/./}" -ge "$deadline" ]; then
			cat "$SCRATCH/waiting"
			return 1
		fi
		sleep 0.1
	done
}

# die WHY: what the rest of the file stands on is broken.
die() {
	fail "$1"
	exit 1
}

containers_end() {
	local code=$?
	local left
	trap - EXIT INT TERM
	if [ -f "$SCRATCH/containers.conf" ]; then
		[ "$(type -t test_end)" != function ] || test_end
		left=$(podman ps -aq --filter "label=$OWNED")
		# shellcheck disable=SC2086
		[ -z "$left" ] || podman rm -f -v -t 0 $left >/dev/null
	fi
	rm -rf "$SCRATCH"
	[ "$code" = 0 ] || [ "$FAILED" != 0 ] || fail "${0##*/} ended early, with exit code $code"
	printf 'result   %d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
	[ "$FAILED" = 0 ]
	exit $?
}
trap containers_end EXIT
trap 'exit 130' INT TERM

# containers_need: ends the file, as one skipped test, where containers cannot be run.
containers_need() {
	local program
	for program in podman buildah runc debootstrap; do
		if ! command -v "$program" >/dev/null; then
			skip "${0##*/}" "$program is not installed (make container-deps)"
			exit 0
		fi
	done
	if [ "$(id -u)" != 0 ]; then
		skip "${0##*/}" "needs root, for debootstrap and for networks"
		exit 0
	fi
	containers_configure
}

# overlayfs on top of overlayfs (a test inside of a container) is refused by the kernel: vfs copies instead.
storage_driver() {
	local d="$CONTAINERS/probe.$$" driver=vfs
	mkdir -p "$d/lower" "$d/upper" "$d/work" "$d/merged"
	if mount -t overlay overlay -o "lowerdir=$d/lower,upperdir=$d/upper,workdir=$d/work" "$d/merged" 2>/dev/null; then
		umount "$d/merged"
		driver=overlay
	fi
	rm -rf "$d"
	echo "$driver"
}

# Everything that two users of podman on one machine would share by default (images, locks, networks, state) is told
# to be ours alone. runc, as crun refuses hybrid cgroups; ulimits, as the start fails with EPERM where the defaults are
# above our own; /run for the state, as podman wants a path of 50 characters at most for it.
containers_configure() {
	local run
	mkdir -p "$CONTAINERS/networks"
	run=/run/segue-containers.$(printf '%s' "$CONTAINERS" | cksum | cut -d' ' -f1)
	if [ ! -f "$CONTAINERS/storage.conf" ]; then
		cat >"$CONTAINERS/storage.conf.$$" <<-END
			[storage]
			driver = "$(storage_driver)"
			runroot = "$run/run"
			graphroot = "$CONTAINERS/store"
		END
		mv "$CONTAINERS/storage.conf.$$" "$CONTAINERS/storage.conf"
	fi
	cat >"$SCRATCH/containers.conf" <<-END
		[containers]
		dns_servers = [${CONTAINERS_DNS:+"\"$CONTAINERS_DNS\""}]
		default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
		log_driver = "k8s-file"
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		lock_type = "file"
		tmp_dir = "$run/libpod"
		static_dir = "$CONTAINERS/store/libpod"
		volume_path = "$CONTAINERS/store/volumes"
		pull_policy = "never"
		[network]
		network_backend = "netavark"
		network_config_dir = "$CONTAINERS/networks"
	END
	export CONTAINERS_STORAGE_CONF=$CONTAINERS/storage.conf CONTAINERS_CONF=$SCRATCH/containers.conf
}

# The mirror of this machine: whatever apt uses here works in a container, too.
apt_mirror() {
	{
		sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
		sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
	} 2>/dev/null | grep -m1 -v security
}

# base_image: debian:bookworm-slim, made here once, by debootstrap. `rm -rf build/containers` makes it anew.
base_image() {
	local root="$CONTAINERS/rootfs.$$" mirror
	podman image exists "$BASE_IMAGE" && return 0
	mirror=$(apt_mirror)
	[ -n "$mirror" ] || die 'no apt mirror in /etc/apt/sources.list or /etc/apt/sources.list.d'
	note "making $BASE_IMAGE, once"
	if ! debootstrap --variant=minbase bookworm "$root" "$mirror" >"$CONTAINERS/debootstrap.log" 2>&1; then
		tail -n 5 "$CONTAINERS/debootstrap.log"
		rm -rf "$root"
		die 'debootstrap'
	fi
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
	tar -C "$root" --numeric-owner -c . | podman import -q --change 'CMD ["bash"]' - "$BASE_IMAGE" >/dev/null || die 'podman import'
	rm -rf "$root"
}

# image_build IMAGE DOCKERFILE [OPTION...] CONTEXT
image_build() {
	local image=$1 file=$2
	shift 2
	buildah bud --isolation chroot --format docker --pull-never --layers -t "$image" -f "$file" "$@" >"$SCRATCH/build.log" 2>&1 || {
		tail -n 30 "$SCRATCH/build.log"
		return 1
	}
}

# container_run NAME [OPTION...] IMAGE [COMMAND...]: in the background, until the script ends.
container_run() {
	local name=$1
	shift
	podman run -d --name "$name" --label "$OWNED" "$@" >/dev/null
}

# container_systemd NAME [OPTION...] IMAGE: a systemd as PID 1, and wait until it runs.
container_systemd() {
	local name=$1
	container_run "$name" --systemd=always --privileged "${@:2}" && wait_until 60 container_booted "$name"
}

# "degraded" is a boot that ended, with a unit that failed: what failed is the test's business.
container_booted() {
	local state
	state=$(podman exec "$1" systemctl is-system-running)
	[ "$state" = running ] || [ "$state" = degraded ]
}
