#!/usr/bin/env bash
# scripts/test-defects.sh [NAME…] builds with one planted defect after another and runs the tests that must notice: a defect that passes is a failure
# of this script. It prints which test failed and with which words; docs/operations/defects.md says what is planted.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
mkdir -p out/defects

# tag | packages | the row that must fail
defects=(
	'defect_token|./test/chaos|TestLease_WhoLostItIsHeardNoMore'
	'defect_token|./redisstate|TestConformance_Emulator/Begin/UnderLease'
	'defect_dedupe|./test/chaos|TestLostReply_OfAnInsertIsARepeat'
	'defect_order|./test/chaos|TestJoin_HearsWhatHappensWhileItReads'
	'defect_state|./test/chaos|TestLostReply_OfAnEndEndsTheSession'
	'defect_group|./persistence/internal/group|TestCommitter_NeverTwoOfOneKeyInAGroupAndNoneOvertaken'
)
export CHAOS_PATIENCE=${CHAOS_PATIENCE:-15s} # a broken promise shows as a wait that does not end
unnoticed=0
for row in "${defects[@]}"; do
	IFS='|' read -r tag package run <<<"$row"
	[ $# -eq 0 ] || [[ " $* " == *" ${tag#defect_} "* ]] || continue
	log=out/defects/$tag-$(basename "$package").log
	if timeout 200 go test -count=1 -timeout 100s -tags "$tag" -run "^${run//\//\$/^}\$" "$package" >"$log" 2>&1; then
		echo "$tag: NOT NOTICED by $run ($package)"
		unnoticed=1
	elif ! grep -q "^ *--- FAIL: $run " "$log"; then
		echo "$tag: $run did not fail, but something else did: $log"
		unnoticed=1
	else
		echo "$tag: noticed by $run ($package)"
		grep -E '_test\.go:[0-9]+: [^ ]|Error:|Messages:|expected:|actual *:|redis_[a-z]+\.go:[0-9]+:' "$log" | grep -vE 'Error Trace|NAME|device-[0-9] of |\.go:[0-9]+: *$' | sed -E 's/^[[:space:]]+/    /' | cut -c1-200 | head -4
	fi
done
exit $unnoticed
