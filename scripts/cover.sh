#!/usr/bin/env bash
# Coverage of the whole module (-coverpkg=./...) by the tests that need no server: each test counts for every package that it reaches. COVER narrows the
# tested packages. Under out/cover: the merged profile, its page, and a line per package. Some minutes, without the race detector.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=out/cover
rm -rf "$out" && mkdir -p "$out"
module=$(go list -m)
# Programs of the test suite are not the product.
measured=$(go list ./... | grep -vE "^$module/test(/|\$)" | paste -sd,)
# Clusters and browsers first need the machine for themselves, so they are left to `make test`.
mapfile -t packages < <(go list "${COVER:-./...}" | grep -vE "^$module/test/(chaos|cluster|browser|defects|docs|architecture)(/|\$)")
rc=0
# Without -race: it costs more than the measurement, and `make test` looks for races.
timeout 30m go test -count=1 -timeout 15m -covermode=atomic -coverpkg="$measured" -coverprofile="$out/raw.out" "${packages[@]}" >"$out/tests.log" 2>&1 || rc=$?
[ -s "$out/raw.out" ] || { tail -n 60 "$out/tests.log" >&2 && exit 1; }

# Every test binary writes every block: one line for each block, with the sum of its counts.
{
	echo 'mode: atomic'
	tail -qn +2 "$out/raw.out" | awk '{ n[$1 " " $2] += $3 } END { for (b in n) print b, n[b] }' | sort
} >"$out/cover.out"
rm "$out/raw.out"
go tool cover -html="$out/cover.out" -o "$out/cover.html"
# Statements per package, from the blocks: file:range statements count.
awk 'NR > 1 { file = $1; sub(/:[^:]*$/, "", file); sub(/\/[^\/]*$/, "", file); all[file] += $2; if ($3 > 0) hit[file] += $2 }
	END { for (p in all) printf "%6.1f%% %6d %s\n", 100 * hit[p] / all[p], all[p], p }' "$out/cover.out" | sort -k3 >"$out/packages.txt"
cat "$out/packages.txt"
awk 'NR > 1 { all += $2; if ($3 > 0) hit += $2 } END { printf "coverage of the module: %.1f%% of %d statements\n", 100 * hit / all, all }' "$out/cover.out"
# The figure includes failed tests, whose failures come last.
[ $rc -eq 0 ] || { grep -E '^(---|FAIL|panic:)|_test.go:|Error' "$out/tests.log" | tail -n 40 >&2 && exit 1; }
