#!/usr/bin/env bash
# Packs what is published and builds it from the packed files alone: nothing that they need lies outside of them.
#
#   scripts/package.sh [ARGUMENTS OF cargo package]      --allow-dirty, for example
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo package --package wgpu-dropout --package wgpu-dropout-bench --package wgpu-dropout-conformance \
    --package wgpu-dropout-cli "$@"
