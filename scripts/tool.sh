#!/usr/bin/env bash
# scripts/tool.sh [--find] NAME prints the path of a development tool. tools/go.mod pins its version, or tools/NAME/go.mod if that file exists. The
# tool is built if it is missing, which takes minutes on a small machine, once. With --find nothing is built, and a missing tool is an error.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

find=
[ "${1:-}" != --find ] || { find=1 && shift; }
name=${1:?usage: scripts/tool.sh [--find] NAME}
module=$here/../tools
pattern=/$name\$
# A module for one tool alone has it under any path, such as …/kustomize/v5.
[ ! -f "$module/$name/go.mod" ] || module=$module/$name pattern=.
# A linter reads only code that its own compiler can: the Go version is part of the name.
key=$({ go env GOVERSION && cat "$module/go.sum"; } | sha256sum | cut -c1-12)
path=$cache/tools/$name-$key

build() {
	[ ! -x "$path" ] || return 0
	say "building $name (minutes, once)"
	mkdir -p "$cache/tools"
	# vale has large parsers in C, whose speed does not matter here: unoptimized they compile in half the time.
	[ "$name" != vale ] || export CGO_CFLAGS='-O0 -w'
	(cd "$module" && GOFLAGS='' GOWORK=off go build -o "$path.tmp" "$(go list -f '{{.ImportPath}}' tool | grep "$pattern")") >&2
	mv "$path.tmp" "$path"
}

if [ ! -x "$path" ]; then
	[ -z "$find" ] || { say "$name is not built" && exit 1; }
	# One that takes minutes must not keep others waiting.
	alone "tool-$name" build
fi
echo "$path"
