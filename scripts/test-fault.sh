#!/usr/bin/env bash
# scripts/test-fault.sh short|long kills and pauses servers and pods, and prints the figures that the tests measured, whether they pass or not.
# One package at a time (-p 1): what is measured must not be another test's load.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FAULT=${1:-short}
limit=18m
[ "$FAULT" = short ] || limit=3h

mkdir -p out/fault
rm -f out/fault/figures.txt
trap 'cat out/fault/figures.txt 2>/dev/null || true' EXIT
scripts/with-servers.sh scripts/test.sh "fault-$FAULT" -tags fault -timeout "$limit" -p 1 ./test/fault/...
