#!/bin/sh
# Sings the recordings of the pack `voices`: eight voices of espeak-ng hold vowels and chant phrases at
# five pitches each, and move through melodies, all of it stretched to more than three times its length. A
# syllable keeps its pitch (range 0) and follows the one before without a rest.
set -eu
out=${1:?folder for the wavs}
mkdir -p "$out"
cat >"$out/LICENSES.csv" <<'END'
file,licence,author
*.wav,CC0-1.0,synthesised with espeak-ng
END

sing() { # VOICE FILE PITCH:WORDS...
    voice=$1 file=$2
    shift 2
    text=$(printf '%s\n' "$@" | sed "s|\(.*\):\(.*\)|<prosody pitch='\1' range='0'>\2</prosody>|")
    espeak-ng -m -v "$voice" -s 80 -w "$out/quick.wav" "<speak>$text</speak>"
    sox -q "$out/quick.wav" "$out/$file.wav" tempo -s 0.3
    rm "$out/quick.wav"
}

held="[[a:::::o:::::e:::::u:::::i:::::m:::::a:::::l:::::O:::::n:::::A:::::E:::::3:::::I:::::U:::::]] "
syllables="mah loh neh moo lah rah noo meh yoh wah"
phrase="nobody is moving and now a room in the morning a murmur along among alone
 where are you now really in here or nearly there and all you remember remaining"
number=0
for voice in en+m1 en+m3 en+m7 en+f1 en+f2 en+f4 it+f3 de+m5; do
    number=$((number + 1))
    for pitch in 10 27 44 61 78; do
        pitch=$((pitch + number)) # no two voices share all of their pitches
        sing "$voice" "vowels-$number-$pitch" "$pitch:$held$syllables"
        sing "$voice" "phrases-$number-$pitch" "$pitch:$(echo "$phrase" | tr -d '\n')"
    done
    sing "$voice" "rising-$number" 10:"mah loh" 25:"neh moo" 40:"lah loh" 55:"mah mee" 70:"noh lah" 85:"moo"
    sing "$voice" "falling-$number" 80:"loh" 70:"mah neh" 50:"mah loo" 45:"moh lah" 25:"nah" 20:"moo nee"
    sing "$voice" "leaping-$number" 30:"mah loh mah" 60:"moh nah" 20:"loo" 75:"mah neh" 45:"noh noh" 15:"moo lah"
done
