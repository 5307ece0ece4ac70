#!/bin/bash
# One segue for HAProxy and PgBouncer on one machine, and a [file] target that reloads a service: by the drop-ins and the
# polkit rule of README.Debian, word by word.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/box.sh"
containers_need
base_image
box_start
segue_deb
UNIT=segue-pgbouncer
znode_is_made /segue/orders/master || die 'the master znode'
primary 6001

# documented LINE: the block that is indented by four under this line of README.Debian.
documented() {
	awk -v line="$1" '$0 ~ "^  " line "$" { on = 1; next } on && /^    / { print substr($0, 5); next } on { exit }' \
		"$ROOT/packaging/debian/segue.README.Debian" | tee "$SCRATCH/block"
	[ -s "$SCRATCH/block" ]
}

edited() { # UNIT: with what is documented for it
	documented "systemctl edit $1" && podman cp "$SCRATCH/block" "$BOX:/block" &&
		inside "mkdir -p /etc/systemd/system/$1.service.d && cp /block /etc/systemd/system/$1.service.d/override.conf && systemctl daemon-reload"
}

configured() {
	inside 'dpkg -i /segue.deb && cat >/etc/segue/segue.ini <<-END
		[zookeeper]
		hosts = 127.0.0.1:2181
		[cluster orders]
		path = /segue/orders
		verify = disable
		[haproxy local]
		cluster = orders
		var.rw_bind = 127.0.0.1:5000
		template = /etc/segue/templates/haproxy.cfg.mustache
		output = /etc/haproxy/conf.d/orders.cfg
		socket = /run/haproxy/admin.sock
		master_socket = /run/haproxy-master.sock
		check_command = haproxy -c -f /etc/haproxy/haproxy.cfg -f {}
		[pgbouncer local]
		cluster = orders
		template = /etc/segue/templates/pgbouncer.ini.mustache
		output = /etc/pgbouncer/segue/orders.ini
		console = host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer
	END
	echo EXTRAOPTS=\"-S /run/haproxy-master.sock,mode,660,group,haproxy -f /etc/haproxy/conf.d\" >>/etc/default/haproxy
	touch /etc/pgbouncer/segue/orders.ini && echo "%include /etc/pgbouncer/segue/orders.ini" >>/etc/pgbouncer/pgbouncer.ini
	systemctl restart haproxy && systemctl restart pgbouncer'
}

pgbouncer_shows() { # PORT
	console 'SHOW DATABASES' | grep "^orders|127.0.0.1|$1|"
}

# -- both proxies --

check 'both proxies are there' configured || die 'no proxies, no test'
check 'the drop-in of README.Debian is taken' edited segue-pgbouncer
inside 'printf "\nfrontend look\n\tmode http\n\tbind 127.0.0.1:8404\n\thttp-request deny if { path_reg ^/[a-c]+x }\n" >>/etc/segue/templates/haproxy.cfg.mustache'
check 'one segue starts for both' inside 'systemctl start segue-pgbouncer' || explain
check 'systemd knows that two targets follow' wait_until 20 unit_is StatusText '2 of 2 targets follow*' || explain
primary 6002
check 'a change of the znode moves HAProxy' wait_until 10 haproxy_shows 127.0.0.1 6002 || explain
check 'and PgBouncer' wait_until 10 pgbouncer_shows 6002 || explain
check 'check_command has let the file pass' wait_until 10 inside 'grep -q 127.0.0.1:6002 /etc/haproxy/conf.d/orders.cfg' || explain
inside 'sed -i "s/timeout queue 1m/timeout queue 61s/" /etc/segue/templates/haproxy.cfg.mustache; systemctl reload segue-pgbouncer'
check 'HAProxy is reloaded for a new template' wait_until 20 inside 'journalctl -u segue-pgbouncer | grep "event=reloaded"' || explain

check 'without a primary, clients of PgBouncer wait' eval 'primary null; wait_until 10 paused 1' || explain
check 'segue tells that it holds' wait_until 10 inside 'segue status | grep "held"' || explain
inside "systemctl kill -s KILL segue-pgbouncer; systemctl stop segue-pgbouncer"
check 'killed and stopped in one go, it lets go PgBouncer' paused 0 || explain
check 'and HAProxy' haproxy_shows 127.0.0.1 6002 || explain
check 'as the journal says' inside 'journalctl -u segue-abandoned@segue-pgbouncer | grep "haproxy/local: .* opened"' || explain

# -- an application's file --

UNIT=segue
inside 'systemctl stop segue-pgbouncer
	cat >/etc/systemd/system/app.service <<-END
		[Service]
		ExecStart=/bin/sleep infinity
		ExecReload=/bin/cp /etc/app/conf.d/database.conf /run/app.loaded
	END
	echo "{{#primary}}{{host}}:{{port}}{{/primary}}" >/etc/segue/templates/app.mustache
	sed -i "/^\[pgbouncer/,\$d" /etc/segue/segue.ini
	cat >>/etc/segue/segue.ini <<-END
		[file app]
		cluster = orders
		template = /etc/segue/templates/app.mustache
		output = /etc/app/conf.d/database.conf
		reload_command = systemctl reload app
	END
	systemctl daemon-reload; systemctl start app'
primary 6003

folder_made() {
	local line
	line=$(grep '^ *install -d .* /etc/app/conf.d$' "$ROOT/packaging/debian/segue.README.Debian") && inside "$line"
}
check 'the folder of README.Debian is made' folder_made
check 'the drop-in of README.Debian is taken' edited segue
check 'segue starts' inside 'systemctl start segue' || explain
check 'the file is written' wait_until 10 inside 'grep "127.0.0.1:6003" /etc/app/conf.d/database.conf' || explain
check 'without a rule, it may not reload the application' wait_until 10 inside 'journalctl -u segue | grep "event=reload_failed\|event=move_failed" | grep app' || explain
# polkitd reads the folder again when a file in it is closed, and not when its mode changes: a file that podman cp puts
# there is still unreadable for it then, if the machine is busy. So it is written as a person's editor does.
rule_taken() {
	documented /etc/polkit-1/rules.d/50-segue.rules: && podman cp "$SCRATCH/block" "$BOX:/root/block" &&
		inside 'umask 022 && cat /root/block >/etc/polkit-1/rules.d/50-segue.rules'
}
check 'the rule of README.Debian is taken' rule_taken
check 'it may now' wait_until 30 inside 'grep "127.0.0.1:6003" /run/app.loaded' || explain
primary 6004
check 'and does at each change' wait_until 10 inside 'grep "127.0.0.1:6004" /run/app.loaded' || explain
as_segue() {
	inside "setpriv --reuid segue --regid segue --clear-groups systemctl --no-ask-password $1"
}
check 'as segue: reload app' as_segue 'reload app'
check 'but not: restart app' eval '! as_segue "restart app"'
check 'nor: reload haproxy' eval '! as_segue "reload haproxy"'
