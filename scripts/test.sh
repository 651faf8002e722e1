#!/usr/bin/env bash
# Runs every test; sets up first what is missing. Needs no terminal.
#
# The tests run on every adapter of the machine, and fail where a backend is missing that WGPU_DROPOUT_REQUIRE names
# (separated by commas). Unless told that is 'vulkan,gl' on Linux, 'metal' on macOS and 'dx12' on Windows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh
set_up_machine gl

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

run cargo test --workspace --all-features
# The keep rule and the CPU reference do without wgpu.
run cargo test --package wgpu-dropout --no-default-features --lib --tests
run cargo test --package wgpu-dropout --no-default-features --doc
printf '\nAll tests passed.\n'
