#!/usr/bin/env bash
# Prints the path of axe-core, which the browser tests judge the pages with. It is fetched from npm's registry once and kept in the cache;
# CHATBOX_AXE names a copy where there is no registry.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=4.14.1
if [ -n "${CHATBOX_AXE:-}" ]; then
	[ -r "$CHATBOX_AXE" ] || die "CHATBOX_AXE: no file $CHATBOX_AXE"
	echo "$CHATBOX_AXE"
	exit
fi

fetch() {
	[ ! -e "$1" ] || return 0
	command -v npm >/dev/null || die 'needs npm (apt-get install npm), or CHATBOX_AXE'
	local work
	work=$(mktemp -d "$cache/axe.XXXXXX")
	npm install --prefix "$work" --silent --no-fund --no-audit --ignore-scripts "axe-core@$version" >&2 || {
		rm -rf "$work"
		die "npm cannot fetch axe-core@$version"
	}
	mv "$work/node_modules/axe-core/axe.min.js" "$1" # in one step: what is there is whole
	rm -rf "$work"
}

file=$cache/axe-core-$version.min.js
alone axe fetch "$file"
echo "$file"
