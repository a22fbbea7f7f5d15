#!/usr/bin/env bash
# scripts/test-servers.sh runs the contracts, and the clusters, against a real Redis and a MongoDB-compatible server: at once, each with servers of its own,
# because Redis' pub/sub knows no databases and some tests pause the server. Both mostly wait for their servers.
# With CHATBOX_TEST_REDIS_URL and CHATBOX_TEST_MONGO_URI they run on those servers, one after the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# package NAME runs ./test/NAME.
package() {
	[ -z "${SERVERS_LOGS:-}" ] || export SERVERS_LOGS=$SERVERS_LOGS/$1
	scripts/with-servers.sh scripts/test.sh "servers-$1" -tags integration -timeout 12m "./test/$1"
}
contracts() { package integration; }
clusters() { package cluster; }

trap end_running EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ -n "${CHATBOX_TEST_REDIS_URL:-}${CHATBOX_TEST_MONGO_URI:-}" ]; then
	scripts/with-servers.sh make --no-print-directory test-integration
else
	together contracts clusters
fi
