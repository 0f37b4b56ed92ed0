#!/usr/bin/env bash
# The runtime on emulated ARM processors: Debian 13 for arm64 and the locked wheels, under QEMU's
# user mode. A clip of a face is rendered on a Cortex-A72 (Raspberry Pi 4), without MediaPipe, and
# on a Cortex-A76 (Pi 5); both must extract the same features from it.
#
#   sudo tests/system/emulated.sh [FOLDER [CLIP]]
#
# It takes about ten minutes and 2 GB in FOLDER (by default a temporary one) and needs the network.
# CLIP is a video to use instead of the drifting photograph. The result is in docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tests/system/arm64.sh

IMAGES=6 # in the clip; each takes about three seconds

begin "${1:-}"
clip=${2:-}

# Replaces the interpreter when the program starts itself again, since programs for arm64 run only
# through /qemu.
install_python() {
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

emulated() { # PROCESSOR COMMAND …
    local cpu=$1
    shift
    in_root "$cpu" /opt/python -m latent_resonance "$@"
}

install_root
rm -rf "$root/opt/site"
install_runtime --no-group mediapipe
install_python
mount_root

write_clip() { # FILE
    uv run --quiet --all-packages --no-sync python - "$1" "$IMAGES" <<'END'
import sys

sys.path.insert(0, "")  # the root of the repository
import cv2

from tests.support import faces

video = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 480))
for image in faces.drifting(faces.photograph(), int(sys.argv[2])):
    video.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
video.release()
END
}

log "a clip of a face"
if [ -n "$clip" ]; then
    cp "$clip" "$root/opt/face.mkv"
else
    write_clip "$root/opt/face.mkv"
fi

extract() { # PROCESSOR TRACKER
    echo "eye: {allow_network: true, tracker: $2}" >"$root/opt/emulated.yaml"
    log "$1, tracker $2: features of the clip"
    emulated "$1" features /opt/face.mkv -o "/opt/face-$1-$2.csv" --config /opt/emulated.yaml
    cut -d, -f1-4 "$root/opt/face-$1-$2.csv"
    grep -q ',1,' "$root/opt/face-$1-$2.csv" || { echo "no face was detected" >&2; exit 1; }
}

render() { # PROCESSOR
    log "$1: render of the clip"
    emulated "$1" render /opt/face.mkv -o "/opt/face-$1.wav" --config /opt/emulated.yaml
    [ -s "$root/opt/face-$1.wav" ]
}

extract cortex-a72 auto
render cortex-a72
log "cortex-a72: the doctor's verdict"
verdict=$(emulated cortex-a72 doctor --config /opt/emulated.yaml) || true # no camera, no speaker
echo "$verdict"
grep -q '^ok    tracker .*light starts: .*LiteRT' <<<"$verdict"

install_runtime
extract cortex-a76 light
cmp "$root"/opt/face-cortex-a76-light.csv "$root"/opt/face-cortex-a72-auto.csv
extract cortex-a76 mediapipe
render cortex-a76
log "done"
