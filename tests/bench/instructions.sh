#!/usr/bin/env bash
# Predicts the load of the instrument on a Raspberry Pi 5 and 4 and a Jetson Orin Nano.
#
#   sudo tests/bench/instructions.sh [FOLDER]
#
# Counts the instructions of each piece of its work on an emulated Cortex-A72 and Cortex-A76,
# measures the time of the same pieces on this machine, and scales both by published properties of
# the boards (counted/boards.py, with sources). Prints the tables of docs/benchmarks.md; FOLDER keeps
# the counts and 2 GB (a temporary folder is removed).
#
# It takes about ten minutes on x86-64, and needs the network, a C compiler and 7-Zip
# (p7zip-full). MediaPipe is counted on the Cortex-A76 only: it does not run on the Cortex-A72.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tests/system/arm64.sh

COUNTED=tests/bench/counted
COUNTING=bookworm # trixie's QEMU has no plugins
ROUNDS=5          # of the times; the fastest of each piece counts
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

for program in cc 7z; do
    command -v $program >/dev/null || { echo "$program is not installed" >&2; exit 1; }
done
begin "${1:-}"

bring_counting() {
    local qemu=$root/counting
    if [ ! -e "$qemu/complete" ]; then
        log "QEMU with plugins, of Debian $COUNTING"
        mmdebstrap -q --variant=extract --include=qemu-user $COUNTING "$qemu"
        touch "$qemu/complete"
    fi
    cc -O2 -Wall -Wextra -shared -fPIC -o "$qemu/count.so" $COUNTED/count.c
    cp $COUNTED/pieces.py "$root/opt"
}

# QEMU's libraries are x86-64 in an arm64 root, so the loader needs their path.
count() { # PROCESSOR
    local libraries=/counting/lib/x86_64-linux-gnu
    log "$1: instructions"
    rm -f "$root/opt/count"
    in_root "$1" $libraries/ld-linux-x86-64.so.2 --library-path $libraries:/counting/usr/lib/x86_64-linux-gnu \
        /counting/usr/bin/qemu-aarch64 -E OMP_NUM_THREADS=1 -E OPENBLAS_NUM_THREADS=1 \
        -plugin /counting/count.so,marks=/opt/count \
        /usr/bin/python3.13 /opt/pieces.py /opt/count >"$folder/$1.csv"
}

install_root
rm -rf "$root/opt/site"
install_runtime --no-group mediapipe
mount_root
bring_counting
count cortex-a72
install_runtime
count cortex-a76

log "times on this machine, $ROUNDS rounds"
seven_zip=0
: >"$folder/times.csv"
for ((round = 0; round < ROUNDS; round++)); do
    uv run --quiet --all-packages --no-sync python $COUNTED/pieces.py >>"$folder/times.csv"
    rating=$(7z b -mmt1 -md22 | awk '/^Tot:/ {print $3}')
    seven_zip=$((rating > seven_zip ? rating : seven_zip))
done
uv run --quiet --all-packages --no-sync python -m tests.bench.counted.predict \
    "$folder"/cortex-a*.csv --times "$folder/times.csv" --seven-zip "$seven_zip"
log "done"
