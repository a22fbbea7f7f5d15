# More than one Redis, from the same package: a set watched by three sentinels (sentinel-1 … 3 over redis-1 … 3) and a Cluster of three masters
# with a replica each (cluster-1 … 6). Every member is a process of its own name: `kill redis-1`, `pause cluster-2`, `start redis-1`.
# The times are short, so that a failover can be waited for; what production should set stands in docs/operations/runbook.md.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state is set by servers.sh

sentinel_master=chatbox

# members KIND prints the names of its processes, in the order of their start.
members() {
	case "$1" in
	sentinel) echo redis-1 redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3 ;;
	cluster) echo cluster-1 cluster-2 cluster-3 cluster-4 cluster-5 cluster-6 ;;
	esac
}

# member_start NAME on its old port and folder; what it knew of the others it still knows, data apart.
member_start() {
	! alive "$1" || return 0
	local port dir=$state/$1 common
	port=$(port_of "$1")
	mkdir -p "$dir"
	common=(--port "$port" --bind 127.0.0.1 --protected-mode yes --dir "$dir" --daemonize no)
	case "$1" in
	sentinel-*)
		[ -e "$dir/sentinel.conf" ] || sentinel_config >"$dir/sentinel.conf"
		launch "$1" redis-server "$dir/sentinel.conf" "${common[@]}" --sentinel
		;;
	redis-*) launch "$1" redis-server "${common[@]}" --save '' --appendonly no --enable-debug-command local --repl-diskless-sync-delay 0 ;;
	cluster-*)
		launch "$1" redis-server "${common[@]}" --save '' --appendonly no --enable-debug-command local --repl-diskless-sync-delay 0 \
			--cluster-enabled yes --cluster-config-file nodes.conf --cluster-port "$(port_of "$1.bus")" --cluster-node-timeout 2000 \
			--cluster-require-full-coverage no
		;;
	*) die "no such server: $1" ;;
	esac
	serving "$1" redis_answers "$port"
}

sentinel_config() {
	cat <<-CONF
		sentinel monitor $sentinel_master 127.0.0.1 $(port_of redis-1) 2
		sentinel down-after-milliseconds $sentinel_master 2000
		sentinel failover-timeout $sentinel_master 6000
		sentinel parallel-syncs $sentinel_master 2
	CONF
}

sentinel_start() {
	local name
	for name in $(members sentinel); do
		member_start "$name"
		case "$name" in redis-[23]) cli redis-1 ping && cli "$name" replicaof 127.0.0.1 "$(port_of redis-1)" ;; esac >/dev/null
	done
	for name in sentinel-1 sentinel-2 sentinel-3; do serving "$name" sentinel_knows "$name"; done
	say "three sentinels watch $sentinel_master"
}

cli() { redis-cli -h 127.0.0.1 -p "$(port_of "$1")" "${@:2}"; }

# sentinel_knows NAME: it sees the other sentinels and both replicas, so that it can fail over.
sentinel_knows() {
	local said
	said=$(cli "$1" info sentinel) && grep -q 'status=ok.*slaves=2,sentinels=3' <<<"$said" && cli "$1" sentinel ckquorum "$sentinel_master" | grep -q ^OK &&
		cli redis-1 info replication | grep -c state=online | grep -q 2
}

cluster_start() {
	local name nodes=()
	for name in $(members cluster); do
		member_start "$name"
		nodes+=("127.0.0.1:$(port_of "$name")")
	done
	if cli cluster-1 cluster info | grep -q cluster_slots_assigned:0; then
		redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$state/cluster-create.log" 2>&1 </dev/null ||
			{ tail -n 20 "$state/cluster-create.log" >&2 && die 'the cluster was not made'; }
	fi
	for name in $(members cluster); do serving "$name" cluster_knows "$name"; done
	say "a cluster of six serves"
}

cluster_knows() {
	local said
	said=$(cli "$1" cluster info) && grep -q cluster_state:ok <<<"$said" && grep -q cluster_known_nodes:6 <<<"$said" &&
		[ "$(cli "$1" cluster slots | grep -c '^127')" = 6 ] && ! cli "$1" info replication | grep -q master_link_status:down
}

# member_signal and the like are for one member, or for all of a kind.
members_of() { if [ -n "$(members "$1")" ]; then members "$1"; else echo "$1"; fi; }
redises_pause() { for n in $(members_of "$1"); do signal STOP "$n"; done; }
redises_resume() { for n in $(members_of "$1"); do signal CONT "$n"; done; }
redises_kill() {
	for n in $(members_of "$1"); do signal KILL "$n"; done
	for n in $(members_of "$1"); do gone "$n"; done
}
redises_stop() { redises_resume "$1" && for n in $(members_of "$1"); do signal TERM "$n" && gone "$n"; done; }
redises_start() { case "$1" in sentinel | cluster) "$1_start" ;; *) member_start "$1" ;; esac }

# redises_env prints the URLs of the kinds that were started, and the members' addresses and pids.
redises_env() {
	local name url
	if [ -e "$state/sentinel-1.port" ]; then
		url="redis+sentinel://127.0.0.1:$(<"$state/sentinel-1.port"),127.0.0.1:$(<"$state/sentinel-2.port"),127.0.0.1:$(<"$state/sentinel-3.port")/$sentinel_master"
		printf '%s\n' "SENTINEL_URL=$url"
	fi
	if [ -e "$state/cluster-1.port" ]; then
		url="redis+cluster://127.0.0.1:$(<"$state/cluster-1.port"),127.0.0.1:$(<"$state/cluster-2.port"),127.0.0.1:$(<"$state/cluster-3.port")"
		printf '%s\n' "CLUSTER_URL=$url"
	fi
	for name in $(members sentinel) $(members cluster); do
		[ ! -e "$state/$name.port" ] || printf '%s\n' "${name//-/_}_ADDR=127.0.0.1:$(<"$state/$name.port")" "${name//-/_}_PID=$(recorded "$name")"
	done
}
