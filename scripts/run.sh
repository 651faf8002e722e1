#!/usr/bin/env bash
# The main job on real data: sets up what is missing, then puts 1,797 handwritten digits through dropout on the GPU,
# checks every bit and draws a picture.
#
#   scripts/run.sh [PICTURE.png]    target/digits.png unless told
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=scripts/setup-adapter.sh
. "$root/scripts/setup-adapter.sh"
set_up_machine
# Not from the root: the picture's path is the caller's.
cargo run --release --manifest-path "$root/Cargo.toml" --example digits -- "$@"
