#!/bin/sh
# The entry of the stand-in for the mongo image: PostgreSQL with DocumentDB, and FerretDB in front. See scripts/servers/mongo.sh.
set -eu

data=/data/db/pg
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }

if [ ! -s "$data/PG_VERSION" ]; then
	chown postgres:postgres /data/db
	as_postgres /usr/lib/postgresql/18/bin/initdb -D "$data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 >/dev/null
	cat >>"$data/postgresql.conf" <<-CONF
		shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
		cron.database_name = 'postgres'
		cron.use_background_workers = on
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 300
		max_worker_processes = 32
	CONF
fi
as_postgres /usr/lib/postgresql/18/bin/postgres -D "$data" &
until psql -q -h 127.0.0.1 -U postgres -c 'CREATE EXTENSION IF NOT EXISTS documentdb CASCADE'; do sleep 0.3; done
echo 'Waiting for connections' # what those who start the image wait for
exec ferretdb --postgresql-url=postgres://postgres@127.0.0.1:5432/postgres --listen-addr=:27017 \
	--no-auth --telemetry=disable --debug-addr=- --state-dir=/data/state --log-level=warn
