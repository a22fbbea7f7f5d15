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

# The database is the network's. A tool that cannot read it has found nothing, which is not "nothing found".
vulnerabilities() {
	local tool out rc=0
	tool=$("$here/tool.sh" govulncheck) || return 1
	out=$("$tool" ./... 2>&1) || rc=$?
	# 3 is govulncheck's "found"; any other failure that speaks of the database is its absence.
	if [ $rc -ne 0 ] && [ $rc -ne 3 ] && grep -qiE 'vuln\.go\.dev|fetching vulnerabilities|db\.json|vulnerability database' <<<"$out"; then
		echo 'NOT RUN: no vulnerability database (make lint where vuln.go.dev can be reached)'
		return 0
	fi
	[ $rc -eq 0 ] || echo "$out"
	return $rc
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
check 'govulncheck' vulnerabilities

if [ ${#failed[@]} -gt 0 ]; then
	printf 'lint: FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo 'lint: ok'
