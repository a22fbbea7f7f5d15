#!/usr/bin/env bash
# scripts/check-deploy.sh [tools] holds deploy/helm and deploy/k8s to Kubernetes' own types and rules, to Pod Security and to the pod's settings (test/deploy
# says how), without a cluster. helm and kustomize are built if they are missing, which takes minutes, once. With `tools` only that is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
HELM=$(scripts/tool.sh helm)
KUSTOMIZE=$(scripts/tool.sh kustomize)
CHATBOX=$work/chatbox
export HELM KUSTOMIZE CHATBOX GOFLAGS='' GOWORK=off
if [ "${1:-}" = tools ]; then
	# What the test needs of Kubernetes is compiled too.
	cd test/deploy
	go test -count=1 -run '^$' ./...
	exit
fi

scripts/deploy-manifests.sh --check
go build -o "$CHATBOX" ./cmd/chatbox
cd test/deploy
go test -count=1 -shuffle=on ./...
echo 'NOT RUN: a dry run on an API server, whose build is too large for this check; its rules are applied in process instead'
say "checked in $SECONDS s"
