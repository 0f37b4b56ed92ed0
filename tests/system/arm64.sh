# shellcheck shell=bash
# The runtime in a Debian 13 for arm64, with the locked wheels, under QEMU's user mode. Sourced,
# from the repository's root, by emulated.sh and tests/bench/instructions.sh.
#
#   begin [FOLDER]          checks what is needed; FOLDER is temporary, and removed, if none is given
#   bring_root              Debian and QEMU, unless FOLDER has them from an earlier time
#   bring_runtime [WITHOUT] the runtime and its wheels, less what uv export is told to leave out
#   open_root               lets programs run in it
#   in_root CPU PROGRAM …   runs one that this machine can execute, without a network
#
# They share $folder, and $root in it: 2 GB.

DEBIAN=trixie # its Python is 3.13, and its QEMU three times as fast as Debian 12's
PACKAGES=base-files,libc-bin,python3,libportaudio2,libegl1,libgles2

say() {
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
    trap leave EXIT
}

leave() {
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    ! mountpoint -q "$root/dev" || umount -l "$root/dev"
    [ -n "$keep" ] || rm -rf --one-file-system "$folder"
}

bring_root() {
    [ ! -e "$root/complete" ] || return 0
    say "Debian $DEBIAN, arm64"
    mmdebstrap -q --variant=extract --architectures=arm64 --include=$PACKAGES $DEBIAN "$root"
    say "QEMU"
    mmdebstrap -q --variant=extract --include=qemu-user $DEBIAN "$folder/qemu"
    cp "$folder/qemu/usr/bin/qemu-aarch64" "$root/qemu"
    rm -rf "$folder/qemu"
    # onnxruntime reads these; all of /sys would tell it of this machine's own processor
    mkdir -p "$root/sys/devices/system/cpu"
    cp /sys/devices/system/cpu/{possible,present,online} "$root/sys/devices/system/cpu"
    touch "$root/complete"
}

bring_runtime() { # [WITHOUT]
    say "the locked wheels for aarch64 $*"
    uv export --quiet --frozen --no-dev "$@" --no-hashes --no-emit-workspace >"$folder/requirements.txt"
    uv pip install --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.13 \
        --only-binary :all: --no-deps --target "$root/opt/site" -r "$folder/requirements.txt"
    rm -rf "$root/opt/site/latent_resonance" "$root/opt/models"
    cp -R runtime/latent_resonance "$root/opt/site"
    cp -R models "$root/opt/models"
    compile
}

# Else scipy alone is compiled at each start, emulated, for two minutes.
compile() {
    local python
    for python in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python; do
        if "$python" -c pass 2>/dev/null; then
            "$python" -m compileall -q -j 0 "$root/opt/site" >/dev/null || true # templates, tests
            return
        fi
    done
    say "no Python 3.13 here to compile with; it will be slow"
}

open_root() {
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
    chroot "$root" /qemu /sbin/ldconfig
}

# QEMU has no seccomp and threads of its own, so the eye cannot shut itself in (allow_network): that
# is done outside.
in_root() { # PROCESSOR PROGRAM …
    local cpu=$1
    shift
    unshare --net env -i QEMU_CPU="$cpu" PYTHONPATH=/opt/site LATENT_RESONANCE_MODELS=/opt/models HOME=/root \
        PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 chroot "$root" "$@"
}
