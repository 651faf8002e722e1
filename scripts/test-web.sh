#!/usr/bin/env bash
# Runs the tests of the library and of the page in headless Chromium with WebGPU. Needs no terminal and no GPU.
#
# Installs what is missing: Chromium, chromedriver and Node.js with the system's package manager, Rust's wasm32 target
# and wasm-bindgen as scripts/web.sh does, playwright-core into target/playwright. Screenshots of the page go to
# target/web-screenshots.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/web.sh
. scripts/web.sh
set_up_browser
set_up_wasm
set_up_bindgen

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

# The same browser for both kinds of tests; its arguments are in web/webdriver.json.
mkdir -p target
sed "s|\"args\"|\"binary\": \"$CHROMIUM\", &|" web/webdriver.json >target/webdriver.json
export WASM_BINDGEN_TEST_WEBDRIVER_JSON=$PWD/target/webdriver.json
# Seconds. Twenty by default, which a busy machine needs more than.
export WASM_BINDGEN_TEST_TIMEOUT=300
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$PWD/target/tools/bin/wasm-bindgen-test-runner
# For the browser, which complains where it is not set.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi
# With --release, because the page needs the same libraries.
run wasm_cargo test --release --package wgpu-dropout-web

playwright=1.65.1
if [ "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' target/playwright/node_modules/playwright-core/package.json 2>/dev/null)" != "$playwright" ]; then
    say "installing playwright-core $playwright into target/playwright"
    mkdir -p target/playwright
    npm install --no-save --no-fund --no-audit --prefix target/playwright "playwright-core@$playwright"
fi
run build_page
run node web/tests/page.mjs
printf '\nAll tests in the browser passed.\n'
