#!/bin/bash
# The units under a real systemd, beside Debian's HAProxy and PgBouncer as packaged. Everything runs in one container
# without a network but its own loopback.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/box.sh"
containers_need
base_image
box_start
segue_deb
znode_is_made /segue/orders/master || die 'the master znode'
inside 'pg_ctlcluster 15 main start'
primary 5432

# -- from dpkg -i to a confirmed target, by the README --

minutes_to_a_target() {
	inside 'dpkg -i /segue.deb' || return 1
	inside "sed -i 's|^hosts =.*|hosts = 127.0.0.1:2181|; s|^path =.*|path = /segue/orders|; s|^var.rw_bind =.*|var.rw_bind = 127.0.0.1:5000|' /etc/segue/segue.ini" || return 1
	inside 'echo EXTRAOPTS=\"-S /run/haproxy-master.sock,mode,660,group,haproxy -f /etc/haproxy/conf.d\" >>/etc/default/haproxy' || return 1
	inside 'systemctl restart haproxy && systemctl enable --now segue'
}
began=${EPOCHREALTIME/./}
check 'install, three values, two commands: segue is started' minutes_to_a_target || explain
check 'HAProxy is led to the primary' wait_until 20 haproxy_shows 127.0.0.1 5432 || explain
note "from dpkg -i to the confirmed target: $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
check 'systemd knows that it is ready, and why' wait_until 5 unit_is StatusText '* follow their primary' || explain
check 'it runs as segue, not as root' inside '[ "$(ps -o user= -p $(systemctl show --value -p MainPID segue))" = segue ]'

# -- at work --

# Nobody serves at the next addresses: from here on the store's word alone counts.
inside "sed -i '/^path =/a verify = disable' /etc/segue/segue.ini; systemctl reload segue"
primary 6002
check 'a change of the znode moves HAProxy' wait_until 10 haproxy_shows 127.0.0.1 6002 || explain
check 'and the file for its next start' wait_until 10 inside 'grep -q 127.0.0.1:6002 /etc/haproxy/conf.d/orders.cfg'

check 'a template that needs a reload gets one, through the master socket' inside '
	sed -i "s/timeout queue 1m/timeout queue 61s/" /etc/segue/templates/haproxy.cfg.mustache
	systemctl reload segue' &&
	check 'which HAProxy has made' wait_until 20 inside 'journalctl -u segue | grep -q "event=reloaded"' || explain

inside 'printf "\nfrontend look from segue_orders\n\tmode http\n\tbind 127.0.0.1:8404\n\thttp-request deny if { path_reg ^/[a-c]+x }\n" >>/etc/segue/templates/haproxy.cfg.mustache; systemctl reload segue'
check 'check_command takes a configuration with a regex, which wants to compile code' wait_until 20 inside '
	grep -q path_reg /etc/haproxy/conf.d/orders.cfg' || explain

inside 'echo "wrong = 1" >>/etc/segue/segue.ini; systemctl reload segue'
check 'a bad configuration is refused on reload, and the status says so' wait_until 5 unit_is StatusText 'CONFIG REFUSED*'
check 'the running one stays' unit_is ActiveState active
inside 'sed -i "/^wrong = 1/d" /etc/segue/segue.ini; systemctl reload segue'
check 'a good one is taken again' wait_until 10 unit_is StatusText '[0-9]* follow their primary' || explain

zookeeper_stops
check 'without ZooKeeper it serves on, with a status that says so' wait_until 20 unit_is StatusText '*KEPT, the last primary stays*ooKeeper*' || explain
check 'and HAProxy stays' haproxy_shows 127.0.0.1 6002

began=${EPOCHREALTIME/./}
check 'a start without ZooKeeper does not hang' inside 'timeout 20 systemctl restart segue' || explain
note "which took $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
check 'its status says what it waits for' unit_is StatusText '*WAITING, nothing is changed*' || explain
zookeeper_starts
check 'with ZooKeeper back, it is in step' wait_until 30 unit_is StatusText '[0-9]* follow their primary' || explain

