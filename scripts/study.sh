#!/usr/bin/env bash
# The dropout literature, executed: sets up what is missing, runs the studies on the GPU, and writes target/study/index.html
# and study.json. The exit status is 1 where a verdict fails.
#
#   scripts/study.sh [--only NAME] [--quick] [--data FOLDER] [--seed N]      --help says more
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=scripts/setup-adapter.sh
. "$root/scripts/setup-adapter.sh"
set_up_machine
# Not from the root: a path among the arguments is the caller's.
cargo run --manifest-path "$root/studies/Cargo.toml" -- "$@"
