#!/usr/bin/env bash
# The dropout literature, executed: sets up what is missing, runs the studies on the GPU, and writes target/study/index.html
# and study.json. The exit status is 1 where a verdict fails.
#
#   scripts/study.sh [--only NAME] [--quick] [--data FOLDER] [--seed N]      --help says more
#
# The public experiment of Monte Carlo dropout in regression, on a folder in its layout, is printed split by split instead by
#
#   scripts/study.sh regression SEED FOLDER [--p P] [--tau TAU] [--epochs N] [--splits N] [--samples N]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=scripts/setup-adapter.sh
. "$root/scripts/setup-adapter.sh"
set_up_machine
# Not from the root: a path among the arguments is the caller's.
if [[ ${1:-} == regression ]]; then
    exec cargo run --manifest-path "$root/studies/networks/Cargo.toml" -- "$@"
fi
cargo run --manifest-path "$root/studies/Cargo.toml" -- "$@"
