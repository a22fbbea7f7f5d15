#!/usr/bin/env bash
# scripts/test-containers.sh [short|long]. long, the default: the integration suite against servers in containers, then the cluster of
# docker-compose.yml under load while its pods are killed and restarted, and its profiles if their images can be pulled. short: the conformance suites against servers in containers.
# Needs a container engine: one that runs, or root and Debian's packages to start one for the while. Images that cannot be pulled are built from
# Debian's packages (scripts/images-offline.sh). Without an engine it prints NOT RUN and exits with 3.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

form=${1:-long}
[[ $form =~ ^(short|long)$ ]] || die 'usage: scripts/test-containers.sh [short|long]'
images=(redis mongo) run=()
if [ "$form" = long ]; then images+=(nginx); else run=(-run '^Test(Redis|Store)_Conformance$'); fi

work=$(mktemp -d)
engine=
cleanup() {
	local rc=$?
	if [ "$form" = long ]; then
		[ $rc -eq 0 ] || { scripts/compose.sh ps && scripts/compose.sh logs --tail 30; } >"$work/compose.log" 2>&1 || true
		[ $rc -eq 0 ] || [ ! -s "$work/compose.log" ] || tail -n 120 "$work/compose.log" >&2
		compose down --volumes --timeout 1 >/dev/null 2>&1 || true
	fi
	[ -z "$engine" ] || { kill "$engine" && timeout 30 tail --pid="$engine" -f /dev/null; } || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_engine() {
	docker info >/dev/null 2>&1 && return
	[ "$(id -u)" = 0 ] && apt_install docker.io || return 1
	[ "$form" = short ] || apt_install docker-compose || return 1
	dockerd >"$work/dockerd.log" 2>&1 &
	engine=$!
	local i
	for ((i = 0; i < 100; i++)); do
		docker info >/dev/null 2>&1 && return
		kill -0 "$engine" 2>/dev/null || break
		sleep 0.2
	done
	tail -n 3 "$work/dockerd.log" >&2
	engine=
	return 1
}

tag() { grep -oE "image: $1:[^ ]+" docker-compose.yml | cut -d' ' -f2; }

# fetch pulls the images that docker-compose.yml names, or builds stand-ins.
fetch() {
	local name
	for name in "${images[@]}"; do
		docker image inspect "$(tag "$name")" >/dev/null 2>&1 && continue
		docker pull --quiet "$(tag "$name")" >/dev/null 2>&1 && continue
		scripts/images-offline.sh "$name" >"$work/images.log" 2>&1 || { tail -n 20 "$work/images.log" >&2 && return 1; }
	done
}

files=(-f docker-compose.yml)
compose() { scripts/compose.sh "${files[@]}" "$@"; }

start_engine || { echo 'NOT RUN: containers: no container engine (apt-get install docker.io, as root)' && exit 3; }
fetch
export CHATBOX_TEST_REDIS_IMAGE CHATBOX_TEST_MONGO_IMAGE
CHATBOX_TEST_REDIS_IMAGE=$(tag redis)
if [ -n "$(docker image inspect --format '{{index .Config.Labels "chatbox.stand-in"}}' "$(tag mongo)")" ]; then
	CHATBOX_TEST_MONGO_IMAGE=$(tag mongo)
	files+=(-f deploy/offline/compose.yml)
	export MONGO_URI=mongodb://mongo:27017/
	say "MongoDB is its stand-in: $(tag mongo) was built here"
fi
# The reaper's image may not be there to be had, and this script ends what it starts.
export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
env -u CHATBOX_TEST_REDIS_URL -u CHATBOX_TEST_MONGO_URI \
	scripts/test.sh containers -tags integration -timeout 12m "${run[@]}" ./test/integration/...
[ "$form" = long ] || exit 0

scripts/image.sh >"$work/images.log" 2>&1 || { tail -n 20 "$work/images.log" >&2 && exit 1; }
export CHATBOX_PORT=$((20000 + RANDOM % 12000))
export WS_ALLOWED_ORIGINS=http://127.0.0.1:$CHATBOX_PORT
compose up --detach >"$work/up.log" 2>&1 || { tail -n 20 "$work/up.log" >&2 && exit 1; }
url=http://127.0.0.1:$CHATBOX_PORT
for ((i = 0; i < 300; i++)); do
	curl -fsS -o /dev/null -m 2 "$url/chatbox/readyz" 2>/dev/null && break
	sleep 0.2
done
JWT_SECRET=$(grep -oP '^JWT_SECRET=\K.*' .cache/compose.env)
export JWT_SECRET
go build -o "$work/" ./cmd/chatload
"$work/chatload" --url "$url" --users 30 --messages 0 --duration 45s --rate 10 --reconnect-every 8s --cancel 0.1 --allow-errors >"$work/load.log" 2>&1 &
load=$!
# One is killed as a crash would, and comes back; one is restarted as a deploy would.
sleep 10
docker kill "$(compose ps -q pod-2)" >/dev/null
sleep 8
docker start "$(compose ps -aq pod-2 2>/dev/null || compose ps -q pod-2)" >/dev/null
docker restart --time 40 "$(compose ps -q pod-3)" >/dev/null
rc=0
wait $load || rc=$?
cat "$work/load.log"
[ $rc -eq 0 ] || die "the cluster of containers: chatload left with $rc"
code=$(docker inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' "$(compose ps -q pod-3)")
say "pod-3 after its restart: exit and out of memory: $code"

# The profiles have no stand-ins.
missing=()
for image in $(PROFILES=all compose config | sed -nE 's/^ +image: (minio|axllent|prom|grafana|otel)/\1/p' | sort -u); do
	docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 || missing+=("$image")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "NOT RUN: profiles of docker-compose.yml: cannot be pulled: ${missing[*]}"
else
	GRAFANA_PORT=$((CHATBOX_PORT + 1)) MAIL_PORT=$((CHATBOX_PORT + 2)) PROFILES=all compose up --detach >"$work/up.log" 2>&1 || { tail -n 20 "$work/up.log" >&2 && exit 1; }
	for service in minio mail prometheus grafana pod-1; do
		for ((i = 0; i < 300; i++)); do
			[ "$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps -q $service)")" != healthy ] || break
			sleep 0.2
		done
		[ $i -lt 300 ] || die "profiles: $service is not healthy"
	done
	for service in collector tempo; do
		[ "$(docker inspect --format '{{.State.Running}} {{.RestartCount}}' "$(compose ps -q $service)")" = 'true 0' ] || die "profiles: $service does not run"
	done
	setup=$(compose ps -aq minio-setup 2>/dev/null || compose ps -q minio-setup)
	[ "$(timeout 60 docker wait "$setup")" = 0 ] || die 'profiles: minio-setup failed'
fi
say 'containers: ok'
