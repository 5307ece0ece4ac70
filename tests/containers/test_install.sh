#!/bin/bash
# `make install` and `make uninstall`: below DESTDIR, as the package does it, and below /usr/local of a machine with a real
# systemd, over a reboot. And that the hardening of the units, written out in each of them, stays the same.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/box.sh"

# hardening UNIT: without the lines in which the units are meant to differ, which are these.
hardening() {
	sed -n '/^# What it needs/,/^$/p' "$ROOT/packaging/systemd/$1.service" | grep -v '^#' | grep .
}

differs_by() { # UNIT LINES: diff's, against segue-publish.service
	diff <(hardening segue-publish) <(hardening "$1") | grep '^[<>]' >"$SCRATCH/differs"
	diff "$SCRATCH/differs" - <<<"$2"
}

check 'segue-pgbouncer is hardened as segue-publish, but for chown' differs_by segue-pgbouncer '> SystemCallFilter=@chown'
check 'segue also has no MemoryDenyWriteExecute' differs_by segue '< MemoryDenyWriteExecute=yes
> SystemCallFilter=@chown'
check 'segue-abandoned@ may become another user' differs_by segue-abandoned@ '< CapabilityBoundingSet=
> CapabilityBoundingSet=CAP_SETUID CAP_SETGID
> SystemCallFilter=@setuid capset'

installs() { # MAKE'S WORDS...
	make -s -C "$ROOT" "$@" >"$SCRATCH/install" 2>&1 || { cat "$SCRATCH/install"; return 1; }
}

listed() { # FOLDER: its files, with their modes
	(cd "$1" && find . ! -type d -printf '%m %P\n') | sed 's,usr/lib/systemd,lib/systemd,; s/\.gz$//' | sort
}

# What debhelper adds besides.
package_listed() {
	dpkg-deb -x "$ROOT/$(sed -n 's/^\(build\/.*deb\)$/\1/p' "$SCRATCH/install")" "$SCRATCH/package" &&
		listed "$SCRATCH/package" | grep -v ' usr/share/doc/segue/\(changelog\|copyright\)\| usr/share/lintian/'
}

same_as_the_package() {
	installs all && installs deb && package_listed >"$SCRATCH/expected" &&
		installs install DESTDIR="$SCRATCH/usr" PREFIX=/usr && diff "$SCRATCH/expected" <(listed "$SCRATCH/usr")
}
check 'make install and the package install the same files' same_as_the_package
check 'below DESTDIR it has nothing to say' [ ! -s "$SCRATCH/install" ]

uninstalls() {
	echo mine >"$SCRATCH/usr/usr/share/segue/mine"
	installs uninstall DESTDIR="$SCRATCH/usr" PREFIX=/usr && find "$SCRATCH/usr" ! -type d ! -path '*/etc/segue/*' | tee "$SCRATCH/left" &&
		[ "$(cat "$SCRATCH/left")" = "$SCRATCH/usr/usr/share/segue/mine" ]
}
check 'make uninstall takes its own files, and no other' uninstalls

containers_need
base_image
box_start
# Here only to be copied: the machine has no compiler.
tar -C "$ROOT" -c Makefile build/segue packaging templates man | podman exec -i "$BOX" sh -c 'mkdir /src && tar -C /src -x'
made() {
	inside "make -s -C /src -o build/segue PREFIX=/usr/local $1"
}

check 'make install below /usr/local' made install
cp "$SCRATCH/said" "$SCRATCH/next"
says_what_is_next() {
	cat "$SCRATCH/next"
	[ "$(wc -l <"$SCRATCH/next")" -le 6 ] && grep -q '^  systemctl daemon-reload' "$SCRATCH/next"
}
check 'it says what comes next' says_what_is_next
next_lines() {
	grep '^  system' "$SCRATCH/next" >"$SCRATCH/lines"
	inside "$(cat "$SCRATCH/lines")"
}
check 'and these lines work' next_lines
check 'there is a user, without a shell' inside 'getent passwd segue | grep -q nologin'
check 'and the folder for its sockets' inside '[ "$(stat -c %U:%G:%a /run/segue)" = root:segue:775 ]'
check 'systemd finds nothing wrong with the units' inside 'systemd-analyze verify --man=no /usr/local/lib/systemd/system/segue*.service'

names_the_unit() {
	inside 'segue init haproxy --dry-run --force' | tee "$SCRATCH/init"
	grep -q 'sudo systemctl enable --now segue' "$SCRATCH/init"
}
check 'segue init knows them there' names_the_unit

znode_is_made /segue/orders/master || die 'the master znode'
primary 6001
to_a_target() {
	inside "sed -i 's|^hosts =.*|hosts = 127.0.0.1:2181|; s|^path =.*|path = /segue/orders\nverify = disable|; s|^var.rw_bind =.*|var.rw_bind = 127.0.0.1:5000|' /etc/segue/segue.ini
		install -d -g segue -m 2775 /etc/haproxy/conf.d
		echo EXTRAOPTS=\\\"-S /run/haproxy-master.sock,mode,660,group,haproxy -f /etc/haproxy/conf.d\\\" >>/etc/default/haproxy
		systemctl restart haproxy && systemctl enable --now segue"
}
check 'the unit starts' to_a_target || explain
check 'from /usr/local' inside '[ "$(readlink /proc/$(systemctl show --value -p MainPID segue)/exe)" = /usr/local/bin/segue ]'
check 'and leads HAProxy' wait_until 20 haproxy_shows 127.0.0.1 6001 || explain
kept_by_a_second() {
	made install | tee "$SCRATCH/second"
	grep -q 'KEPT */etc/segue/segue.ini' "$SCRATCH/second" && inside 'grep "^hosts = 127" /etc/segue/segue.ini'
}
check 'a second make install keeps what was edited, and says so' kept_by_a_second

podman restart -t 20 "$BOX" >/dev/null
wait_until 60 container_booted "$BOX" || die 'the machine does not come back'
check 'after a reboot, /run/segue is there' inside '[ "$(stat -c %U:%G:%a /run/segue)" = root:segue:775 ]'
check 'and segue runs' wait_until 20 unit_is ActiveState active || explain
check 'with HAProxy where it was' wait_until 20 haproxy_shows 127.0.0.1 6001 || explain

inside 'systemctl disable -q --now segue'
check 'make uninstall' made uninstall
check 'leaves the configuration, its memory, and nothing else' inside '
	! find / -xdev \( -path /proc -o -path /sys -o -path /src -o -path /etc/segue -o -path /var/lib/segue -o -path /run \) -prune -o -name "*segue*" -print | grep .
	[ -e /etc/segue/segue.ini ]'
