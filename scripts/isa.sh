#!/usr/bin/env bash
# Counts the instructions of the kernels for AMD GPUs that need not be there, as Mesa's driver RADV compiles them, and
# holds them against benches/isa-budgets.json.
#
#   scripts/isa.sh [--if-present] [--json FILE] [--family NAME]...
#
# The exit status is 1 where a kernel takes more than its budget, and 3 where the driver is not installed. With
# --if-present the latter is said, and no failure. RADV_ICD names the driver's .json file where it is in another place.
set -euo pipefail
started_in=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh

# This machine's own before others, which a 64-bit system may have for 32-bit programs.
find_radv() {
    local folder file
    for folder in {/usr/share,/usr/local/share,/etc,/usr/local/etc,"${HOME:-}/.local/share"}/vulkan/icd.d; do
        for file in "$folder/radeon_icd.$(uname -m).json" "$folder"/radeon_icd*.json; do
            if [ -f "$file" ]; then
                echo "$file"
                return
            fi
        done
    done
    return 1
}

if_present=
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    --if-present) if_present=yes ;;
    --json)
        arguments+=("$1")
        # Of the folder that this was called in.
        if [ $# -gt 1 ]; then
            shift
            case $1 in
            /*) arguments+=("$1") ;;
            *) arguments+=("$started_in/$1") ;;
            esac
        fi
        ;;
    *) arguments+=("$1") ;;
    esac
    shift
done

if [ -n "${RADV_ICD:-}" ] && [ ! -f "$RADV_ICD" ]; then
    echo "isa: RADV_ICD names $RADV_ICD, and there is no such file" >&2
    exit 1
fi
if ! RADV_ICD=${RADV_ICD:-$(find_radv)} || ! has_library libvulkan.so.1; then
    cat >&2 <<'TEXT'
isa: no instructions are counted: RADV, Mesa's Vulkan driver for AMD GPUs, is not installed. These packages bring it:
isa:   Debian, Ubuntu: mesa-vulkan-drivers libvulkan1
isa:   Fedora: mesa-vulkan-drivers vulkan-loader
isa:   Arch: vulkan-radeon vulkan-icd-loader
isa: RADV_ICD names the driver's .json file where it is in another place.
TEXT
    if [ -n "$if_present" ]; then
        exit 0
    fi
    exit 3
fi
export RADV_ICD

check_rust
cargo run --quiet --release --package wgpu-dropout-bench --example isa -- "${arguments[@]}"
