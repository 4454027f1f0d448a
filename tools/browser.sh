#!/usr/bin/env bash
# Get a Chromium for the tests of the page, where there is none: Debian's as root, else Playwright's.
set -euo pipefail
cd "$(dirname "$0")/.."

for name in chromium chromium-browser google-chrome chrome; do
    if command -v "$name" >/dev/null; then
        exit
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing chromium ..." >&2
    if apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
        exit
    fi
fi
.venv/bin/playwright install chromium
