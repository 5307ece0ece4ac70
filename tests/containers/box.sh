# A Debian 12 machine with a real systemd, HAProxy, PgBouncer, PostgreSQL and ZooKeeper, all on its own loopback. Source it
# after lib.sh: it starts the machine, with its ZooKeeper, in the container BOX.
#
#   inside 'commands'                  # in the machine, by bash, as root
#   unit_is StatusText '*follow*'      # of the unit $UNIT
#   other_than PID                     # $UNIT has another main process
#   primary 5432                       # what /segue/orders/master says; null: that there is none
#   segue_deb                          # builds the package, and puts it into the machine as /segue.deb
# shellcheck shell=bash

BOX=segue-box-$$
UNIT=segue

box_start() {
	local here=$ROOT/tests/containers
	image_build localhost/segue-test-systemd "$here/systemd.Dockerfile" "$here" || die 'the image'
	container_systemd "$BOX" --network none localhost/segue-test-systemd || die 'a systemd as PID 1'
	zookeeper_starts || die 'ZooKeeper'
	znode_is_made /segue && znode_is_made /segue/orders || die 'the znodes'
}

inside() {
	podman exec "$BOX" bash -c "$*"
}

segue_deb() {
	make -s -C "$ROOT" deb >"$SCRATCH/make" 2>&1 || die "make deb: $(tail -n 5 "$SCRATCH/make")"
	podman cp "$ROOT/$(grep '^build/' "$SCRATCH/make")" "$BOX:/segue.deb"
}

unit() { # PROPERTY
	podman exec "$BOX" systemctl show --value -p "$1" "$UNIT"
}

unit_is() { # PROPERTY PATTERN
	local value
	value=$(unit "$1")
	echo "$1 is $value"
	# shellcheck disable=SC2053
	[[ $value == $2 ]]
}

other_than() { # PID
	local pid
	pid=$(unit MainPID)
	echo "the main process is $pid"
	[ "$pid" != "$1" ] && [ "$pid" != 0 ]
}

explain() {
	podman exec "$BOX" journalctl --no-pager -n 15 -u 'segue*' | sed 's/^/         | /'
}

# --- ZooKeeper ---

zk() {
	inside "echo '$1' | /usr/share/zookeeper/bin/zkCli.sh -server 127.0.0.1:2181" 2>&1
}

znode_is_made() { # PATH
	zk "create $1 \"\"" | grep -q "^Created $1"
}

zookeeper_starts() {
	inside 'systemd-run -q --unit zk -p LimitNOFILE=1024 /usr/share/zookeeper/bin/zkServer.sh start-foreground' &&
		wait_until 60 inside 'exec 3<>/dev/tcp/127.0.0.1/2181'
}

zookeeper_stops() {
	inside 'systemctl stop zk; systemctl reset-failed zk 2>/dev/null; true'
}

primary() { # PORT, or null
	local value='{"version":1,"primary":null}'
	[ "$1" = null ] || value='{"version":1,"primary":{"name":"db","host":"127.0.0.1","port":'$1'}}'
	inside "/usr/share/zookeeper/bin/zkCli.sh -server 127.0.0.1:2181 set /segue/orders/master '$value'" >/dev/null 2>&1
}

# --- the proxies ---

haproxy_shows() { # ADDRESS PORT
	inside 'echo "show servers conn orders_rw" | socat - /run/haproxy/admin.sock' | grep "^orders_rw/primary .* $1 $2 "
}

console() {
	podman exec -u postgres -w / "$BOX" psql -XAtqh /var/run/postgresql -p 6432 -U pgbouncer pgbouncer -c "$1"
}

paused() { # 0 or 1
	local rows
	rows=$(console 'SHOW DATABASES' | grep '^orders|')
	echo "$rows"
	[ "$(echo "$rows" | awk -F'|' '{ print $12 }' | sort -u)" = "$1" ]
}
