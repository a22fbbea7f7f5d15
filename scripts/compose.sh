#!/usr/bin/env bash
# scripts/compose.sh ARGUMENTS… is docker compose for docker-compose.yml, with secrets that are made at random the first time and kept in
# .cache/compose.env: no default secret exists that could be deployed by mistake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

secrets=.cache/compose.env
mkdir -p .cache
random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
# A file of an earlier version lacks some.
for name in JWT_SECRET ENCRYPTION_KEY GRAFANA_PASSWORD; do
	grep -qs "^$name=" "$secrets" || (umask 077 && printf '%s\n' "$name=$(random)" >>"$secrets")
done
CHATBOX_VERSION=${CHATBOX_VERSION:-$(git describe --always --dirty 2>/dev/null || echo dev)}
export CHATBOX_VERSION

if docker compose version >/dev/null 2>&1; then
	exec docker compose --env-file "$secrets" "$@"
fi
exec docker-compose --env-file "$secrets" "$@"
