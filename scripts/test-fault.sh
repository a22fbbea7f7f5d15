#!/usr/bin/env bash
# scripts/test-fault.sh short|long kills and pauses servers and pods, and prints the figures that the tests measured, whether they pass or not.
# In the short form the floods run beside the rest, on servers of their own: most of the time both wait. What they promise is measured beside a control.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FAULT=${1:-short}
limit=18m
[ "$FAULT" = short ] || limit=3h

mkdir -p out/fault
rm -f out/fault/figures.txt
trap 'cat out/fault/figures.txt 2>/dev/null || true' EXIT
suite() { # NAME OPTION…
	local name=$1
	shift
	echo "scripts/with-servers.sh scripts/test.sh fault-$name -tags fault -timeout $limit $* ./test/fault"
}
floods='^Test(Flood|Stalled)_'
if [ "$FAULT" = short ]; then
	scripts/side-by-side.sh "$(suite floods -run "'$floods'")" "$(suite rest -skip "'$floods'")"
else
	bash -c "$(suite "$FAULT")"
fi
