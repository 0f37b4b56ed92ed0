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

. tests/system/arm64.sh

IMAGES=6 # of the clip, some three seconds each

begin "${1:-}"
film=${2:-}

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

emulated() { # PROCESSOR COMMAND …
    local cpu=$1
    shift
    in_root "$cpu" /opt/python -m latent_resonance "$@"
}

bring_root
rm -rf "$root/opt/site"
bring_runtime --no-group mediapipe
bring_python
open_root

drift() { # FILE
    uv run --quiet --all-packages --no-sync python - "$1" "$IMAGES" <<'END'
import sys

sys.path.insert(0, "")  # the root of the repository
import cv2

from tests.support import faces

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
