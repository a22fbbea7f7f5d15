#!/usr/bin/env bash
# scripts/with-servers.sh COMMAND… runs it with real servers: CHATBOX_TEST_REDIS_URL and CHATBOX_TEST_MONGO_URI name them, CHATBOX_TEST_SERVERS and
# SERVERS_STATE let fault tests stop and start them. The servers end with the command, however it ends.
# A URL that is already in the environment is used as it is, and nothing is started in its place.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0" >&2 && exit 2; }

want=()
[ -n "${CHATBOX_TEST_REDIS_URL:-}" ] || want+=(redis)
[ -n "${CHATBOX_TEST_MONGO_URI:-}" ] || want+=(mongo)

if [ ${#want[@]} -gt 0 ]; then
	SERVERS_STATE=$(mktemp -d "${TMPDIR:-/tmp}/chatbox-servers.XXXXXX")
	export SERVERS_STATE
	trap 'logs; "$here/servers.sh" down' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	for name in "${want[@]}"; do "$here/servers.sh" up "$name" >/dev/null; done
	set -a
	eval "$("$here/servers.sh" env)"
	set +a
fi

# What the servers said is kept where CI keeps everything else.
logs() {
	[ -z "${SERVERS_LOGS:-}" ] || { mkdir -p "$SERVERS_LOGS" && cp "$SERVERS_STATE"/*.log "$SERVERS_LOGS"/; } || true
}

"$@"
