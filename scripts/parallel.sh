#!/usr/bin/env bash
# Training split over processes with MPI, and the proof that it is a single process's training: parallel/, docs/parallel.md.
#
#   scripts/parallel.sh                                  the whole proof
#   scripts/parallel.sh --quick                          the same with fewer steps
#   scripts/parallel.sh --grid 3x2 --shares uneven …     one run with the program's own options (--help lists them)
#
# Installs Open MPI, and libclang, with which its bindings are made, where they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/setup-adapter.sh
. scripts/setup-adapter.sh
set_up_machine mpi

cargo build --manifest-path burn/Cargo.toml --package wgpu-dropout-parallel
program=burn/target/debug/wgpu-dropout-parallel
[ -z "${CARGO_TARGET_DIR:-}" ] || program=$CARGO_TARGET_DIR/debug/wgpu-dropout-parallel

# One thread of the driver a process: they share the machine's cores.
export LP_NUM_THREADS=${LP_NUM_THREADS:-1}
run() {
    local grid=$1
    shift
    printf '\n== %s %s\n' "$grid" "$*"
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        mpirun --oversubscribe -n $((${grid%x*} * ${grid#*x})) "$program" --grid "$grid" "$@"
}

steps=200 few=60 half=30
if [ "${1:-}" = --quick ]; then
    steps=40 few=12 half=6
elif [ $# -gt 0 ]; then
    grid=2x2
    for ((i = 1; i < $#; i++)); do
        [ "${!i}" != --grid ] || { next=$((i + 1)) && grid=${!next}; }
    done
    [[ $grid =~ ^[1-9][0-9]*x[1-9][0-9]*$ ]] || fail "'$grid' is no grid: two numbers with an x between them, as 2x2"
    case " $* " in
    *' --help '* | *' -h '*) exec "$program" --help ;;
    esac
    run "$grid" "$@"
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
run 2x2 --steps "$steps" --json target/parallel.json
run 2x2 --steps "$few" --shares uneven
run 1x3 --steps "$few" --shares uneven --wide 100 --narrow 33 --batch 50
run 3x1 --steps "$few" --batch 50

# A run that stops and goes on has the same masks, losses and parameters as one that does not.
run 2x2 --steps "$few" --json "$folder/straight.json" --checkpoint "$folder/straight"
run 2x2 --steps "$half" --checkpoint "$folder/resumed"
run 2x2 --steps "$few" --json "$folder/resumed.json" --checkpoint "$folder/resumed" --resume
for rank in 0 1 2 3; do
    cmp "$folder/straight/rank-$rank.json" "$folder/resumed/rank-$rank.json"
done
python3 - "$folder" "$half" <<'END'
import json, sys
folder, half = sys.argv[1], int(sys.argv[2])
straight, resumed = (json.load(open(f"{folder}/{name}.json"))["findings"] for name in ("straight", "resumed"))
assert len(resumed) == len(straight) - half > 0
assert straight[half:] == resumed, "the steps after the checkpoint differ"
END
printf '\nresumed: the masks, losses and parameters of every process are those of a run without a stop\n'

# Dropout or none, as many bytes travel.
for p in 0 0.5; do
    run 2x2 --steps 3 --no-proof --p "$p" --json "$folder/traffic-$p.json"
done
cut='s/p [0-9.]*,//'
cmp <(sed "$cut" "$folder/traffic-0.json") <(sed "$cut" "$folder/traffic-0.5.json")

# And the proof can fail.
if run 2x2 --steps 2 --plant-fault; then
    fail "masks of the wrong part were not noticed"
fi
printf '\nThe shards are the single process, and nothing travelled for their masks.\n'
