#!/usr/bin/env bash
# Packs what is published and builds it from the packed files alone: nothing that they need lies outside of them.
#
#   scripts/package.sh [ARGUMENTS OF cargo package]      --allow-dirty, for example
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Cargo takes sources that it has unpacked once for right; those of an earlier run of this script, from before the last
# change, are not. They lie where registries do that are folders: names without a host.
rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/{src,cache}/-*/wgpu-dropout*

cargo package --package wgpu-dropout --package wgpu-dropout-bench --package wgpu-dropout-conformance \
    --package wgpu-dropout-cli "$@"
