#!/usr/bin/env bash
# scripts/check-rules.sh checks deploy/prometheus and the expressions of deploy/grafana with promtool, and plays the cases of rules_test.yaml: each alert
# fires in its case, and none in a healthy cluster. promtool is that of Debian's package prometheus, because building it takes minutes. Without
# one it prints NOT RUN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

command -v promtool >/dev/null || apt_install prometheus || { echo 'NOT RUN: rules of Prometheus: no promtool (apt-get install prometheus)' && exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

promtool check rules deploy/prometheus/rules.yaml
promtool check config deploy/prometheus/prometheus.yml
go run ./test/watch/dashboards rules >"$work/dashboards.yaml"
promtool check rules "$work/dashboards.yaml"
promtool test rules deploy/prometheus/rules_test.yaml
