#!/usr/bin/env bash
# The runtime on the gallery's processors, emulated: Debian 13 for arm64 and the locked wheels,
# under QEMU's user mode. On a Cortex-A72 (Raspberry Pi 4), installed without MediaPipe, and on a
# Cortex-A76 (Pi 5) a clip of a face is rendered, and both must see the same movement in it.
#
#   sudo tests/system/emulated.sh [FOLDER [CLIP]]
#
# It takes some ten minutes and 2 GB in FOLDER (a temporary one, removed, if none is given), and
# needs the network. CLIP is a film to take instead of the drifting photograph. Its result is in
# docs/decisions.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

DEBIAN=trixie # its Python is 3.13, and its QEMU three times as fast as Debian 12's
PACKAGES=base-files,libc-bin,python3,libportaudio2,libegl1,libgles2
IMAGES=6 # of the clip, some three seconds each

say() {
    printf '== %s (%d s)\n' "$*" "$SECONDS" >&2
}

[ "$(id -u)" -eq 0 ] || { echo "not root; run: sudo $0" >&2; exit 1; }
for program in mmdebstrap uv; do
    command -v $program >/dev/null || { echo "$program is not installed" >&2; exit 1; }
done
keep=${1:-}
film=${2:-}
folder=$(realpath "${keep:-$(mktemp -d)}")
root=$folder/root
mkdir -p "$folder"

leave() {
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    ! mountpoint -q "$root/dev" || umount -l "$root/dev"
    [ -n "$keep" ] || rm -rf --one-file-system "$folder"
}
trap leave EXIT

bring_root() {
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

# Stands for the interpreter wherever the program starts itself again: nothing here runs foreign
# programs but through /qemu.
bring_python() {
    cat >"$root/opt/python" <<'END'
#!/qemu /usr/bin/python3.13
import runpy
import sys

sys.executable, _, name, *rest = sys.argv  # always: -m MODULE …
sys.argv = [name, *rest]
runpy.run_module(name, run_name="__main__", alter_sys=True)
END
    chmod +x "$root/opt/python"
}

emulated() {
    cpu=$1
    shift
    unshare --net env -i QEMU_CPU="$cpu" PYTHONPATH=/opt/site LATENT_RESONANCE_MODELS=/opt/models HOME=/root \
        PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 chroot "$root" /opt/python -m latent_resonance "$@"
}

[ -e "$root/complete" ] || bring_root
rm -rf "$root/opt/site"
bring_runtime --no-group mediapipe
bring_python
# QEMU has no seccomp and threads of its own, so the eye cannot shut itself in (allow_network): that
# is done outside.
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
chroot "$root" /qemu /sbin/ldconfig

drift() { # FILE
    uv run --quiet --all-packages --no-sync python - "$1" "$IMAGES" <<'END'
import sys

sys.path.insert(0, "tests/runtime")
import cv2
import faces

film = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 480))
for picture in faces.drifting(faces.photograph(), int(sys.argv[2])):
    film.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
film.release()
END
}

say "a clip of a face"
if [ -n "$film" ]; then
    cp "$film" "$root/opt/face.mkv"
else
    drift "$root/opt/face.mkv"
fi

see() { # PROCESSOR TRACKER
    echo "eye: {allow_network: true, tracker: $2}" >"$root/opt/emulated.yaml"
    say "$1, tracker $2: features of the clip"
    emulated "$1" features /opt/face.mkv -o "/opt/face-$1-$2.csv" --config /opt/emulated.yaml
    cut -d, -f1-4 "$root/opt/face-$1-$2.csv"
    grep -q ',1,' "$root/opt/face-$1-$2.csv" || { echo "no face was seen" >&2; exit 1; }
}

render() { # PROCESSOR
    say "$1: render of the clip"
    emulated "$1" render /opt/face.mkv -o "/opt/face-$1.wav" --config /opt/emulated.yaml
    [ -s "$root/opt/face-$1.wav" ]
}

see cortex-a72 auto
render cortex-a72
say "cortex-a72: the doctor's verdict"
verdict=$(emulated cortex-a72 doctor --config /opt/emulated.yaml) || true # no camera, no speaker
echo "$verdict"
grep -q '^ok    tracker .*light starts: .*no ARMv8.1 atomics' <<<"$verdict"

bring_runtime
see cortex-a76 light
cmp "$root"/opt/face-cortex-a76-light.csv "$root"/opt/face-cortex-a72-auto.csv
see cortex-a76 auto
render cortex-a76
say "done"
