#!/bin/bash
# segue-publish.service under a real systemd, beside Debian's PostgreSQL with a password, and a ZooKeeper.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/box.sh"
containers_need
base_image
box_start
segue_deb
UNIT=segue-publish

zk_get() { # PATH
	inside "/usr/share/zookeeper/bin/zkCli.sh -server 127.0.0.1:2181 get $1" 2>/dev/null | grep '^{' | tee "$SCRATCH/znode"
}

published() { # PATTERN
	zk_get /segue/orders/master | grep -q "$1"
}

# Prints the session that keeps the presence: another one, another number.
presence_owner() {
	inside '/usr/share/zookeeper/bin/zkCli.sh -server 127.0.0.1:2181 stat /segue/orders/publishers/db1' 2>/dev/null |
		sed -n 's/^ephemeralOwner = //p' | grep 0x
}

is_present() { # SESSION that it is not
	local owner
	owner=$(presence_owner)
	echo "the presence is of session ${owner:-none}"
	[ -n "$owner" ] && [ "$owner" != "${1:-}" ]
}

# Sooner than the session could have expired.
is_absent() {
	! presence_owner
}

says() { # EVENT, in the journal
	inside "journalctl -u segue-publish | grep event=$1"
}

configured() {
	inside "su -s /bin/sh postgres -c 'cd / && psql -qc \"CREATE ROLE segue LOGIN PASSWORD \\\$\\\$secret\\\$\\\$\"'" &&
		inside "cat >/etc/segue/segue.ini <<-END
			[zookeeper]
			hosts = 127.0.0.1:2181
			[cluster orders]
			path = /segue/orders
			[publisher orders]
			cluster = orders
			name = db1
			nodes = host=127.0.0.1 port=$PORT
			conninfo = user=segue dbname=postgres
		END
		echo '127.0.0.1:$PORT:*:segue:secret' >/etc/segue/passfile
		chown segue /etc/segue/passfile && chmod 600 /etc/segue/passfile"
}

inside 'systemctl start postgresql@15-main' || die 'PostgreSQL'
PORT=$(inside 'pg_lsclusters -h' | awk '{ print $3 }')
check 'it is installed' inside 'dpkg -i /segue.deb' || die 'no package, no test'
check 'it is configured, with a password in the passfile' configured
check 'it starts' inside 'systemctl enable --now segue-publish' || explain
check 'as segue, not as root' inside '[ "$(ps -o user= -p $(systemctl show --value -p MainPID segue-publish))" = segue ]'
check 'it publishes the primary' wait_until 10 published "\"host\":\"127.0.0.1\",\"port\":$PORT" || explain
note "$(cat "$SCRATCH/znode")"
check 'it is present' wait_until 5 is_present || explain
check 'systemctl status names the primary' wait_until 5 unit_is StatusText '*127.0.0.1 takes writes*' || explain
note "$(unit StatusText)"

# -- it is woken, goes blind, and sees again --

check 'repmgr'"'"'s user may wake it' inside 'su -s /bin/sh postgres -c "segue notify -s /run/segue/publish.sock orders"' &&
	check 'and it hears that' wait_until 5 says notified || explain
inside 'systemctl stop postgresql@15-main'
check 'PostgreSQL is stopped: it has nobody to ask, says its status' wait_until 20 unit_is StatusText '*none of 1 servers answers*' || explain
check 'what it published stays' published "\"port\":$PORT"
inside 'systemctl start postgresql@15-main'
check 'PostgreSQL is started: it sees the primary' wait_until 10 unit_is StatusText '*127.0.0.1 takes writes*' || explain

# -- reloaded --

inside 'echo "wrong = 1" >>/etc/segue/segue.ini; systemctl reload segue-publish'
check 'a bad configuration is refused on reload, and the status says so' wait_until 5 unit_is StatusText 'CONFIG REFUSED*' || explain
check 'the running one stays' unit_is ActiveState active
check 'and publishes' is_present
owner=$(presence_owner)
inside 'sed -i "s/^wrong = 1/interval = 500ms/" /etc/segue/segue.ini; systemctl reload segue-publish'
check 'a good one is taken' wait_until 5 says config_reloaded || explain
check 'and the status has the primary again' wait_until 5 unit_is StatusText '*127.0.0.1 takes writes*' || explain
check 'its presence went on without a blink' [ "$(presence_owner)" = "$owner" ]

# -- killed, frozen, stopped --

pid=$(unit MainPID)
inside "kill -9 $pid"
check 'killed, it is started again' wait_until 10 other_than "$pid" || explain
check 'and is present by a session of its own' wait_until 20 is_present "$owner" || explain
owner=$(presence_owner)
pid=$(unit MainPID)
inside "kill -STOP $pid"
check 'frozen, the watchdog starts it again' wait_until 30 other_than "$pid" || explain
check 'by a watchdog, says the journal' inside 'journalctl -u segue-publish | grep -q "Watchdog timeout"'
check 'and it is present' wait_until 20 is_present "$owner" || explain

owner=$(presence_owner)
zookeeper_stops
check 'without ZooKeeper its status says so' wait_until 20 unit_is StatusText '*ooKeeper*' || explain
note "$(unit StatusText)"
check 'a start without ZooKeeper does not hang' inside 'timeout 20 systemctl restart segue-publish' || explain
zookeeper_starts || die 'ZooKeeper'
check 'with ZooKeeper back, it is present, once its last session has expired' wait_until 30 is_present "$owner" || explain

check 'it stops, cleanly' inside 'systemctl stop segue-publish && [ "$(systemctl show --value -p Result segue-publish)" = success ]' || explain
check 'with its presence gone by then' is_absent
check 'and the primary published still' published "\"port\":$PORT"
