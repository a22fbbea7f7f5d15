#!/usr/bin/env bash
# Runs the fuzz targets of the module whose names match FUZZ (default: all) for FUZZTIME (default 30s) each: "5m", or "1000000x" for executions.
#   fuzz.sh        by Go's own fuzzing, guided by branches
#   fuzz.sh long   in process, guided by statements, ten to fifty times as fast (test/fuzz); FUZZ_SEED repeats a run
#   fuzz.sh seeds  copies inputs of the corpus to testdata/fuzz that reach a statement which no seed reaches
# Both share one corpus beside testdata/fuzz, in Go's build cache. A finding stays under the package's testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${FUZZTIME:-30s}
[ "${1:-}" != seeds ] || { time=0x && export FUZZ_SEEDS=1; }
corpus=$(go env GOCACHE)/fuzz
module=$(go list -m)
found=0
while IFS=: read -r file line; do
	target=${line#func } target=${target%%(*} folder=$(dirname "$file")
	[[ $target =~ ${FUZZ:-} ]] || continue
	found=1
	echo "== $folder $target"
	if [ "${1:-}" = long ] || [ "${1:-}" = seeds ]; then
		FUZZ_LONG=$time FUZZ_CORPUS=$corpus/$module/${folder#./} go test -count=1 -timeout 0 -cover -v -run "^$target\$" "$folder" |
			grep -vE '^(=== |    --- PASS|coverage:|PASS)'
	else
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$folder"
	fi
done < <(grep -rE --include='*_test.go' '^func Fuzz\w+\(f \*testing\.F\)' . | sort)
[ $found -eq 1 ] || { echo 'no fuzz target found' >&2 && exit 1; }
