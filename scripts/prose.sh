#!/usr/bin/env bash
# scripts/prose.sh [FOLDER…] checks the word list of CONTRIBUTING.md, by the style in .vale, in all Markdown files and in the comments of the Go files in the
# named folders (. for all). It downloads nothing but the tool, which is built once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

if ! command -v cc >/dev/null && ! apt_install gcc libc6-dev; then
	echo 'NOT RUN: word list (vale is built with a C compiler)'
	exit 0
fi
tool=$("$here/tool.sh" vale)
cd "$here/.."
patterns=('*.md')
for folder in "$@"; do
	patterns+=(":(glob)${folder%/}/**/*.go")
done
git ls-files -z "${patterns[@]}" | xargs -0 "$tool" --no-global --output line