# -- killed, frozen, stopped --

pid=$(unit MainPID)
inside "kill -9 $pid"
check 'killed, it is started again' wait_until 10 other_than "$pid" || explain
check 'and in step' wait_until 10 unit_is StatusText '[0-9]* follow their primary' || explain
check 'with nothing left of the mark of its death' inside '! ls /run/segue/*.died'

pid=$(unit MainPID)
inside "kill -STOP $pid"
check 'frozen, the watchdog starts it again' wait_until 30 other_than "$pid" || explain
check 'by a watchdog, says the journal' inside 'journalctl -u segue | grep -q "Watchdog timeout"'

check 'it stops, cleanly' inside 'systemctl stop segue && [ "$(systemctl show --value -p Result segue)" = success ]'
check 'and HAProxy stays as it is' haproxy_shows 127.0.0.1 6002

# -- PgBouncer --

UNIT=segue-pgbouncer
inside 'systemctl disable -q segue; systemctl stop haproxy
	cd /; su postgres -c "psql -qc \"CREATE ROLE segue LOGIN\""
	sed -i "1i host postgres segue 127.0.0.1/32 trust" /etc/postgresql/15/main/pg_hba.conf
	pg_ctlcluster 15 main reload
	touch /etc/pgbouncer/segue/orders.ini; echo "%include /etc/pgbouncer/segue/orders.ini" >>/etc/pgbouncer/pgbouncer.ini
	systemctl start pgbouncer
	sed -i -e "/^\[haproxy/,/^check_command/d" -e "/^verify/d" -e "s/^;\(\[pgbouncer\|cluster\|template\|output\|console\)/\1/" /etc/segue/segue.ini' >"$SCRATCH/log" 2>&1
primary 5432

check 'beside PgBouncer, it starts' inside 'systemctl start segue-pgbouncer' || explain
check 'PgBouncer has its database' wait_until 10 paused 0 || explain
primary null
check 'without a primary, clients wait' wait_until 10 paused 1 || explain
pid=$(unit MainPID)
inside "kill -9 $pid"
check 'killed while it held them, it is started again' wait_until 10 other_than "$pid" || explain
check 'and holds them on: the store still says that there is no primary' paused 1 || explain
primary 5432
check 'with a primary, they go on' wait_until 10 paused 0 || explain

primary null
wait_until 10 paused 1 >/dev/null
check 'stopped while it held them, it lets them go' inside 'systemctl stop segue-pgbouncer' && check 'at once' paused 0 || explain

primary 5432
inside 'systemctl start segue-pgbouncer'
wait_until 10 unit_is StatusText '*follow*' >/dev/null
primary null
wait_until 10 paused 1 >/dev/null
inside 'mkdir -p /etc/systemd/system/segue-pgbouncer.service.d
	printf "[Service]\nExecStart=\nExecStart=/bin/sh -c \"kill -9 \$\$\$\$\"\n" >/etc/systemd/system/segue-pgbouncer.service.d/dies.conf
	systemctl daemon-reload; kill -9 $(systemctl show --value -p MainPID segue-pgbouncer)'
check 'one that cannot live any more lets them go, too' wait_until 10 paused 0 || explain
inside 'systemctl stop segue-pgbouncer'

# -- stopped between its death and its next start --

holds() { # the first time after its start
	primary 5432
	inside 'systemctl start segue-pgbouncer' && wait_until 10 paused 0 && wait_until 10 unit_is StatusText '*follow*' &&
		primary null && wait_until 10 paused 1
}

inside 'printf "[Service]\nRestartSec=1h\n" >/etc/systemd/system/segue-pgbouncer.service.d/dies.conf; systemctl daemon-reload'
check 'it holds clients' holds || explain
inside "kill -9 $(unit MainPID)"
check 'killed, it is to be started again' wait_until 10 unit_is SubState auto-restart
check 'and leaves them to that start' paused 1
check 'stopped before that, it lets them go' inside 'systemctl stop segue-pgbouncer' && check 'within a moment' wait_until 5 paused 0 || explain
check 'with nothing left of the mark of its death' inside '! ls /run/segue/*.died'

