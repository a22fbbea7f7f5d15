#!/usr/bin/env bash
# Builds the image of the tagged commit and pushes it to RELEASE_IMAGE, such as registry.example/team/chatbox, with its SBOM and the provenance of the
# build as attestations (BuildKit's). The tag is that of git, so it is never pushed twice. out/release gets the digest. PLATFORMS is linux/amd64 by
# default; another one is emulated unless the builder has a node for it. Needs docker with buildx, and a login at the registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

image=${RELEASE_IMAGE:?RELEASE_IMAGE is not set: the name of the image without a tag}
version=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null) || die 'this commit has no tag vX.Y.Z'
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "$version is not vX.Y.Z or vX.Y.Z-pre"
[ -z "$(git status --porcelain)" ] || die 'the work tree differs from the tag'
docker buildx version >/dev/null 2>&1 || { echo 'NOT RUN: release: docker has no buildx' && exit 3; }
# The engine's own builder cannot attest.
[ "$(docker buildx inspect | sed -n 's/^Driver: *//p')" != docker ] || docker buildx create --use --name chatbox-release >/dev/null
! docker buildx imagetools inspect "$image:$version" >/dev/null 2>&1 || die "$image:$version is in the registry, and tags do not move"

mkdir -p out/release
docker buildx build --push --platform "${PLATFORMS:-linux/amd64}" --provenance mode=max --sbom true \
	--file deploy/Dockerfile --build-arg VERSION="$version" --tag "$image:$version" \
	--label org.opencontainers.image.title=chatbox --label org.opencontainers.image.version="$version" \
	--label org.opencontainers.image.revision="$(git rev-parse HEAD)" --label org.opencontainers.image.created="$(git log -1 --format=%cI)" \
	--metadata-file out/release/image.json .
grep -oE '"containerimage.digest": *"sha256:[0-9a-f]{64}"' out/release/image.json | grep -oE 'sha256:[0-9a-f]{64}' >out/release/digest
echo "$image:$version@$(cat out/release/digest)" | tee out/release/image
