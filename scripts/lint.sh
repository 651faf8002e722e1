#!/usr/bin/env bash
# Formatting, clippy and rustdoc, where any warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
        echo "cargo $component is missing: 'rustup component add rustfmt clippy' brings it" >&2
        exit 1
    fi
done

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

run cargo fmt --all -- --check
run cargo clippy --workspace --all-targets --all-features -- -D warnings
run cargo clippy --package wgpu-dropout --no-default-features --lib --tests -- -D warnings
RUSTDOCFLAGS='-D warnings' run cargo doc --workspace --no-deps --all-features
printf '\nNo warnings.\n'
