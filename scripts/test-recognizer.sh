#!/usr/bin/env bash
# scripts/test-recognizer.sh sends spoken sentences through three pods to a speech recognizer of Debian. It installs the recognizer (pocketsphinx),
# the voices (flite) and sox, about 40 MB to fetch. Where it cannot, it prints NOT RUN and exits with 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

packages=(flite pocketsphinx pocketsphinx-en-us sox)
apt_install "${packages[@]}" || { echo "NOT RUN: recognizer (apt-get install ${packages[*]})" && exit 3; }
scripts/test.sh recognizer -tags recognizer -timeout 10m ./test/recognizer
