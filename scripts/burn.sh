#!/usr/bin/env bash
# Tests dropout for Burn, and trains its example, on this machine's adapter; sets up first what is missing. The first build of
# Burn takes ten minutes on two cores.
#
# With --spirv: the rule in CubeCL's language, as SPIR-V that CubeCL compiles itself (Burn's feature `vulkan`). That is another
# build of Burn, in a target folder of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh
set_up_machine gl

cd burn
run() {
    printf '\n== %s\n' "$*"
    "$@"
}

if [[ ${1:-} == --spirv ]]; then
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}-spirv"
    run cargo test --package wgpu-dropout-burn --features burn/vulkan --lib cube::
    printf '\nDropout for Burn works here as SPIR-V.\n'
    exit
fi

run cargo test --package wgpu-dropout-burn
run cargo run --package wgpu-dropout-burn --example digits
run cargo run --package wgpu-dropout-burn --example uncertainty
printf '\nDropout for Burn works here.\n'
