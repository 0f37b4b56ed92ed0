#!/bin/sh
# Phrases and sustained vowels by espeak-ng: eight voices, four tempi and pitches, slow and stretched.
set -eu
out=${1:?folder for the wavs}
mkdir -p "$out"
cat >"$out/LICENSES.csv" <<'END'
file,licence,author
*.wav,CC0-1.0,synthesised with espeak-ng
END
i=0
for voice in en+m1 en+m3 en+m7 en+f1 en+f2 en+f4 it+f3 de+m5; do
    for pitch in 20 40 60 80; do
        i=$((i + 1))
        espeak-ng -v "$voice" -p "$pitch" -s 80 -w "$out/vowels-$i.wav" \
            "[[a::::: o::::: e::::: u::::: i::::: m::::: a::::: l::::: 0::::: n::::: A::::: E::::: O::::: I::::: U:::::]]"
        espeak-ng -v "$voice" -p "$pitch" -s 85 -w "$out/phrases-$i.wav" \
            "Nobody is moving. Slowly, the mouth opens. Where are you now? A room, a murmur, a morning. Alone, along, among."
        for stretch in 0.35 0.5; do
            sox -q "$out/phrases-$i.wav" "$out/phrases-$i-$stretch.wav" tempo -s "$stretch"
            sox -q "$out/vowels-$i.wav" "$out/vowels-$i-$stretch.wav" tempo -s "$stretch"
        done
    done
done
