#!/usr/bin/env bash
# scripts/compose.sh ARGUMENTS… is docker compose for docker-compose.yml, with secrets that are made at random the first time and kept in
# .cache/compose.env: no default secret exists that could be deployed by mistake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

secrets=.cache/compose.env
if [ ! -e "$secrets" ]; then
	mkdir -p .cache
	random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
	(umask 077 && printf '%s\n' "JWT_SECRET=$(random)" "ENCRYPTION_KEY=$(random)" >"$secrets.tmp")
	mv "$secrets.tmp" "$secrets"
fi
CHATBOX_VERSION=${CHATBOX_VERSION:-$(git describe --always --dirty 2>/dev/null || echo dev)}
export CHATBOX_VERSION

if docker compose version >/dev/null 2>&1; then
	exec docker compose --env-file "$secrets" "$@"
fi
exec docker-compose --env-file "$secrets" "$@"
