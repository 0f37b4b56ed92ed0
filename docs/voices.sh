#!/bin/sh
# Sings the recordings of the pack `voices`: eight voices of espeak-ng hold vowels, chant syllables and
# phrases on four notes each, and move between them, all of it stretched to eight times its length: a syllable
# lasts some seconds, keeps its pitch (range 0) and follows the one before without a rest.
set -eu
out=${1:?folder for the wavs}
mkdir -p "$out"
cat >"$out/LICENSES.csv" <<'END'
file,licence,author
*.wav,CC0-1.0,espeak-ng
END

sing() { # VOICE FILE PITCH:WORDS...
    voice=$1 file=$2
    shift 2
    text=$(printf '%s\n' "$@" | sed "s|\(.*\):\(.*\)|<prosody pitch='\1' range='0'>\2</prosody>|")
    espeak-ng -m -v "$voice" -s 80 -w "$out/quick.wav" "<speak>$text</speak>"
    sox -qD "$out/quick.wav" "$out/$file.wav" silence 1 0.005 0.5% -1 0.02 0.5% tempo -s 0.35 tempo -m 0.35
    rm "$out/quick.wav"
}

held="[[a:::::o:::::e:::::u:::::i:::::m:::::a:::::l:::::O:::::n:::::A:::::E:::::3:::::I:::::U:::::]] "
syllables="mah loh neh moo lah rah noo meh yoh wah"
phrase="nobody is moving and now a room in the morning a murmur along among alone
 where are you now really in here or nearly there and all you remember remaining"
phrase=$(echo "$phrase" | tr -d '\n')

# A choir in tune: the pitches at which each voice sings G2 A2 C3 D3 (men) or E3 G3 A3 C4 (women), to
# within 5 cents by pyin, of a' = 440 Hz (two notes of de+m5 to within 15).
number=0
while read -r voice first second third fourth; do
    number=$((number + 1))
    for pitch in "$first" "$second" "$third" "$fourth"; do
        sing "$voice" "vowels-$number-$pitch" "$pitch:$held$syllables"
        sing "$voice" "phrases-$number-$pitch" "$pitch:$phrase"
    done
    sing "$voice" "rising-$number" "$first:mah loh" "$second:neh moo" "$third:lah loh" "$fourth:mah mee moo"
    sing "$voice" "falling-$number" "$fourth:loh mah" "$third:neh mah" "$second:loo moh" "$first:nah moo"
    sing "$voice" "leaping-$number" "$first:mah loh" "$third:moh nah" "$second:loo mah" "$fourth:neh noh"
done <<'END'
en+m2 56 65 79 88
en+m3 57 67 82 92
it+m7 59 69 85 95
de+m5 59 69 83 93
en+f2 47 63 73 88
it+f3 42 59 70 85
en+f4 52 67 77 91
de+f3 42 59 70 85
END
