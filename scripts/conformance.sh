#!/usr/bin/env bash
# Writes conformance/vectors/conformance_v1.json anew from the CPU reference. With --check it only says whether the file is
# as the reference has it, with exit status 1 where it is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

file=conformance/vectors/conformance_v1.json
case "${1-}" in
'' | --check) ;;
*)
    echo "unknown argument '$1': give none, or --check" >&2
    exit 2
    ;;
esac

# In the same folder, so that the move is one step.
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
cargo run --quiet --package wgpu-dropout-conformance --example conformance_vectors >"$new"

if [ "${1-}" = --check ]; then
    if ! diff -u "$file" "$new"; then
        echo "$file is not what the reference gives: run scripts/conformance.sh" >&2
        exit 1
    fi
    echo "$file is as the reference has it."
else
    chmod 644 "$new"
    mv "$new" "$file"
    echo "$file: $(wc -c <"$file") bytes"
fi
