#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (default 30s) each. A finding stays under the package's testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

found=0
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		found=1
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "$package"
	done
done
[ $found -eq 1 ] || { echo 'no fuzz target found' >&2 && exit 1; }
