#!/usr/bin/env bash
# scripts/bench-cluster.sh [ROUNDS] measures what a message, a running answer and an idle socket cost, and how sockets come back after a storm: three
# pods on a real Redis and a MongoDB-compatible server. The ceiling is a relay of the same shape on the same Redis, which passes the model's answers
# through. The rounds alternate, so that changes in the machine's speed affect both. Each line is one measurement.
# Needs a quiet machine: the clients run on it too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

rounds=${1:-3}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die 'usage: scripts/bench-cluster.sh [ROUNDS]'
if [ -z "${CHATBOX_TEST_REDIS_URL:-}" ] || [ -z "${CHATBOX_TEST_MONGO_URI:-}" ]; then exec scripts/with-servers.sh scripts/bench-cluster.sh "$rounds"; fi

work=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
go build -o "$work/" ./cmd/chatbox ./cmd/chatload

JWT_SECRET=$(secret)
key=$(secret)
export JWT_SECRET
port=$((20000 + RANDOM % 10000))
model=127.0.0.1:$((port + 5))

# pod N starts a pod without the limits that hold one user back.
pod() {
	env -i PATH="$PATH" LISTEN_ADDR="127.0.0.1:$((port + $1))" POD_ID="bench-$1" REDIS_URL="$CHATBOX_TEST_REDIS_URL" \
		MONGO_URI="$CHATBOX_TEST_MONGO_URI" MONGO_DATABASE="bench_$$" JWT_SECRET="$JWT_SECRET" ENCRYPTION_KEY="$key" \
		WS_ALLOWED_ORIGINS=https://chat.test.invalid RATE_LIMIT=1000000 ADMIN_GRACE=1h LOG_LEVEL=error \
		LLM_PROVIDER_1_ID=bench LLM_PROVIDER_1_TYPE=openai LLM_PROVIDER_1_MODEL=bench LLM_PROVIDER_1_API_KEY=bench \
		LLM_PROVIDER_1_ENDPOINT="http://$model/v1" "$work/chatbox" >"$work/pod-$1.log" 2>&1 &
	pids+=($!)
	pods+=($!)
}
pods=() relays=()
for n in 0 1 2; do pod $n; done
for n in 3 4; do
	"$work/chatload" relay --listen "127.0.0.1:$((port + n))" --redis "$CHATBOX_TEST_REDIS_URL" --model "http://$model/" >"$work/relay-$n.log" 2>&1 &
	pids+=($!)
	relays+=($!)
done
ready() { # POD
	local i
	for ((i = 0; i < 300; i++)); do
		curl -fsS -o /dev/null -m 2 "http://127.0.0.1:$((port + $1))/chatbox/readyz" 2>/dev/null && return
		sleep 0.1
	done
	cat "$work/pod-$1.log" >&2
	die "pod $1 is not ready"
}
for n in 0 1 2; do ready $n; done

join() { local IFS=,; echo "$*"; }
addresses() { local n urls=(); for n in "$@"; do urls+=("http://127.0.0.1:$((port + n))"); done; join "${urls[@]}"; }
redis=() store=()
[ -z "${REDIS_PID:-}" ] || redis=(--process "redis=$REDIS_PID")
[ -z "${FERRETDB_PID:-}" ] || store=(--process "store=$FERRETDB_PID,$POSTGRES_PID")
measure() { # NAME [MODE] OPTION…
	printf '%-34s ' "$1"
	shift
	"$work/chatload" bench "$@"
}
# New connections of the servers are slow at first.
"$work/chatload" bench --url "$(addresses 0 1 2)" --duration 8s >/dev/null
for ((round = 1; round <= rounds; round++)); do
	measure "relay, 100 x 4" --relay --url "$(addresses 3 4)" --process "relays=$(join "${relays[@]}")" "${redis[@]}"
	measure "cluster, 100 x 4" --url "$(addresses 0 1 2)" --process "pods=$(join "${pods[@]}")" "${redis[@]}" "${store[@]}"
	measure "relay, light load" --relay --sessions 20 --rate 40 --url "$(addresses 3 4)" --process "relays=$(join "${relays[@]}")" "${redis[@]}"
	measure "cluster, light load" --sessions 20 --rate 40 --url "$(addresses 0 1 2)" --process "pods=$(join "${pods[@]}")" "${redis[@]}" "${store[@]}"
	for answers in 20 100 300; do
		measure "pass-through, $answers answers" --answers $answers --model-listen "$model" --warmup 5s --relay --url "$(addresses 3 4)" \
			--process "relays=$(join "${relays[@]}")"
		measure "cluster, $answers answers" --answers $answers --model-listen "$model" --warmup 10s --url "$(addresses 0 1 2)" \
			--process "pods=$(join "${pods[@]}")" "${redis[@]}" "${store[@]}"
	done
done
for ((round = 1; round <= rounds; round++)); do
	measure "storm, all of 4000" storm --sockets 4000 --settle 3s --url "$(addresses 0 1 2)" --process "pods=$(join "${pods[@]}")" "${redis[@]}" "${store[@]}"
done
# A pod's memory depends on what it has done, so each measurement has a pod of its own.
for attach in false true; do
	n=$((5 + ${#pods[@]}))
	pod $n
	ready $n
	measure "idle, 8000 on a pod, attach=$attach" idle --sockets 8000 --attach=$attach --settle 20s --url "$(addresses $n)" --process "pod=${pods[-1]}"
done
measure "storm, a killed pod of 3" storm --sockets 4000 --settle 3s --kill "${pods[0]}" --url "$(addresses 0 1 2)" --process "pods=$(join "${pods[@]:1:2}")" "${redis[@]}"
