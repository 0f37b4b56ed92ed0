#!/usr/bin/env bash
# What the instrument will take of a Raspberry Pi 5 and 4 and a Jetson Orin Nano: a prediction.
#
#   sudo tests/bench/instructions.sh [FOLDER]
#
# Counts the instructions of each piece of its work on a Cortex-A72 and a Cortex-A76, emulated,
# takes the time of the same pieces on this machine, and divides by what is published of the boards
# (counted/boards.py, where the sources are). Prints the tables of docs/benchmarks.md; FOLDER keeps
# the counts, and 2 GB (a temporary one is removed).
#
# It takes some ten minutes on x86-64, and needs the network, a C compiler and 7-Zip
# (p7zip-full). MediaPipe is counted on the Cortex-A76 alone: it does not run on the other.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tests/system/arm64.sh

COUNTED=tests/bench/counted
COUNTING=bookworm # QEMU without plugins is all that trixie has
ROUNDS=5          # of the times: of each piece the quickest counts
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

# Its libraries are this machine's own kind, in a root of another: the loader is told where.
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
