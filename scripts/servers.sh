#!/usr/bin/env bash
# Real servers for tests on one bare Debian machine: Redis, alone, behind sentinels or as a Cluster, and a MongoDB-compatible server, on free
# loopback ports.
# What "mongo" is, and why, stands in servers/mongo.sh. Everything needed is installed here; see servers/install.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	cat <<'TEXT'
usage: scripts/servers.sh [--state DIR] VERB [redis|sentinel|cluster|mongo]

  install        fetch and build what the servers need, start nothing
  up      [NAME] install, start, wait until each serves; prints the env lines. Without NAME: redis and mongo
  down           end everything this state dir started, delete its data
  env            print REDIS_URL, MONGO_URI, the pids, and the CHATBOX_TEST_* lines of a running instance
  start   NAME   start one server again on its old port: redis empty, mongo with its data
  stop    NAME   orderly end, data kept
  kill    NAME   SIGKILL, data kept
  restart NAME   stop, then start
  pause   NAME   SIGSTOP: it takes connections and answers nothing (mongo: FerretDB alone)
  resume  NAME   SIGCONT
  status         one line per process

sentinel is redis-1 … 3 and sentinel-1 … 3, cluster is cluster-1 … 6; start, stop, kill, pause and resume take one of these names too.

--state DIR      one instance's pids, ports and logs; default .cache/servers. Instances do not disturb each other.
SERVERS_STATE    the same, as a variable.
SERVERS_DURABILITY=kill|disk|none
                 what a write that was acknowledged survives. kill (default): kill -9 of the servers, not a power cut;
                 disk: both; none: neither, and faster.
CHATBOX_CACHE    where the chroot and the built binaries live; default ${XDG_CACHE_HOME:-~/.cache}/chatbox
TEXT
}

# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/servers/common.sh
. "$here/servers/common.sh"
# shellcheck source=scripts/servers/install.sh
. "$here/servers/install.sh"
# shellcheck source=scripts/servers/redis.sh
. "$here/servers/redis.sh"
# shellcheck source=scripts/servers/redises.sh
. "$here/servers/redises.sh"
# shellcheck source=scripts/servers/mongo.sh
. "$here/servers/mongo.sh"

names() {
	case "${1:-both}" in
	both) echo redis mongo ;;
	redis | mongo | sentinel | cluster) echo "$1" ;;
	redis-[123] | sentinel-[123] | cluster-[1-6]) echo "$1" ;;
	*) die "no such server: $1 (redis, sentinel, cluster or mongo)" ;;
	esac
}

one() {
	[ -n "${1:-}" ] || die "which one: redis, sentinel, cluster or mongo?"
	names "$1" >/dev/null
	local first
	first=$(members "$1")
	first=${first%% *}
	[ -e "$state/${first:-$1}.port" ] || die "$1 was never started in $state"
}

# act VERB NAME
act() {
	case "$2" in
	redis | mongo) "$2_$1" ;;
	*) "redises_$1" "$2" ;;
	esac
}

up() {
	local list name
	list=$(names "${1:-}")
	# shellcheck disable=SC2086 # a list of words
	install_for $list
	mkdir -p "$state"
	# A half-started instance is worse than none: its port would be taken and nobody would own it.
	trap 'down' EXIT
	for name in $list; do "${name}_start"; done
	trap - EXIT
	print_env
}

down() {
	redis_kill
	redises_kill sentinel
	redises_kill cluster
	mongo_down
	rm -rf "$state"
}

print_env() {
	local url uri
	if [ -e "$state/redis.port" ]; then
		url="redis://127.0.0.1:$(<"$state/redis.port")/0"
		printf '%s\n' "REDIS_URL=$url" "CHATBOX_TEST_REDIS_URL=$url" "REDIS_PID=$(recorded redis)"
	fi
	redises_env
	if [ -e "$state/mongo.port" ]; then
		uri="mongodb://127.0.0.1:$(<"$state/mongo.port")/"
		printf '%s\n' "MONGO_URI=$uri" "CHATBOX_TEST_MONGO_URI=$uri" \
			"FERRETDB_PID=$(recorded ferretdb)" "POSTGRES_PID=$(recorded postgres)"
	fi
	printf '%s\n' "CHATBOX_TEST_SERVERS=$here/servers.sh" "SERVERS_STATE=$state"
}

status() {
	local name
	for name in redis ferretdb postgres $(members sentinel) $(members cluster); do
		[ -e "$state/$name.pid" ] || continue
		if alive "$name"; then echo "$name: running, pid $(recorded "$name")"; else echo "$name: not running"; fi
	done
}

state=${SERVERS_STATE:-$here/../.cache/servers}
if [ "${1:-}" = --state ]; then
	state=${2:?--state needs a folder}
	shift 2
fi
mkdir -p "$(dirname "$state")"
state=$(cd "$(dirname "$state")" && pwd)/$(basename "$state")

verb=${1:-help}
name=${2:-}
case "$verb" in
install) install_for redis mongo ;;
up) up "$name" ;;
down) down ;;
env) print_env ;;
status) status ;;
start | stop | kill | pause | resume) one "$name" && act "$verb" "$name" ;;
restart) one "$name" && act stop "$name" && act start "$name" ;;
help | -h | --help) usage ;;
*) usage >&2 && exit 2 ;;
esac
