#!/usr/bin/env bash
# scripts/image.sh [TAG] builds the pod's image from deploy/Dockerfile.local: the binary is made here, and no registry is asked for anything.
# Default tag: the one that scripts/compose.sh runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(git describe --always --dirty 2>/dev/null || echo dev)
tag=${1:-chatbox:${CHATBOX_VERSION:-$version}}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

mkdir -p "$context"/root/{bin,etc/ssl/certs} "$context"/state/tmp
CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X chatbox/app.Version=$version" -o "$context/root/bin/chatbox" ./cmd/chatbox
cp /etc/ssl/certs/ca-certificates.crt "$context/root/etc/ssl/certs/"
docker build --quiet --file deploy/Dockerfile.local --tag "$tag" "$context" >/dev/null
echo "$tag"
