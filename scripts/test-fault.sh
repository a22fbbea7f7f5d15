#!/usr/bin/env bash
# scripts/test-fault.sh short|long kills and pauses servers and pods, and prints the figures that the tests measured, whether they pass or not.
# The short form runs as two processes at once, each with servers of its own: most scenarios wait for leases, sweeps and outages, and leave the
# processor idle. The long form is one process, because its figures must not be another scenario's load.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
export FAULT=${1:-short}

# Scenarios that mostly wait. The others keep many clients talking.
waiting='^Test(Cluster|Desk|Files|Kill|Pause|Primary|Sentinel|Voice)'

# scenarios NAME LIMIT [GO TEST ARGUMENTS…]
scenarios() {
	local name=$1 limit=$2
	shift 2
	export FAULT_OUT=$PWD/out/$name
	[ -z "${SERVERS_LOGS:-}" ] || export SERVERS_LOGS=$SERVERS_LOGS/$name
	mkdir -p "$FAULT_OUT"
	rm -f "$FAULT_OUT/figures.txt"
	scripts/with-servers.sh scripts/test.sh "$name" -tags fault -timeout "$limit" "$@" ./test/fault
}

long() { scenarios fault-long 3h; }
quiet() { FAULT_PORTS=20000+6000 scenarios fault-short-waiting 15m -run "$waiting"; }
talking() { FAULT_PORTS=26000+6000 scenarios fault-short-talking 15m -skip "$waiting"; }

trap 'end_running; cat out/fault-"$FAULT"*/figures.txt 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ "$FAULT" = long ]; then together long; else together quiet talking; fi
