#!/usr/bin/env bash
# Fuzzes what the command line reads: .npy headers and arguments. Installs cargo-fuzz into target/tools first.
#
#   scripts/fuzz.sh [SECONDS]      for each target; 60 unless told
#
# A finding is an input in fuzz/artifacts/: mend it, and keep it as a test in cli/tests/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
tools=$PWD/target/tools
if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    cargo install --root "$tools" cargo-fuzz
fi
# The sanitizers' flags are unstable; this lets a stable compiler take them.
export RUSTC_BOOTSTRAP=1 PATH=$tools/bin:$PATH
for target in npy arguments; do
    mkdir -p "fuzz/corpus/$target"
    # Without a sanitizer: there is no unsafe code here to look into, and a panic is seen as well.
    cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048
done
