#!/usr/bin/env bash
# The binaries as an operator meets them: they build, explain themselves, refuse a bad configuration, start, become ready and leave on SIGTERM.
# With CHATBOX_TEST_REDIS_URL and CHATBOX_TEST_MONGO_URI the production pod is started too; else only the development stack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

out=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true; rm -rf "$out"' EXIT

# ready URL waits up to 30 s for a 200 from it while the process lives.
ready() {
	local i
	for ((i = 0; i < 300; i++)); do
		if curl -fsS -o /dev/null -m 2 "$1" 2>/dev/null; then return; fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$out/log" >&2
	die "not ready: $1"
}

# leaves COMMAND-NAME sends SIGTERM and expects exit 0 within 40 s.
leaves() {
	local rc=0
	kill -TERM "$pid"
	timeout 40 tail --pid="$pid" -f /dev/null || die "$1 still runs 40 s after SIGTERM"
	wait "$pid" || rc=$?
	pid=
	[ $rc -eq 0 ] || { cat "$out/log" >&2 && die "$1 left with $rc, not 0"; }
}

go build -o "$out/" ./cmd/...

"$out/chatbox" --help >"$out/help" 2>&1 || die '--help fails'
for variable in LISTEN_ADDR REDIS_URL MONGO_URI ENCRYPTION_KEY SHUTDOWN_TIMEOUT; do
	grep -q "$variable" "$out/help" || die "--help does not name $variable"
done

rc=0
env -i PATH="$PATH" JWT_SECRET=changeme RATE_LIMIT=-1 timeout 20 "$out/chatbox" >"$out/log" 2>&1 || rc=$?
[ $rc -eq 2 ] || { cat "$out/log" && die "a bad configuration exits with $rc, not 2"; }
for variable in JWT_SECRET RATE_LIMIT REDIS_URL MONGO_URI; do
	grep -q "$variable" "$out/log" || die "the faults reported do not name $variable"
done
say 'bad configuration: refused, every fault named'

port=$((20000 + RANDOM % 12000))

if [ -z "${CHATBOX_TEST_REDIS_URL:-}" ] || [ -z "${CHATBOX_TEST_MONGO_URI:-}" ]; then
	"$out/chatbox-dev" --addr "127.0.0.1:$port" --data "$out/data" >"$out/log" 2>&1 &
	pid=$!
	ready "http://127.0.0.1:$port/chatbox/readyz"
	leaves chatbox-dev
	say 'chatbox-dev: ready with nothing installed, left on SIGTERM'
	say 'the production pod too: scripts/with-servers.sh scripts/smoke.sh'
	exit 0
fi

env -i PATH="$PATH" LISTEN_ADDR="127.0.0.1:$port" REDIS_URL="$CHATBOX_TEST_REDIS_URL" MONGO_URI="$CHATBOX_TEST_MONGO_URI" \
	MONGO_DATABASE="smoke_$$" JWT_SECRET="$(secret)" ENCRYPTION_KEY="$(secret)" WS_ALLOWED_ORIGINS=https://chat.test.invalid \
	LLM_PROVIDER_1_ID=scripted LLM_PROVIDER_1_NAME=Scripted LLM_PROVIDER_1_TYPE=scripted "$out/chatbox" >"$out/log" 2>&1 &
pid=$!
ready "http://127.0.0.1:$port/chatbox/healthz"
ready "http://127.0.0.1:$port/chatbox/readyz"
env -i LISTEN_ADDR="127.0.0.1:$port" "$out/chatbox" healthcheck || die 'healthcheck does not find the ready pod'
leaves chatbox
! env -i LISTEN_ADDR="127.0.0.1:$port" "$out/chatbox" healthcheck 2>/dev/null || die 'healthcheck finds a pod that has left'
say 'chatbox: ready on Redis and MongoDB, left on SIGTERM'
