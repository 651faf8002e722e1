#!/usr/bin/env bash
# A check in a minute, without a GPU and without a driver: formatting, the library's lints, the CPU reference, and every
# kernel parsed, reflected and translated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

run cargo fmt --all -- --check
run cargo clippy --package wgpu-dropout --all-features -- -D warnings
run cargo test --package wgpu-dropout --no-default-features --lib
run cargo test --package wgpu-dropout --no-default-features --test known_answers --test normal_answers
printf '\nNothing wrong. scripts/test.sh runs everything, on every adapter.\n'
