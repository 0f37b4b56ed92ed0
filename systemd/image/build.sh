#!/bin/sh
# Builds an image for 64-bit ARM machines that start by UEFI: written to a disk, it boots and plays.
# The root is read-only, with an overlay in memory; only the quality that the machine can play is
# saved. For a Raspberry Pi use Raspberry Pi OS with user-data, beside this file.
set -eu
umask 022
cd "$(dirname "$0")/../.."

DEBIAN=trixie
BASE="systemd-sysv dbus udev kmod e2fsprogs linux-image-arm64 initramfs-tools busybox zstd overlayroot systemd-boot-efi alsa-utils"
INSTALLED="python3 python3-venv ca-certificates libportaudio2"
OPTIONS="root=PARTLABEL=root rootfstype=squashfs overlayroot=tmpfs:recurse=0 quiet panic=10"
MIB=1048576
BOOT_MIB=128 # kernel, initial file system, settings
STATE_MIB=16
CHECKOUT=usr/src/latent-resonance # in the image, while it is built

usage() {
    cat <<'END'
Usage: sudo systemd/image/build.sh IMAGE [FOLDER]

Writes IMAGE, for `dd` to a disk. FOLDER (default: a temporary one, 3 GB) keeps the root between
builds. On another processor than ARM it needs qemu-user-static (Debian 13: qemu-user-binfmt).
Edit latent-resonance/latent-resonance.yaml on the first partition, on any computer, for settings.
END
}

log() {
    echo "image: $*" >&2
}

fail() {
    log "$*"
    exit 1
}

check() {
    [ "$(id -u)" -eq 0 ] || fail "not root; run: sudo systemd/image/build.sh"
    for program in mmdebstrap mksquashfs mkfs.vfat mcopy mke2fs sfdisk uv; do
        command -v "$program" >/dev/null || fail "$program is missing; run: sudo apt install" \
            "mmdebstrap squashfs-tools dosfstools mtools e2fsprogs fdisk; uv: docs.astral.sh/uv"
    done
}

clean_up() {
    for place in proc dev tmp; do
        ! mountpoint -q "$root/$place" || umount "$root/$place"
    done
    [ -n "$keep" ] || rm -rf --one-file-system "$folder"
}

# Debian, with a boot that can read a compressed root. Packing the initial file system takes long on
# an emulated processor, so update-initramfs is diverted until all packages are configured: it then
# runs once, and not for the kernel, for overlayroot and for our modules.
install_debian() {
    [ ! -e "$folder/debian" ] || return 0
    log "Debian $DEBIAN, arm64"
    rm -rf --one-file-system "$root"
    # shellcheck disable=SC2016 # the hooks' own argument: the root
    mmdebstrap -q --mode=root --variant=minbase --architectures=arm64 \
        --include="$(echo "$BASE $INSTALLED" | tr ' ' ',')" \
        --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs' \
        --essential-hook='ln -s /bin/true "$1/usr/sbin/update-initramfs"' \
        --customize-hook='rm "$1/usr/sbin/update-initramfs"' \
        --customize-hook='chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs' \
        --customize-hook='printf "squashfs\nloop\n" >>"$1/etc/initramfs-tools/modules"' \
        --customize-hook='chroot "$1" update-initramfs -c -k all' "$DEBIAN" "$root"
    touch "$folder/debian"
}

mount_root() {
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev" # this machine's devices stay hidden
    for device in null zero random urandom; do
        cp -a "/dev/$device" "$root/dev"
    done
    mkdir "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/tmp"
}

# As on a machine, by install.sh, for any 64-bit ARM processor: with the ONNX tracker. This machine's
# certificates are used meanwhile, which may be those of the proxy of a company.
install_instrument() {
    log "the instrument"
    rm -rf "${root:?}/$CHECKOUT" "$root/opt/latent-resonance" # of a build before
    mkdir -p "$root/$CHECKOUT"
    cp -R pyproject.toml uv.lock README.md LICENSE runtime export models systemd "$root/$CHECKOUT"
    mkdir "$root/$CHECKOUT/docs"
    cp docs/install.md "$root/$CHECKOUT/docs"
    printf 'Features\t: fp asimd\n' >"$root/tmp/cpuinfo" # no ARMv8.1 atomics
    # onnxruntime reads the processors from here; all of /sys would describe this machine
    mkdir -p "$root/sys/devices/system/cpu"
    cp /sys/devices/system/cpu/possible /sys/devices/system/cpu/present /sys/devices/system/cpu/online \
        "$root/sys/devices/system/cpu"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/tmp/certificates"
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        ${https_proxy:+"https_proxy=$https_proxy"} SSL_CERT_FILE=/tmp/certificates PIP_CERT=/tmp/certificates \
        CPUINFO=/tmp/cpuinfo "/$CHECKOUT/systemd/install.sh"
    rm -rf "${root:?}/sys/devices" "${root:?}/$CHECKOUT"
}

