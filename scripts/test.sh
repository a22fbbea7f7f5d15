#!/usr/bin/env bash
# scripts/test.sh NAME [GO TEST ARGUMENTS…] is `go test -race -shuffle=on -count=1`, shown as one line per package, the failures, and every skipped
# test with its reason: a test that did not run must not look like one that passed. All output, t.Log included, is kept in out/NAME.json.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?usage: scripts/test.sh NAME [GO TEST ARGUMENTS…]}
shift

mkdir -p "$here/../out"
gotestsum=$("$here/tool.sh" gotestsum)
# The race detector needs a C compiler. Without one the tests still run, and say that it did not look.
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# make lint runs vet. Without debug information for a debugger the linker needs a third less time.
race=(-race)
if ! command -v "$(go env CC)" >/dev/null && ! apt_install gcc libc6-dev; then
	race=()
	echo 'NOT RUN: race detector (apt-get install gcc libc6-dev)'
fi
exec "$gotestsum" --format "${TEST_FORMAT:-pkgname}" --format-hide-empty-pkg --jsonfile "$here/../out/$name.json" -- \
	"${race[@]}" -vet=off -ldflags=-w -shuffle=on -count=1 "$@"
