#!/bin/sh
# The five commands of the README on a messy folder: the sounds of Debian packages, as they are.
#
#   tests/bench/workshop.sh FOLDER [MINUTES]
#
# Downloads 134 MB with apt-get into FOLDER, unpacks only what may be sound (with odd suffixes, short
# and long, speech, music and effects mixed), and makes a pack of it. MINUTES (default 15) limits the
# training; SIGINT ends it as Ctrl-C does. PRELUDE, such as "nice -n 10", precedes each command.
# Figures of one run are in docs/packs.md; nothing of it belongs into the repository.
set -eu

PACKAGES="sound-theme-freedesktop oxygen-sounds yaru-theme-sound sonic-pi-samples lmms-common
    klettres-data asc-music pingus-data frozen-bubble-data neverball-data"

folder=$(realpath -m "${1:?give a folder}")
minutes=${2:-15}
cd "$(dirname "$0")/../.."

export_() {
    echo "workshop: $*" >&2
    # shellcheck disable=SC2086 # PRELUDE is a list of words, such as `nice -n 10`
    ${PRELUDE:-} uv run --quiet --all-packages --no-sync latent-resonance-export "$@"
}

unpack_sounds() {
    mkdir -p "$folder/packages"
    # shellcheck disable=SC2086
    (cd "$folder/packages" && apt-get -q download $PACKAGES)
    for package in "$folder"/packages/*.deb; do
        name=$(dpkg-deb --field "$package" Package)
        mkdir -p "$folder/recordings/$name"
        dpkg-deb --fsys-tarfile "$package" |
            tar -x -C "$folder/recordings/$name" --no-same-owner --wildcards \
                '*.wav' '*.ogg' '*.oga' '*.flac' '*.mp3' '*.WAV' '*.OGG' '*.txt' '*.ds' 2>/dev/null || true
    done
}

[ -d "$folder/recordings" ] || unpack_sounds
export_ curate "$folder/recordings" -o "$folder/dataset" --one-shots repeat --licence "see the packages"
${PRELUDE:-} timeout --signal=INT --kill-after=120 "${minutes}m" \
    uv run --quiet --all-packages --no-sync latent-resonance-export \
    train-gan "$folder/dataset" -o "$folder/run" --begin-from models/cello --batch 8 ||
    [ $? -eq 124 ] # the time was up
export_ train-regressor "$folder/run"
export_ convert "$folder/run" -o "$folder/models/messy"
echo "pack: $folder/models/messy" >"$folder/messy.yaml"
# shellcheck disable=SC2086
${PRELUDE:-} uv run --quiet --no-sync latent-resonance render -o "$folder/messy.wav" --config "$folder/messy.yaml"