# What the machine itself needs: no login, no network, a name, and where the two other partitions go.
configure() {
    echo latent-resonance >"$root/etc/hostname"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/machine-id"
    cat >"$root/etc/fstab" <<'END'
/dev/disk/by-partlabel/boot   /boot                      vfat  ro,umask=022            0 0
/boot/latent-resonance        /etc/latent-resonance      none  bind                    0 0
/dev/disk/by-partlabel/state  /var/lib/latent-resonance  ext4  noatime,commit=5,nofail  0 0
END
    mkdir -p "$root/etc/systemd/journald.conf.d" "$root/var/lib/latent-resonance"
    printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$root/etc/systemd/journald.conf.d/image.conf"
    chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
}

pack_root() {
    log "the root, compressed"
    rm -f "$folder/root.squashfs"
    mksquashfs "$root" "$folder/root.squashfs" -quiet -no-progress -comp zstd -Xcompression-level 15 \
        -wildcards -e 'boot/*' 'etc/latent-resonance/*' 'var/lib/apt/lists/*' var/cache/apt/archives root/.cache
}

make_boot() {
    boot=$folder/boot.vfat
    rm -f "$boot"
    truncate -s $((BOOT_MIB * MIB)) "$boot"
    mkfs.vfat -n LATENT >/dev/null "$boot"
    mmd -i "$boot" ::EFI ::EFI/BOOT ::loader ::loader/entries ::latent-resonance
    mcopy -i "$boot" "$root/usr/lib/systemd/boot/efi/systemd-bootaa64.efi" ::EFI/BOOT/BOOTAA64.EFI
    mcopy -i "$boot" "$root"/boot/vmlinuz-* ::vmlinuz
    mcopy -i "$boot" "$root"/boot/initrd.img-* ::initrd.img
    mcopy -i "$boot" systemd/latent-resonance.yaml ::latent-resonance/latent-resonance.yaml
    printf 'title Latent Resonance\nlinux /vmlinuz\ninitrd /initrd.img\noptions %s\n' "$OPTIONS" |
        mcopy -i "$boot" - ::loader/entries/latent-resonance.conf
}

make_state() {
    rm -f "$folder/state.ext4"
    mke2fs -q -t ext4 -L state "$folder/state.ext4" "${STATE_MIB}M"
}

# A disk with a partition table, and the three partitions at whole MiB.
write_image() {
    root_mib=$(($(stat -c %s "$folder/root.squashfs") / MIB + 1))
    rm -f "$image"
    truncate -s $(((BOOT_MIB + root_mib + STATE_MIB + 2) * MIB)) "$image"
    sfdisk --quiet "$image" <<END
label: gpt
start=1MiB, size=${BOOT_MIB}MiB, type=uefi, name=boot
size=${root_mib}MiB, type=linux, name=root
size=${STATE_MIB}MiB, type=linux, name=state
END
    put "$folder/boot.vfat" 1
    put "$folder/root.squashfs" $((1 + BOOT_MIB))
    put "$folder/state.ext4" $((1 + BOOT_MIB + root_mib))
}

put() { # FILE, at MiB
    dd if="$1" of="$image" bs=$MIB seek="$2" conv=notrunc,sparse status=none
}

case ${1:--h} in
-*)
    usage
    exit 2
    ;;
esac
check
image=$(realpath "$1")
keep=${2:-}
folder=$(realpath "${keep:-$(mktemp -d)}")
root=$folder/root
mkdir -p "$folder"
trap clean_up EXIT
install_debian
mount_root
install_instrument
configure
for place in proc dev tmp; do umount "$root/$place"; done
pack_root
make_boot
make_state
write_image
log "$image: $(($(stat -c %s "$image") / 1000000)) MB, of which the root $(($(stat -c %s "$folder/root.squashfs") / 1000000)) MB"
