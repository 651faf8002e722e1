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
for workspace in burn peers studies; do
    run cargo fmt --manifest-path "$workspace/Cargo.toml" --all -- --check
done
run cargo clippy --workspace --all-targets --all-features -- -D warnings
run cargo clippy --package wgpu-dropout --no-default-features --lib --tests -- -D warnings
# Each feature alone, and without the development dependencies, which can hide that one is missing.
for features in gpu half serde vulkan metal dx12 gles webgpu; do
    run cargo clippy --package wgpu-dropout --no-default-features --features "$features" --lib -- -D warnings
done
# What only browsers see, where Rust can build for them: scripts/test-web.sh sees to that.
if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
    run cargo clippy --release --target wasm32-unknown-unknown --package wgpu-dropout-web --all-targets -- -D warnings
else
    printf '\n== no clippy for browsers: this Rust has no target wasm32-unknown-unknown\n'
fi
RUSTDOCFLAGS='-D warnings' run cargo doc --workspace --no-deps --all-features
printf '\nNo warnings.\n'
