#!/bin/sh
# A PostgreSQL server of the demo: a new primary, or with STANDBY_OF=HOST a copy of that one that streams from it.
# A data folder that is there already is started as it is. Everybody in the demo's network is trusted.
set -eu

new_primary() {
	initdb --auth=trust --username=postgres >/dev/null
	echo 'host all,replication all all trust' >>"$PGDATA/pg_hba.conf"
	postgres --single postgres >/dev/null <<-END
		CREATE ROLE segue LOGIN;
		GRANT pg_monitor TO segue;
		CREATE ROLE app LOGIN;
		CREATE DATABASE orders OWNER app;
	END
	postgres --single orders >/dev/null <<-END
		CREATE TABLE writes (id bigserial, via text, at timestamptz DEFAULT clock_timestamp());
		GRANT ALL ON writes, writes_id_seq TO app;
	END
}

new_standby() {
	until pg_isready -q -h "$STANDBY_OF"; do sleep 0.2; done
	pg_basebackup -h "$STANDBY_OF" -D "$PGDATA" -X stream -c fast -R
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	if [ -n "${STANDBY_OF:-}" ]; then new_standby; else new_primary; fi
fi
exec postgres -c listen_addresses='*' -c cluster_name="$(hostname)" -c wal_keep_size=64MB \
	-c unix_socket_directories=/run/postgresql
