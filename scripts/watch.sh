#!/usr/bin/env bash
# scripts/watch.sh [check] starts a Prometheus beside `make run`, with the rules of deploy/prometheus: its pages show the alerts and answer queries. It scrapes
# the pods of the stack at STACK (http://127.0.0.1:8080), listens on 127.0.0.1, port WATCH_PORT (9090), and keeps its data under out/watch. Ctrl-C ends it.
# check evaluates every expression of the dashboards at the Prometheus that runs there, and lists those without data.
# Prometheus is Debian's package, fetched where that is possible.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

stack=${STACK:-http://127.0.0.1:8080}
listen=127.0.0.1:${WATCH_PORT:-9090}
case ${1:-} in
check) exec go run ./test/watch/dashboards query "http://$listen" ;;
'') ;;
*) die 'usage: scripts/watch.sh [check]' ;;
esac

command -v prometheus >/dev/null || apt_install prometheus || die 'needs Prometheus: apt-get install prometheus'
curl -fsS -o /dev/null -m 5 "$stack/dev/targets" || die "no development stack at $stack: start it with make run"
mkdir -p out/watch
cat >out/watch/prometheus.yml <<END
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: [../../deploy/prometheus/rules.yaml]
scrape_configs:
  - job_name: chatbox
    http_sd_configs: [{url: "$stack/dev/targets", refresh_interval: 5s}]
END
say "Prometheus: http://$listen/alerts, http://$listen/graph. For dashboards point a Grafana at it, and import deploy/grafana/*.json"
exec prometheus --config.file=out/watch/prometheus.yml --storage.tsdb.path=out/watch/data --storage.tsdb.retention.time=1d \
	--web.listen-address="$listen" --log.level=warn
