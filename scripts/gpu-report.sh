#!/usr/bin/env bash
# Measures this machine's GPU and writes a report: benches/results/DATE-ADAPTER.md, with the raw numbers (.json) and a
# chart (.svg) beside it. The adapter is verified first.
#
#   scripts/gpu-report.sh [ADAPTER]      the number of an adapter in `wgpu-dropout info`; else the one that wgpu picks
#
# Works without Rust from a binary that was built elsewhere and copied here with the repository: WGPU_DROPOUT_BIN names
# it, or it lies at target/release/wgpu-dropout. RESULTS names another folder for the report. COMMIT names the commit
# where there is no git.
# Where they are there, the peers are measured too: peers/target/release/wgpu-dropout-peers, and PyTorch through python3.
# shellcheck disable=SC2016 # the backquotes are Markdown's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

adapter=()
if [ $# -gt 0 ]; then
    adapter=(--adapter "$1")
fi
results=${RESULTS:-benches/results}
binary=${WGPU_DROPOUT_BIN:-}
if [ -z "$binary" ]; then
    binary=target/release/wgpu-dropout
    if command -v cargo >/dev/null; then
        cargo build --release --package wgpu-dropout-cli
    fi
fi
if [ ! -x "$binary" ]; then
    echo "error: there is no $binary: install Rust (https://rustup.rs), or name a built binary in WGPU_DROPOUT_BIN" >&2
    exit 1
fi
commit=${COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)}
if [ -n "$(git status --porcelain --untracked-files=no 2>/dev/null)" ]; then
    commit="$commit, with changes"
fi
date=$(date -u +%Y-%m-%d)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$binary" verify "${adapter[@]}" | tee "$work/verify.txt"
"$binary" bench "${adapter[@]}" --commit "$commit" --json "$work/bench.json" --svg "$work/bench.svg" | tee "$work/bench.md"
# What only a real device can settle: how the work is shared out, and the size of a workgroup.
for schedule in groups interleaved; do
    for size in 64 128 256; do
        "$binary" bench "${adapter[@]}" --schedule "$schedule" --workgroup-size "$size" --sizes 24 --rounds 7 |
            grep -v '^| recording\|us a call' | tee -a "$work/choices.md"
    done
done

# The file's name: letters, digits and dashes of the adapter's and the backend's.
field() {
    sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" "$work/bench.json" | head -n 1
}
slug=$(printf '%s-%s' "$(field name)" "$(field backend)" | tr '[:upper:]' '[:lower:]' | sed 's/(.*)//; s/[^a-z0-9]\{1,\}/-/g; s/^-//; s/-$//')
report=$results/$date-$slug
mkdir -p "$results"

if [ -x peers/target/release/wgpu-dropout-peers ]; then
    peers/target/release/wgpu-dropout-peers --json "$work/peers.json" | tee "$work/peers.txt"
fi
if command -v python3 >/dev/null && python3 -c 'import torch' 2>/dev/null; then
    python3 peers/pytorch.py --json "$work/pytorch.json" | tee "$work/pytorch.txt"
fi

# The processor, the memory, and where there is one NVIDIA's driver.
machine() {
    uname -srm
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | sort | uniq -c | sed 's/^ */processor: /'
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | sed 's/^/GPU: /' || true
}

# A section, if its file is there: section TITLE FILE
section() {
    if [ -f "$2" ]; then
        printf '\n## %s\n\n```\n%s\n```\n' "$1" "$(cat "$2")"
    fi
}

{
    printf '# %s (%s), %s\n\n' "$(field name)" "$(field backend)" "$date"
    printf -- '- driver: %s\n- commit: %s\n' "$(field driver)" "$commit"
    machine | sed 's/^/- /'
    printf -- '- made by: `scripts/gpu-report.sh %s`\n' "$*"
    printf '\n![Throughput against size](%s)\n\n' "$(basename "$report").svg"
    cat "$work/bench.md"
    section 'Schedules and workgroup sizes' "$work/choices.md"
    section 'The peers on this device' "$work/peers.txt"
    section 'PyTorch' "$work/pytorch.txt"
    section 'Verified before measuring' "$work/verify.txt"
} >"$work/report.md"

for kind in report.md:md bench.json:json bench.svg:svg peers.json:peers.json pytorch.json:pytorch.json; do
    if [ -f "$work/${kind%%:*}" ]; then
        cp "$work/${kind%%:*}" "$report.${kind#*:}.new"
        mv "$report.${kind#*:}.new" "$report.${kind#*:}"
    fi
done
echo "report: $report.md"
