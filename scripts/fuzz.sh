#!/usr/bin/env bash
# Runs the fuzz targets of the module whose names match FUZZ (default: all) for FUZZTIME (default 30s) each: "5m", or "1000000x" for executions.
#   fuzz.sh        by Go's own fuzzing, guided by branches
#   fuzz.sh long   in process, guided by statements, up to a hundred times as fast (test/fuzz)
# Both share one corpus beside testdata/fuzz, in Go's build cache. A finding stays under the package's testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${FUZZTIME:-30s}
corpus=$(go env GOCACHE)/fuzz
found=0
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep "^Fuzz.*${FUZZ:-}" || true); do
		found=1
		echo "== $package $target"
		if [ "${1:-}" = long ]; then
			FUZZ_LONG=$time FUZZ_CORPUS=$corpus/$package go test -count=1 -timeout 0 -cover -v -run "^$target\$" "$package" |
				grep -vE '^(=== RUN|    --- PASS|coverage:|PASS)'
		else
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
		fi
	done
done
[ $found -eq 1 ] || { echo 'no fuzz target found' >&2 && exit 1; }
