#!/usr/bin/env bash
# Installs Chromium for the browser tests where that is possible, and says so where it is not. It never fails: the tests skip without a browser.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for name in chromium chromium-browser google-chrome; do
	if command -v "$name" >/dev/null; then exit 0; fi
done
# Without a font a page is laid out, and its screenshot is empty.
apt_install chromium fonts-liberation || echo 'NOT RUN: browser (apt-get install chromium)'
