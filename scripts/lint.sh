#!/usr/bin/env bash
# Everything that can be said about the code without running it. All checks run; one that fails makes the exit status 1, one that cannot run says so.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

failed=()
check() {
	local what=$1
	shift
	echo "== $what"
	"$@" || failed+=("$what")
}

shell_scripts() {
	if ! apt_install shellcheck; then
		echo 'NOT RUN: shell scripts (apt-get install shellcheck)'
		return 0
	fi
	# Those under scripts/servers are sourced: read along with servers.sh.
	local scripts
	mapfile -t scripts < <(git ls-files ':(glob)scripts/*.sh' .ci/run)
	shellcheck -x -P . "${scripts[@]}"
}

tidy() {
	local out
	out=$(go mod tidy -diff 2>&1) && return
	head -n 40 <<<"$out"
	return 1
}

# golangci-lint reports formatting (gofumpt, goimports) and runs go vet's analyzers, with the tests' build tags, too.
check 'golangci-lint' "$("$here/tool.sh" golangci-lint)" run ./...
check 'go mod tidy' tidy
check 'shell scripts' shell_scripts
# Documents and Go comments.
check 'word list' "$here/prose.sh" .
check 'workflows' "$here/check-pipelines.sh" workflows
check 'govulncheck' "$here/govulncheck.sh"

if [ ${#failed[@]} -gt 0 ]; then
	printf 'lint: FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo 'lint: ok'
