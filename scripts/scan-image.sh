#!/usr/bin/env bash
# scripts/scan-image.sh [IMAGE] fails if trivy finds a high or critical vulnerability with a fix, or a secret, in the image; by default in that of
# deploy/Dockerfile, built for this. The scanner gets the image as a file and no access to the engine. It fetches its database from the network.
# Without an engine, or where images cannot be pulled, it prints NOT RUN and exits with 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# By digest: tags of this image were replaced with malicious ones in March 2026.
trivy=aquasec/trivy:0.69.3@sha256:bcc376de8d77cfe086a917230e818dc9f8528e3c852f7b1aff648949b6258d1c

work=$(mktemp -d)
container=
trap '[ -z "$container" ] || docker rm --force "$container" >/dev/null; rm -rf "$work"' EXIT

docker info >/dev/null 2>&1 || { echo 'NOT RUN: image scan: no container engine' && exit 3; }
docker pull --quiet "$trivy" >"$work/pull.log" 2>&1 || { tail -n 1 "$work/pull.log" >&2 && echo "NOT RUN: image scan: $trivy cannot be pulled" && exit 3; }
image=${1:-}
if [ -z "$image" ]; then
	image=chatbox:scan
	docker build --quiet --file deploy/Dockerfile --build-arg VERSION="$(git describe --always --dirty)" --tag "$image" . >/dev/null
fi
docker save --output "$work/image.tar" "$image"
container=$(docker create --cap-drop ALL --security-opt no-new-privileges "$trivy" \
	image --input /image.tar --scanners vuln,secret --severity HIGH,CRITICAL --ignore-unfixed --no-progress --exit-code 1)
docker cp --quiet "$work/image.tar" "$container:/image.tar"
docker start --attach "$container"
say "$image: nothing found"
