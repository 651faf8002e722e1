#!/usr/bin/env bash
# Builds the browser page into target/web and serves it on this machine.
#
#   scripts/web.sh [PORT]      http://localhost:8080 unless told
#   scripts/web.sh --build     only builds
#
# Installs what is missing: Rust's wasm32 target with rustup (or where that cannot be, Debian's Rust), and wasm-bindgen
# into target/tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh

# wasm-bindgen's program must be of exactly the version of its library.
set_up_bindgen() {
    local version
    version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
    if [ "$(target/tools/bin/wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
        say "installing wasm-bindgen-cli $version into target/tools"
        # It runs for a second: optimising it would take minutes.
        CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet wasm-bindgen-cli --version "$version" --root target/tools
    fi
}

build_page() {
    wasm_cargo build --release --package wgpu-dropout-web
    # All new, so that nothing old stays.
    rm -rf target/web
    mkdir -p target/web
    cp web/page/* data/digits.csv tests/vectors/family_v1.json target/web
    target/tools/bin/wasm-bindgen --target web --no-typescript --out-dir target/web \
        "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/wgpu_dropout_web.wasm"
}

main() {
    local port=8080 serve=yes
    case ${1:-} in
    '') ;;
    --build) serve=no ;;
    *[!0-9]*) fail "unknown argument: $1. There are --build and a port's number." ;;
    *) port=$1 ;;
    esac
    set_up_wasm
    set_up_bindgen
    build_page
    if [ "$serve" = no ]; then
        say "built target/web"
        return
    fi
    command -v python3 >/dev/null || fail "there is no python3 to serve target/web with. Any web server will do."
    say "serving http://localhost:$port (Ctrl-C ends it)"
    exec python3 -m http.server --bind localhost --directory target/web "$port"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    main "$@"
fi
