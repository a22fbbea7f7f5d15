# Redis as Debian ships it: nothing is kept across a restart, so `kill` and `start` are the fault "Redis has lost everything".
# shellcheck shell=bash
# shellcheck disable=SC2154 # state is set by servers.sh

redis_start() {
	! alive redis || return 0
	local port dir=$state/redis
	port=$(port_of redis)
	rm -rf "$dir" && mkdir -p "$dir"
	launch redis redis-server --port "$port" --bind 127.0.0.1 --protected-mode yes --save '' --appendonly no \
		--dir "$dir" --daemonize no --enable-debug-command local
	serving redis redis_answers "$port"
	say "redis serves on $port"
}

redis_answers() { redis-cli -h 127.0.0.1 -p "$1" ping | grep -q PONG; }

redis_stop() { redis_resume && signal TERM redis && gone redis; }
redis_kill() { signal KILL redis && gone redis; }
redis_pause() { signal STOP redis; }
redis_resume() { signal CONT redis; }
