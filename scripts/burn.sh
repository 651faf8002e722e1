#!/usr/bin/env bash
# Tests dropout for Burn, and trains its example, on this machine's adapter; sets up first what is missing. The first build of
# Burn takes ten minutes on two cores.
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

run cargo test --package wgpu-dropout-burn
run cargo run --package wgpu-dropout-burn --example digits
run cargo run --package wgpu-dropout-burn --example uncertainty
printf '\nDropout for Burn works here.\n'
