#!/usr/bin/env bash
# Runs every test; sets up first what is missing. Needs no terminal.
#
# The tests run on every adapter of the machine, and fail where one is missing that WGPU_DROPOUT_REQUIRE names, as a
# backend or a backend and a part of the adapter's name, separated by commas. Unless told that is
# 'vulkan,vulkan:swiftshader,gl' on Linux, 'metal' on macOS and 'dx12' on Windows. SWIFTSHADER=none does without that one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh
set_up_machine gl swiftshader
if [ "$(uname -s)" = Linux ] && [ "${SWIFTSHADER:-}" != none ]; then
    export WGPU_DROPOUT_REQUIRE=${WGPU_DROPOUT_REQUIRE:-vulkan,vulkan:swiftshader,gl}
fi

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

run cargo test --workspace --all-features
# The keep rule and the CPU reference do without wgpu.
run cargo test --package wgpu-dropout --no-default-features --lib --tests
run cargo test --package wgpu-dropout --no-default-features --doc
# The normals, over every word that they are made of.
run cargo run --release --package wgpu-dropout-quality
printf '\nAll tests passed.\n'
