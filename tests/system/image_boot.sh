#!/usr/bin/env bash
# Boots an image of systemd/image/build.sh on an emulated machine and listens to it.
#
#   tests/system/image_boot.sh IMAGE FOLDER [SECONDS]
#
# The machine is a Cortex-A72 that starts by UEFI, with a USB sound card and no camera. It carries
# out 10^9 instructions in a second of its own time, however long that takes here, so nothing is late
# because it is emulated. After SECONDS (default 120) of sound its power button is pressed.
#
# FOLDER gets boot.log (the journal), sound.wav (what the sound card played) and image, a copy whose
# kernel writes to the serial line and which is otherwise unchanged. With FOLDER/image as IMAGE the
# same machine boots once more. Needs qemu-system-arm, qemu-efi-aarch64, mtools and sox; QEMU names
# another program to run, OPTIONS has more options for the kernel.
set -euo pipefail

FIRMWARE=/usr/share/qemu-efi-aarch64/QEMU_EFI.fd
BOOT_AT=1048576 # of the first partition, bytes
ENTRY=::loader/entries/latent-resonance.conf
LOGGED="console=ttyAMA0 systemd.journald.forward_to_console=1 systemd.journald.max_level_console=info ${OPTIONS:-}"
BYTES_PER_S=192000 # of sound.wav: 48 kHz, stereo, 16 bits
MOST_S=3600 # of this machine
MOST_OFF_S=30 # of the emulated one, from the power button on

fail() {
    echo "image_boot: $*" >&2
    exit 1
}

[ $# -ge 2 ] || fail "usage: tests/system/image_boot.sh IMAGE FOLDER [SECONDS]"
image=$1 folder=$2 seconds=${3:-120}
mkdir -p "$folder"
[[ $image -ef $folder/image ]] || cp --sparse=always "$image" "$folder/image"
mcopy -n -i "$folder/image@@$BOOT_AT" $ENTRY "$folder/entry"
sed -i "s| quiet | $LOGGED |" "$folder/entry"
mcopy -o -i "$folder/image@@$BOOT_AT" "$folder/entry" $ENTRY

recorded_s() {
    echo $(($(stat -c %s "$folder/sound.wav" 2>/dev/null || echo 0) / BYTES_PER_S))
}

rm -f "$folder/boot.log" "$folder/sound.wav" "$folder/monitor"
mkfifo "$folder/monitor"
${QEMU:-qemu-system-aarch64} -M virt -cpu cortex-a72 -smp 1 -m 2048 -icount shift=0,sleep=off \
    -nodefaults -display none -nic none -bios $FIRMWARE \
    -drive file="$folder/image",format=raw,if=virtio -device qemu-xhci \
    -audiodev wav,id=card,path="$folder/sound.wav",out.frequency=48000,out.format=s16 \
    -device usb-audio,audiodev=card \
    -serial file:"$folder/boot.log" -monitor stdio <"$folder/monitor" >/dev/null &
machine=$!
exec 3>"$folder/monitor"
trap 'kill $machine 2>/dev/null; rm -f "$folder/monitor"' EXIT

began_s=$(date +%s)
while [ "$(recorded_s)" -lt "$seconds" ]; do
    kill -0 $machine 2>/dev/null || fail "it ended by itself; see $folder/boot.log"
    [ $(($(date +%s) - began_s)) -lt $MOST_S ] ||
        fail "$(recorded_s) s of sound after $MOST_S s; see $folder/boot.log"
    sleep 2
done
echo system_powerdown >&3
while kill -0 $machine 2>/dev/null; do
    [ "$(recorded_s)" -lt $((seconds + MOST_OFF_S)) ] || fail "it does not switch itself off; see $folder/boot.log"
    sleep 1
done
! grep "Failed to start" "$folder/boot.log" || fail "see $folder/boot.log"
for unit in eye voice; do
    grep "Started latent-resonance-$unit.service" "$folder/boot.log" || fail "no $unit; see $folder/boot.log"
done
sox "$folder/sound.wav" -n stats
