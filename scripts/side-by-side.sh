#!/usr/bin/env bash
# scripts/side-by-side.sh COMMAND… runs the shell commands at the same time and prints their output in the order of the commands. It fails if one
# of them fails. For suites that mostly wait, each on servers of its own.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2 && exit 2; }

out=$(mktemp -d)
finish() {
	local running
	running=$(jobs -pr)
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$running" ] || kill $running 2>/dev/null || true
	wait
	cat "$out"/* 2>/dev/null || true # of those that were stopped
	rm -rf "$out"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

pids=()
for command in "$@"; do
	bash -c "$command" >"$out/${#pids[@]}" 2>&1 </dev/null &
	pids+=($!)
done
failed=0
for n in "${!pids[@]}"; do
	wait "${pids[$n]}" || failed=1
	cat "$out/$n" && rm "$out/$n"
done
[ $failed -eq 0 ]
