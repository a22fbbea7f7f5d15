#!/usr/bin/env bash
# Entry of the service mongo in docker-compose.yml: writes the key file of the replica set from MONGO_KEY, then starts the image's own entry. mongod
# refuses a key file that others may read, so it cannot be mounted from the repository.
set -euo pipefail

: "${MONGO_KEY:?scripts/compose.sh makes it}"
key=/tmp/replica-set.key
(umask 077 && printf '%s' "$MONGO_KEY" >"$key")
chown mongodb:mongodb "$key"
exec docker-entrypoint.sh "$@" --keyFile "$key"
