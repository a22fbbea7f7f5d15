#!/usr/bin/env bash
# The pipelines of GitHub and GitLab: actionlint for the workflows and the shell in them, and test/architecture for the rules that both keep. Neither
# pipeline runs here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

actionlint=$(scripts/tool.sh actionlint)
"$actionlint" -color=false
[ "${1:-}" = workflows ] || go test -count=1 -run '^TestPipelines' ./test/architecture
echo 'NOT RUN: the pipelines themselves, which need GitHub and GitLab'
