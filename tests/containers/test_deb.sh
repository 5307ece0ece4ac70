#!/bin/bash
# The Debian package: clean for lintian, installed, upgraded over what an administrator has edited, removed, purged
# without a trace.

. "$(dirname "$0")/lib.sh"

DEB=$(make -s -C "$ROOT" deb 2>"$SCRATCH/make" | sed -n 's/^build\///p')
[ -f "$ROOT/build/$DEB" ] || die "make deb: $(tail -n 5 "$SCRATCH/make")"
ok 'make deb'

check 'lintian has no errors and no warnings' lintian --no-cfg --fail-on error,warning "$ROOT/build/$DEB"

exposure_is_at_most_2() {
	local unit
	for unit in "$ROOT"/packaging/systemd/*.service; do
		systemd-analyze security --no-pager --offline=yes --threshold=20 "$unit" | tail -n 1
		[ "${PIPESTATUS[0]}" = 0 ] || return 1
	done
}
check 'systemd-analyze security: 2.0 or better for each unit' exposure_is_at_most_2

containers_need
base_image

# The same package one version on, with a template that changed meanwhile.
newer_package() {
	dpkg-deb -R "$ROOT/build/$DEB" "$SCRATCH/new" &&
		sed -i 's/^Version: .*/Version: 99.0-1/' "$SCRATCH/new/DEBIAN/control" &&
		echo '{{! new }}' >>"$SCRATCH/new/etc/segue/templates/haproxy.cfg.mustache" &&
		dpkg-deb --root-owner-group -b "$SCRATCH/new" "$SCRATCH/new.deb"
}

inside() {
	podman exec segue-deb sh -c "$*"
}

container_run segue-deb --network host "$BASE_IMAGE" sleep infinity || die 'a container'
inside 'mkdir -p /etc/haproxy /etc/pgbouncer'
podman cp "$ROOT/build/$DEB" segue-deb:/old.deb
newer_package >"$SCRATCH/log" 2>&1 || die "a newer package: $(cat "$SCRATCH/log")"
podman cp "$SCRATCH/new.deb" segue-deb:/new.deb
inside 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends adduser libsystemd0 libpq5 /old.deb' >"$SCRATCH/log" 2>&1
check 'it installs on a bare Debian 12' inside segue --version
check 'and says what comes next' grep -q 'nothing runs yet: fill in /etc/segue/segue.ini' "$SCRATCH/log"
check 'there is a user, without a shell' inside 'getent passwd segue | grep -q nologin'
check 'HAProxy gets a folder that segue may write' inside '[ "$(stat -c %U:%G:%a /etc/haproxy/conf.d)" = root:segue:2775 ]'
check 'the configuration waits for its three values' inside '[ "$(grep -c "^; FILL IN" /etc/segue/segue.ini)" = 3 ] && ! segue check'

inside 'echo "; mine" >>/etc/segue/segue.ini; echo "{{! mine }}" >>/etc/segue/templates/haproxy.cfg.mustache'
inside 'dpkg --force-confold -i /new.deb' >"$SCRATCH/log" 2>&1
check 'an upgrade keeps what was edited' inside 'grep -q "^; mine" /etc/segue/segue.ini && grep -q "! mine" /etc/segue/templates/haproxy.cfg.mustache'
check 'and puts the new template beside it' inside 'grep -q "! new" /etc/segue/templates/haproxy.cfg.mustache.dpkg-dist'

inside 'mkdir -p /var/lib/segue && touch /var/lib/segue/state /run/segue/segue.sock; dpkg -r segue' >/dev/null 2>&1
check 'removed, it leaves configuration and memory' inside '[ ! -e /usr/bin/segue ] && grep -q "^; mine" /etc/segue/segue.ini && [ -e /var/lib/segue/state ]'

inside 'dpkg -P segue' >"$SCRATCH/log" 2>&1
check 'purged, neither user nor group is left' inside '! getent passwd segue && ! getent group segue'
check 'nor any file or folder of its own' inside '! find / -xdev \( -path /proc -o -path /sys \) -prune -o -name "*segue*" -print | grep .'
check 'nor the folders that it made' inside '[ ! -e /etc/haproxy/conf.d ] && [ ! -e /etc/pgbouncer/segue ]'

inside 'echo "EXTRAOPTS=\"-f /etc/haproxy/conf.d\"" >/etc/default/haproxy; dpkg -i /old.deb && touch /etc/haproxy/conf.d/orders.cfg && dpkg -P segue' >"$SCRATCH/log" 2>&1
check 'what HAProxy is told to load stays' inside '[ "$(stat -c %G /etc/haproxy/conf.d/orders.cfg)" = root ]'
