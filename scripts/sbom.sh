#!/usr/bin/env bash
# out/release/chatbox.cdx.json: the modules and the Go version in the pod's binary, in CycloneDX, read from the binary that the image would have. The image
# has nothing else in it except certificates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool=$(scripts/tool.sh cyclonedx-gomod)
version=$(git describe --always --dirty)
mkdir -p out/release
CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X chatbox/app.Version=$version" -o "$work/chatbox" ./cmd/chatbox
"$tool" bin -json -std -version "$version" -output out/release/chatbox.cdx.json "$work/chatbox" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }
echo out/release/chatbox.cdx.json
