# A real MongoDB-compatible server from packages: PostgreSQL 18 with the DocumentDB extension, in a chroot of Debian sid, and FerretDB in front
# speaking MongoDB's protocol. It is a standalone: no transactions, no change streams, no primary change.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state, chroot_dir, ferretdb and probe are set by servers.sh and install.sh

pg_bin=/usr/lib/postgresql/18/bin

# as_postgres COMMAND… inside the chroot. PostgreSQL refuses to run as root; the package made the user.
as_postgres() { chroot --userspec=postgres:postgres "$chroot_dir" "$@"; }

# The data lie inside the chroot, one folder per instance: no mount is needed, and none can be left behind.
mongo_start() {
	mkdir -p "$state"
	[ -e "$state/postgres.dir" ] || new_cluster
	local data pg port
	data=$(<"$state/postgres.dir")
	pg=$(port_of postgres)
	port=$(port_of mongo)
	if ! alive postgres; then
		# Killed, it left its lock file, and would take a zombie nobody has reaped yet for a running server. Whether a child still uses the data
		# it finds out by the shared memory, whatever this file says.
		rm -f "$chroot_dir$data/pg/postmaster.pid"
		launch postgres chroot --userspec=postgres:postgres "$chroot_dir" "$pg_bin/postgres" -D "$data/pg" -p "$pg"
		serving postgres sql "$pg" 'SELECT 1'
		sql "$pg" 'CREATE EXTENSION IF NOT EXISTS documentdb CASCADE' >>"$state/postgres.log" 2>&1
	fi
	if ! alive ferretdb; then
		mkdir -p "$state/ferretdb"
		launch ferretdb "$ferretdb" --postgresql-url="postgres://postgres@127.0.0.1:$pg/postgres" --listen-addr="127.0.0.1:$port" \
			--no-auth --telemetry=disable --debug-addr=- --state-dir="$state/ferretdb" --log-level=warn
	fi
	build_probe
	serving ferretdb "$probe" "mongodb://127.0.0.1:$port/"
	say "mongo serves on $port"
}

sql() { as_postgres "$pg_bin/psql" -X -q -h 127.0.0.1 -p "$1" -U postgres -c "$2"; }

# forgotten removes the data of instances that nobody took down: a day old, and no server on them.
forgotten() {
	local dir
	find "$chroot_dir/srv" -mindepth 1 -maxdepth 1 -name 'instance.*' -mtime +0 | while read -r dir; do
		[ -e "/proc/$(head -n 1 "$dir/pg/postmaster.pid" 2>/dev/null || echo none)" ] || rm -rf "$dir"
	done
}

new_cluster() {
	local data
	forgotten
	data=$(mktemp -d "$chroot_dir/srv/instance.XXXXXX")
	chroot "$chroot_dir" chown postgres:postgres "/srv/${data##*/}"
	as_postgres "$pg_bin/initdb" -D "/srv/${data##*/}/pg" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >"$state/postgres.log" 2>&1 </dev/null ||
		{ tail -n 20 "$state/postgres.log" >&2 && die "initdb failed"; }
	cluster_config >>"$data/pg/postgresql.conf"
	echo "/srv/${data##*/}" >"$state/postgres.dir"
}

cluster_config() {
	cat <<'CONF'
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
cron.use_background_workers = on   # else it looks for a socket or for "localhost", and the chroot has neither
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap  # the chroot has no /dev/shm of its own
max_connections = 300
max_worker_processes = 32
shared_buffers = 256MB
log_min_messages = warning
CONF
	# After kill -9 the kernel still holds every page that was written, so leaving out fsync loses nothing then. What is needed: the log written
	# before the answer (synchronous_commit), and whole pages in it, because a kill may cut a page's write in two (full_page_writes, the default).
	case "${SERVERS_DURABILITY:-kill}" in
	kill) echo 'fsync = off' ;;
	disk) ;;
	none) printf '%s\n' 'fsync = off' 'synchronous_commit = off' 'full_page_writes = off' ;;
	*) die "SERVERS_DURABILITY is kill, disk or none" ;;
	esac
}

mongo_stop() {
	mongo_resume
	signal TERM ferretdb
	gone ferretdb
	signal INT postgres # "fast": open connections are cut, the data are flushed
	gone postgres
}

mongo_kill() {
	signal KILL ferretdb
	# The children too: they would hold the shared memory for a moment, and a start in that moment is refused.
	local pids=()
	if alive postgres; then mapfile -t pids < <(children "$(recorded postgres)"); fi
	signal KILL postgres
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
	gone ferretdb
	gone postgres
	local pid
	for pid in "${pids[@]}"; do
		while started "$pid" >/dev/null; do sleep 0.02; done
	done
}

mongo_pause() { signal STOP ferretdb; }
mongo_resume() { signal CONT ferretdb; }

mongo_down() {
	mongo_kill
	if [ -e "$state/postgres.dir" ]; then
		local data
		data=$(<"$state/postgres.dir")
		[ -z "$data" ] || rm -rf "${chroot_dir:?}$data"
	fi
}
