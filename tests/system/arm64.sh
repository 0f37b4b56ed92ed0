# shellcheck shell=bash
# The runtime on Debian 13 for arm64, with the locked wheels, under QEMU's user mode. Sourced from
# the repository's root by emulated.sh and tests/bench/instructions.sh.
#
#   begin [FOLDER]              check requirements; without FOLDER, use a temporary one
#   install_root                install Debian and QEMU, unless FOLDER already has them
#   install_runtime [OPTIONS]   install the runtime and its wheels, with OPTIONS for uv export
#   mount_root                  mount /proc and /dev, so that programs can run
#   in_root CPU PROGRAM …       run a program without network
#
# They share $folder, and $root in it: 2 GB.

DEBIAN=trixie # has Python 3.13, and a QEMU three times as fast as Debian 12's
PACKAGES=base-files,libc-bin,python3,libportaudio2,libegl1,libgles2

log() {
    printf '== %s (%d s)\n' "$*" "$SECONDS" >&2
}

begin() { # [FOLDER]
    [ "$(id -u)" -eq 0 ] || { echo "not root; run: sudo $0" >&2; exit 1; }
    for program in mmdebstrap uv; do
        command -v $program >/dev/null || { echo "$program is not installed" >&2; exit 1; }
    done
    keep=${1:-}
    folder=$(realpath "${keep:-$(mktemp -d)}")
    root=$folder/root
    mkdir -p "$folder"
    trap clean_up EXIT
}

clean_up() {
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    ! mountpoint -q "$root/dev" || umount -l "$root/dev"
    [ -n "$keep" ] || rm -rf --one-file-system "$folder"
}

install_root() {
    [ ! -e "$root/complete" ] || return 0
    log "Debian $DEBIAN, arm64"
    mmdebstrap -q --variant=extract --architectures=arm64 --include=$PACKAGES $DEBIAN "$root"
    log "QEMU"
    mmdebstrap -q --variant=extract --include=qemu-user $DEBIAN "$folder/qemu"
    cp "$folder/qemu/usr/bin/qemu-aarch64" "$root/qemu"
    rm -rf "$folder/qemu"
    # read by onnxruntime; all of /sys would describe this machine's own processor
    mkdir -p "$root/sys/devices/system/cpu"
    cp /sys/devices/system/cpu/{possible,present,online} "$root/sys/devices/system/cpu"
    touch "$root/complete"
}

install_runtime() { # [OPTIONS]
    log "the locked wheels for aarch64 $*"
    uv export --quiet --frozen --no-dev "$@" --no-hashes --no-emit-workspace >"$folder/requirements.txt"
    uv pip install --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.13 \
        --only-binary :all: --no-deps --target "$root/opt/site" -r "$folder/requirements.txt"
    rm -rf "$root/opt/site/latent_resonance" "$root/opt/models"
    cp -R runtime/latent_resonance "$root/opt/site"
    cp -R models "$root/opt/models"
    compile
}

# Without this, compiling scipy takes two emulated minutes at each start.
compile() {
    local python
    for python in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python; do
        if "$python" -c pass 2>/dev/null; then
            "$python" -m compileall -q -j 0 "$root/opt/site" >/dev/null || true # templates, tests
            return
        fi
    done
    log "Python 3.13 is missing, so nothing is compiled; this will be slow"
}

mount_root() {
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
    chroot "$root" /qemu /sbin/ldconfig
}

# Under QEMU the eye cannot drop its network access (no seccomp, multithreaded), so unshare does.
in_root() { # PROCESSOR PROGRAM …
    local cpu=$1
    shift
    unshare --net env -i QEMU_CPU="$cpu" PYTHONPATH=/opt/site LATENT_RESONANCE_MODELS=/opt/models HOME=/root \
        PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 chroot "$root" "$@"
}
