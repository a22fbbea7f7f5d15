#!/usr/bin/env bash
# scripts/test-defects.sh [NAME…] plants one defect of test/defects after another and runs the tests that must notice: a defect that passes is a failure
# of this script. It prints which test failed and with which words; docs/operations/defects.md says what each defect breaks. The tree is not changed: the
# compiler is shown the patched files in place of the real ones (go build -overlay).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
root=$PWD
mkdir -p out/defects out/_defects

# defect | package | the test that must fail
defects=(
	'token|./test/chaos|TestLease_WhoLostItIsHeardNoMore'
	'token|./redisstate|TestConformance_Emulator/Begin/UnderLease'
	'dedupe|./test/chaos|TestLostReply_OfAnInsertIsARepeat'
	'order|./test/chaos|TestJoin_HearsWhatHappensWhileItReads'
	'state|./test/chaos|TestLostReply_OfAnEndEndsTheSession'
	'group|./persistence/internal/group|TestCommitter_NeverTwoOfOneKeyInAGroupAndNoneOvertaken'
)
export CHAOS_PATIENCE=${CHAOS_PATIENCE:-15s} # a broken promise shows as a wait that does not end
# Up to five times: where a defect is a race, one run may be lucky.

# plant DEFECT prints the overlay that has the defect. A patch that no longer applies fails. git must not find the repository: it would pass over
# files that the repository ignores.
plant() {
	local patch=$root/test/defects/$1.patch at=$root/out/_defects/$1 files file
	rm -rf "$at" && mkdir -p "$at" || return
	files=$(sed -n 's|^+++ b/||p' "$patch")
	for file in $files; do
		mkdir -p "$at/$(dirname "$file")" || return
		[ ! -e "$file" ] || cp "$file" "$at/$file" || return
	done
	(cd "$at" && GIT_CEILING_DIRECTORIES=$root/out git apply "$patch") >&2 || return
	{
		printf '{"Replace":{'
		local comma=''
		for file in $files; do printf '%s"%s":"%s"' "$comma" "$root/$file" "$at/$file" && comma=,; done
		printf '}}\n'
	} >"$at.json"
	echo "$at.json"
}

unnoticed=0
for row in "${defects[@]}"; do
	IFS='|' read -r defect package run <<<"$row"
	[ $# -eq 0 ] || [[ " $* " == *" $defect "* ]] || continue
	log=out/defects/$defect-$(basename "$package").log
	if ! overlay=$(plant "$defect"); then
		echo "$defect: test/defects/$defect.patch does not apply any more"
		unnoticed=1
	elif timeout 200 go test -count=5 -failfast -timeout 150s -overlay "$overlay" -run "^${run//\//\$/^}\$" "$package" >"$log" 2>&1; then
		echo "$defect: NOT NOTICED by $run ($package)"
		unnoticed=1
	elif ! grep -q "^ *--- FAIL: $run " "$log"; then
		echo "$defect: $run did not fail, but something else did: $log"
		unnoticed=1
	else
		echo "$defect: noticed by $run ($package)"
		grep -E '_test\.go:[0-9]+: [^ ]|Error:|Messages:|expected:|actual *:|redis_[a-z]+\.go:[0-9]+:' "$log" | grep -vE 'Error Trace|NAME|device-[0-9] of |\.go:[0-9]+: *$' | sed -E 's/^[[:space:]]+/    /' | cut -c1-200 | head -4
	fi
done
exit $unnoticed
