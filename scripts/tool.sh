#!/usr/bin/env bash
# scripts/tool.sh [--find] NAME prints the path of a development tool at the version that tools/go.mod pins, built when it is not there yet (minutes
# on a small machine, once). --find builds nothing and fails where it is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

find=
[ "${1:-}" != --find ] || { find=1 && shift; }
name=${1:?usage: scripts/tool.sh [--find] NAME}
# A linter reads only code that its own compiler can: the Go version is part of the name.
key=$({ go env GOVERSION && cat "$here/../tools/go.sum"; } | sha256sum | cut -c1-12)
path=$cache/tools/$name-$key

build() {
	[ ! -x "$path" ] || return 0
	say "building $name (minutes, once)"
	mkdir -p "$cache/tools"
	(cd "$here/../tools" && GOFLAGS='' GOWORK=off go build -o "$path.tmp" "$(go list -f '{{.ImportPath}}' tool | grep "/$name\$")") >&2
	mv "$path.tmp" "$path"
}

if [ ! -x "$path" ]; then
	[ -z "$find" ] || { say "$name is not built" && exit 1; }
	alone tools build
fi
echo "$path"
