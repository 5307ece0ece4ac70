#!/bin/bash
# The image, and docker/compose.yaml with it: built by buildah, and run by a real docker-compose that talks to podman. The
# failover is the one of the README, by its commands.

. "$(dirname "$0")/lib.sh"

PROJECT=segue$$
COMPOSE_FILE=$ROOT/docker/compose.yaml
SIZE_MAX=$((30 * 1000 * 1000)) # bytes above the base image
export SUBNET=172.30.$(($$ % 250))
# podman gives a container the host's name servers besides its own, which knows the other containers; Docker does not.
export CONTAINERS_DNS=$SUBNET.1
helpers=()

test_end() {
	[ ! -S "$SCRATCH/podman.sock" ] || compose down -v -t 0 >"$SCRATCH/down.log" 2>&1 || cat "$SCRATCH/down.log"
	[ ${#helpers[@]} = 0 ] || kill "${helpers[@]}"
	# What looked after an exec of ours stays for five minutes more, in case that somebody asks how it ended.
	pgrep -f "conmon .* -n ${PROJECT}_" | xargs -r kill
	podman rm -f -t 0 "$PROJECT-segue" "$PROJECT-haproxy" >/dev/null 2>&1
	podman volume rm "$PROJECT-run" "$PROJECT-config" "$PROJECT-state" >/dev/null 2>&1
}

# --- the image ---

inspect() {
	podman inspect --format "$2" "$1"
}

is() {
	[ "$1" = "$2" ] || { echo "found \"$1\" instead of \"$2\""; return 1; }
}

is_small() {
	local above=$(($(inspect segue '{{.Size}}') - $(inspect "$BASE_IMAGE" '{{.Size}}')))
	echo "$((above / 1000)) kB above the base image" | tee "$SCRATCH/size"
	[ "$above" -lt "$SIZE_MAX" ]
}

refuses_without_environment() {
	local code=0
	podman run --rm -e SEGUE_CONFIG=/etc/segue/haproxy.ini -e SEGUE_CLUSTER=orders segue 2>"$SCRATCH/refused" || code=$?
	cat "$SCRATCH/refused"
	is "$code" 2 && grep -q 'hosts: found ${SEGUE_ZOOKEEPER}, which is not set in the environment' "$SCRATCH/refused"
}

takes_mounted_configuration() {
	printf '[zookeeper]\nhosts = zk:2181\n[cluster orders]\npath = /segue/orders\n' >"$SCRATCH/segue.ini"
	podman run --rm -v "$SCRATCH/segue.ini:/etc/segue/segue.ini:ro" segue check | tee "$SCRATCH/checked"
	grep -q '^ok    config: /etc/segue/segue.ini' "$SCRATCH/checked"
}

# Its state in a new volume, as podman and Docker make them from the folder in the image.
runs_as_any_user() {
	podman run --rm --user 99:99 --read-only --cap-drop all -v /var/lib/segue -e SEGUE_CONFIG=/etc/segue/haproxy.ini \
		-e SEGUE_ZOOKEEPER=127.0.0.1:1 -e SEGUE_CLUSTER=orders -e SEGUE_PATH=/segue/orders segue check | tee "$SCRATCH/checked"
	grep -q '^ok    state_dir: /var/lib/segue is writable' "$SCRATCH/checked"
}

test_image() {
	check 'the image is built' image_build segue "$ROOT/docker/Dockerfile" "$ROOT" || die 'no image, no test'
	check 'less than 30 MB above its base' is_small
	note "$(cat "$SCRATCH/size")"
	check 'runs as nobody in particular' is "$(inspect segue '{{.User}}')" 7432:7432
	check 'stops by SIGTERM' is "$(inspect segue '{{.Config.StopSignal}}')" SIGTERM
	check 'asks itself for its health' is "$(inspect segue '{{.HealthCheck.Test}}')" '[CMD segue health]'
	check 'says what it is' is "$(inspect segue '{{index .Labels "org.opencontainers.image.title"}}')" segue
	check 'says which variable is missing' refuses_without_environment
	check 'takes a mounted segue.ini' takes_mounted_configuration
	check 'any user may run it' runs_as_any_user
}

# --- a proxy that was there before: the commands of the README, with podman for docker ---

made_by_root() {
	podman run --rm --user 0 --entrypoint chown -v "$PROJECT-run:/run/haproxy" -v "$PROJECT-config:/etc/haproxy/conf.d" segue \
		99:99 /run/haproxy /etc/haproxy/conf.d
}

own_haproxy() {
	container_run "$PROJECT-haproxy" --user 99:99 --cap-drop ALL \
		-v "$PROJECT-run:/run/haproxy" -v "$PROJECT-config:/etc/haproxy/conf.d" segue-demo-haproxy
}

own_sidecar() {
	container_run "$PROJECT-segue" --user 99:99 --read-only --cap-drop ALL --restart unless-stopped \
		-v "$PROJECT-run:/run/haproxy" -v "$PROJECT-config:/etc/haproxy/conf.d" -v "$PROJECT-state:/var/lib/segue" \
		-e SEGUE_CONFIG=/etc/segue/haproxy.ini \
		-e SEGUE_ZOOKEEPER=127.0.0.1:1 -e SEGUE_CLUSTER=orders -e SEGUE_PATH=/segue/orders segue
}

reaches_sockets() {
	podman exec "$PROJECT-segue" segue check >"$SCRATCH/checked"
	cat "$SCRATCH/checked"
	grep -q '^ok .*/run/haproxy/admin.sock has level admin' "$SCRATCH/checked" &&
		grep -q '^ok .*/run/haproxy/master.sock: master' "$SCRATCH/checked" &&
		grep -q '^ok .*/etc/haproxy/conf.d is writable' "$SCRATCH/checked"
}

test_own_proxy() {
	check 'volumes for the user of a proxy' made_by_root
	check 'a HAProxy of another user' own_haproxy
	check 'a sidecar of that user' own_sidecar
	check 'it is healthy, though there is no store' wait_until 10 podman exec "$PROJECT-segue" segue health
	check 'it is not ready' eval '! podman exec "$PROJECT-segue" segue health --ready'
	check 'it reaches both sockets and the folder' wait_until 10 reaches_sockets
	podman rm -f -t 2 "$PROJECT-segue" "$PROJECT-haproxy" >/dev/null 2>&1
}

# --- the demo ---

compose() {
	DOCKER_HOST=unix://$SCRATCH/podman.sock docker-compose -p "$PROJECT" -f "$COMPOSE_FILE" "$@"
}

# documented COMMAND: runs what the head of compose.yaml, and so the README, tells to type.
documented() {
	grep -qxF "#   $1" "$COMPOSE_FILE" || { echo "not in compose.yaml: $1"; return 1; }
	local words=${1#docker compose -f docker/compose.yaml }
	words=${words/--build/--no-build} # by buildah, before
	words=${words/exec /exec -T }
	# shellcheck disable=SC2086
	compose $words
}

container() {
	echo "${PROJECT}_$1_1"
}

# podman leaves the health checks to timers of systemd, which need not be here.
look_after_health() {
	while :; do
		for service in haproxy-segue pgbouncer-segue; do
			podman healthcheck run "$(container $service)"
		done
		sleep 0.5
	done >/dev/null 2>&1
}

build_demo() {
	local target
	for target in zookeeper postgres haproxy pgbouncer; do
		image_build "segue-demo-$target" "$ROOT/docker/demo/Dockerfile" --target "$target" "$ROOT/docker/demo" || return 1
	done
}

start_demo() {
	export RW_PORT=$((20000 + $$ % 10000)) RO_PORT=$((30000 + $$ % 10000)) PGBOUNCER_PORT=$((40000 + $$ % 10000))
	podman system service -t 0 "unix://$SCRATCH/podman.sock" >"$SCRATCH/service.log" 2>&1 &
	helpers+=($!)
	look_after_health &
	helpers+=($!)
	wait_until 10 test -S "$SCRATCH/podman.sock" && documented 'docker compose -f docker/compose.yaml up -d --build'
}

# writes [WAY]: the writes that the client was told are done, one a line: time, way, "wrote", id, server.
writes() {
	podman logs "$(container client)" 2>/dev/null | grep " ${1:-.*} wrote "
}

# goes_on WAY SERVER SINCE: more than five writes on this way since there were SINCE, the last one by this server.
goes_on() {
	writes "$1" | tail -n +$(($3 + 1)) >"$SCRATCH/went_on"
	podman logs --tail 3 "$(container client)"
	[ "$(wc -l <"$SCRATCH/went_on")" -gt 5 ] && tail -n 1 "$SCRATCH/went_on" | grep -q " $2\$"
}

count() {
	writes "$1" | wc -l
}

# The log has the order in which the client was told.
no_write_by_old_after_new() {
	writes | awk '$5 == "db2" { new = 1 } $5 == "db1" && new { print; bad = 1 } END { exit bad }'
}

# Each write that the new primary acknowledged is there.
all_there() {
	writes | awk '$5 == "db2" { print $4 }' | sort >"$SCRATCH/acknowledged"
	podman exec "$(container db2)" psql -XAtc 'SELECT id FROM writes' orders | sort >"$SCRATCH/rows"
	is "$(comm -23 "$SCRATCH/acknowledged" "$SCRATCH/rows")" ''
}

# podman gives a server another MAC address at each start and tells nobody: for half a minute the others talk to the old
# one. Being asked something by the server corrects that. (Docker makes the MAC address from the IP address.)
greet() {
	local service
	for service in haproxy haproxy-segue pgbouncer pgbouncer-segue db1-publisher db2-publisher; do
		podman exec "$(container "$1")" pg_isready -q -t 1 -h "$service"
	done
	return 0
}

sidecar_says() {
	podman exec "$(container "$1")" segue status | tee "$SCRATCH/status"
	grep -q "$2" "$SCRATCH/status"
}

is_locked_up() {
	is "$(podman inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}} {{.Config.User}}' "$(container "$1")")" \
		'true [] 7432:7432'
}

test_failover() {
	local haproxy pgbouncer
	haproxy=$(count haproxy) pgbouncer=$(count pgbouncer)
	check 'the primary is killed' documented 'docker compose -f docker/compose.yaml kill db1'
	check 'clients are held' wait_until 20 sidecar_says pgbouncer-segue 'cluster orders: held'
	check 'the standby is promoted' documented 'docker compose -f docker/compose.yaml exec db2 pg_ctl promote'
	check 'writes go on through HAProxy' wait_until 60 goes_on haproxy db2 "$haproxy"
	check 'writes go on through PgBouncer' wait_until 60 goes_on pgbouncer db2 "$pgbouncer"
	note "errors that the client saw: $(podman logs "$(container client)" 2>&1 | grep -c ' error ')"
	check 'the old primary comes back' documented 'docker compose -f docker/compose.yaml start db1'
	greet db1
	check 'it is heard, and not followed' wait_until 30 sidecar_says haproxy-segue "$SUBNET.11:5432 .* no  *[^-]"
	haproxy=$(count haproxy)
	check 'and nobody goes there' wait_until 60 goes_on haproxy db2 "$haproxy"
	check 'no write by the old primary after the first by the new one' no_write_by_old_after_new
	check 'no write is lost that the new primary acknowledged' all_there
	check 'it is stopped again' compose stop -t 5 db1
}

stops_at_once() {
	local start=${EPOCHREALTIME/./} took
	podman stop -t 10 "$(container "$1")" || return 1
	took=$((${EPOCHREALTIME/./} - start))
	echo "took $((took / 1000)) ms"
	is "$(podman inspect --format '{{.State.ExitCode}}' "$(container "$1")")" 0 && [ "$took" -lt 2000000 ]
}

# PgBouncer waits for as long as nobody resumes it: the sidecar that paused it is dead.
test_killed_while_paused() {
	local haproxy pgbouncer
	check 'the last primary is killed' compose kill db2
	check 'clients are held' wait_until 20 sidecar_says pgbouncer-segue 'cluster orders: held'
	check 'kill -9 of the sidecar while PgBouncer is paused' compose kill pgbouncer-segue
	haproxy=$(count haproxy) pgbouncer=$(count pgbouncer)
	check 'the primary is there again' compose start db2
	greet db2
	check 'writes go on through HAProxy, whose sidecar lives' wait_until 60 goes_on haproxy db2 "$haproxy"
	check 'PgBouncer is paused still' is "$(count pgbouncer)" "$pgbouncer"
	check 'the sidecar is started' compose start pgbouncer-segue
	check 'and resumes PgBouncer' wait_until 60 goes_on pgbouncer db2 "$pgbouncer"
}

test_demo() {
	check 'the compose file is valid' compose config -q
	check 'it is started' start_demo || die 'no demo'
	check 'the sidecar of HAProxy is healthy' wait_until 30 podman healthcheck run "$(container haproxy-segue)"
	check 'the sidecar of PgBouncer is healthy' wait_until 30 podman healthcheck run "$(container pgbouncer-segue)"
	check 'the client writes through HAProxy' wait_until 60 goes_on haproxy db1 0
	check 'the client writes through PgBouncer' wait_until 60 goes_on pgbouncer db1 0
	check 'read-only, no capability, the proxy'"'"'s user' is_locked_up haproxy-segue
	check 'read-only, no capability, PgBouncer'"'"'s user' is_locked_up pgbouncer-segue
	test_failover
	check 'SIGTERM ends a sidecar within 2 s, with 0' stops_at_once haproxy-segue
	check 'it is started again' compose start haproxy-segue
	check 'and is healthy' wait_until 30 podman healthcheck run "$(container haproxy-segue)"
	check 'SIGTERM ends a publisher within 2 s, with 0' stops_at_once db1-publisher
	test_killed_while_paused
}

containers_need
base_image
test_image
check 'the images of the demo are built' build_demo || die 'no images, no demo'
test_own_proxy
if command -v docker-compose >/dev/null; then
	test_demo
else
	skip 'docker/compose.yaml' 'docker-compose is not installed (make container-deps)'
fi
