#!/bin/sh
# The client of the demo: NAME=HOST:PORT for each way to the database. Five writes a second on each, and a line for
# each that was acknowledged, with the server that took it. It knows nothing of failovers: it writes again.
set -u

export PGUSER=app PGDATABASE=orders PGCONNECT_TIMEOUT=60

write_through() {
	while :; do
		said=$(psql -h "$2" -p "$3" -XAtq -F ' ' -v via="$1" 2>&1 <<-'END'
			INSERT INTO writes (via) VALUES (:'via') RETURNING id, current_setting('cluster_name');
		END
		) && echo "$(date +%T) $1 wrote $said" || echo "$(date +%T) $1 error $(echo "$said" | tr '\n' ' ')"
		sleep 0.2
	done
}

for way; do
	target=${way#*=}
	write_through "${way%%=*}" "${target%:*}" "${target##*:}" &
done
trap 'kill 0' TERM INT
wait