inside 'rm -r /etc/systemd/system/segue-pgbouncer.service.d; systemctl daemon-reload'
for round in 1 2 3; do
	check "it holds clients ($round)" holds || explain
	check 'killed and stopped in one go, it lets them go' inside "kill -9 $(unit MainPID); systemctl stop segue-pgbouncer" &&
		check 'within a moment' wait_until 5 paused 0 || explain
done

check 'it holds clients' holds || explain
pid=$(unit MainPID) since=$EPOCHSECONDS
inside "kill -9 $pid"
check 'killed and not stopped, it is started again' wait_until 10 other_than "$pid" || explain
check 'which lets nobody go' inside "! journalctl -u segue-abandoned@segue-pgbouncer --since @$since | grep 'are released'"
check 'and holds them on' paused 1 || explain

killed_often() {
	local pid
	for _ in 1 2 3 4 5 6 7 8; do
		pid=$(unit MainPID)
		inside "kill -9 $pid"
		wait_until 10 other_than "$pid" && wait_until 10 unit_is ActiveState active || return 1
	done
}
primary 5432
check 'with a primary, they go on' wait_until 10 paused 0 || explain
check 'killed eight times, it is started again as often' killed_often || explain
primary null
check 'and holds clients' wait_until 10 paused 1 || explain
inside "kill -9 $(unit MainPID); systemctl stop segue-pgbouncer"
check 'killed and stopped in one go, it lets them go' wait_until 5 paused 0 || explain

# -- a PostgreSQL of the same user --

primary 5432
inside 'systemctl start segue-pgbouncer'
wait_until 10 paused 0 >/dev/null
check 'PostgreSQL on this machine has shared memory' inside 'ls /dev/shm/PostgreSQL.*'
check 'stopping the unit of its user' inside 'systemctl stop segue-pgbouncer'
check 'leaves that memory alone' inside 'ls /dev/shm/PostgreSQL.*'
check 'and a new login works' inside 'cd /; su postgres -c "psql -Atqc \"select 1\"" | grep -qx 1'

# -- upgraded and removed, with clients held --

newer_package() {
	podman cp "$BOX:/segue.deb" "$SCRATCH/old.deb" && dpkg-deb -R "$SCRATCH/old.deb" "$SCRATCH/new" &&
		sed -i 's/^Version: .*/Version: 99.0-1/' "$SCRATCH/new/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$SCRATCH/new" "$SCRATCH/new.deb" && podman cp "$SCRATCH/new.deb" "$BOX:/new.deb"
}
newer_package >"$SCRATCH/log" 2>&1 || die "a newer package: $(cat "$SCRATCH/log")"

check 'it holds clients' holds || explain
pid=$(unit MainPID)
check 'the package is upgraded' inside 'dpkg --force-confold -i /new.deb'
check 'which starts the new program' wait_until 10 other_than "$pid" || explain
# without a primary systemd is told so only after 10 s
check 'and it is active' wait_until 20 unit_is ActiveState active || explain
check 'clients are held on' paused 1 || explain
primary 5432
check 'with a primary, they go on' wait_until 10 paused 0 || explain

check 'it holds clients' holds || explain
check 'removed, the package stops it' inside 'dpkg -r segue && ! pgrep -x segue' || explain
check 'and lets clients go' paused 0 || explain

inside 'dpkg -i /new.deb' >"$SCRATCH/log" 2>&1
check 'installed anew, it holds clients' holds || explain
check 'purged, it goes without a trace, but what the proxies load' inside '
	dpkg -P segue && ! pgrep -x segue && ! getent passwd segue && ! getent group segue && [ ! -e /var/lib/segue ] &&
	[ -e /etc/pgbouncer/segue/orders.ini ]' || explain
check 'and lets clients go' paused 0 || explain
check 'PgBouncer starts without it' inside 'systemctl restart pgbouncer && systemctl is-active pgbouncer'
