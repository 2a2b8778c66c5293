#!/usr/bin/env bash
# Bad input of every kind, given to the programs as a user gives it: each is answered by one line that says what, where
# and what to do, the other inputs are done, and nothing that was there is lost. One line per case and a count.
#
#   tests/bad_input.sh [--verbose]
#
# Files are made by ffmpeg (77, "skipped", where it or the libav module is missing). Ends with 1 where a case is answered
# otherwise. STEMSMITH_BUILD_DIR names the build; --verbose shows each answer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$PWD/tests verbose=
case "${1:-}" in
  '') ;;
  --verbose) verbose=1 ;;
  *) sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
bin=$(cd "${STEMSMITH_BUILD_DIR:-build/release}/bin" && pwd)
command -v ffmpeg >/dev/null || { echo "skipped: needs ffmpeg"; exit 77; }
[ -e "$bin/../lib/libstemsmith_libav.so" ] || { echo "skipped: needs the module libav"; exit 77; }
folder=$(mktemp -d)
trap 'chmod -R u+rwX "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
export LC_ALL=C.UTF-8
answers=$folder
. "$here/cases.sh"
separate() { run "$bin/separate" model.onnx -o out "$@"; }

# bad FILE PATTERN [OPTION…]: `separate FILE good.wav` says one line with FILE and PATTERN, and why the run failed.
bad() {
  local file=$1 pattern=$2 track problem=
  shift 2
  track=$(basename "${file%.*}")
  rm -rf out && mkdir -p "out/$track" && echo older >"out/$track/mixture.wav"
  separate "$file" good.wav "$@"
  [ "$status" = 1 ] || add "exit code $status, not 1"
  [ "$(lines "$err")" = 2 ] || add "$(lines "$err") lines, not one and the count"
  grep -q '^error: ' <<<"$(head -1 <<<"$err")" || add "no error line"
  head -1 <<<"$err" | grep -qF "$(basename "$file")" || add "the file is not named"
  head -1 <<<"$err" | grep -qE "$pattern" || add "does not say /$pattern/"
  head -1 <<<"$err" | grep -qE '\); .' || add "no advice"
  [ "$(tail -1 <<<"$err")" = "error: 1 of 2 inputs failed" ] || add "no count"
  grep -qsx older "out/$track/mixture.wav" || add "what was there is lost"
  [ -s out/good/mixture.wav ] || add "the good input was not done"
  [ "$(find out -type f | wc -l)" = 2 ] || add "more files than the stems"
  verdict "separate $file${*:+ $*}" "$problem" "$err"
}

# has_length FILE SECONDS SLACK: of a stem of 16 bits, stereo at 48 kHz, by its size.
has_length() {
  local frames=0
  if [ -s "$1" ]; then frames=$((($(stat -c %s "$1") - $(data_at "$1")) / 4)); fi
  awk "BEGIN { d = $frames / 48000 - $2; exit !(d <= $3 && d >= -$3) }" || add "$frames frames, not $2 s"
}
# The offset of the audio in a wav file.
data_at() { echo $(($(grep -abo -m 1 data "$1" | head -1 | cut -d: -f1) + 8)); }

# whole FILE SECONDS [OPTION…]: all of it comes out, without a word.
whole() {
  local file=$1 seconds=$2 problem=
  shift 2
  rm -rf out
  separate --quiet "$file" "$@"
  [ "$status" = 0 ] || add "exit code $status"
  [ -z "$err" ] || add "not silent"
  has_length "out/$(basename "${file%.*}")/mixture.wav" "$seconds" 0.06
  verdict "separate $file${*:+ $*}" "$problem" "$err"
}

# concealed FILE SECONDS: done, of the same length, with one warning that says where.
concealed() {
  local file=$1 seconds=$2 problem=
  rm -rf out
  separate --quiet --on-damage conceal "$file"
  [ "$status" = 0 ] || add "exit code $status"
  [ "$(lines "$err")" = 1 ] || add "$(lines "$err") lines, not one warning"
  grep -qE "^warning: .*[0-9]\.[0-9]+ s.*$file|^warning: .*$file.*[0-9]\.[0-9]+ s" <<<"$err" || add "no warning with file and time"
  has_length "out/${file%.*}/mixture.wav" "$seconds" 0.12
  verdict "separate --on-damage conceal $file" "$problem" "$err"
}

# refused PATTERN ARGUMENTS…: wrong use, told in one line.
refused() {
  local pattern=$1 problem=
  shift
  rm -rf out
  separate "$@"
  [ "$status" = 2 ] || add "exit code $status, not 2"
  [ "$(lines "$err")" = 1 ] || add "$(lines "$err") lines"
  grep -qE "^error: .*($pattern)" <<<"$err" || add "does not say /$pattern/"
  verdict "separate $*" "$problem" "$err"
}

# absent PATTERN OPTION…: a stream that two.mka does not have.
absent() {
  local pattern=$1 problem=
  shift
  rm -rf out
  separate two.mka "$@"
  [ "$status" = 1 ] || add "exit code $status, not 1"
  [ "$(lines "$err")" = 2 ] || add "$(lines "$err") lines, not one and the count"
  grep -qE "^error: .*$pattern" <<<"$err" || add "does not say /$pattern/"
  [ -z "$(find out -type f)" ] || add "files are left"
  verdict "separate two.mka $*" "$problem" "$err"
}

damage() { printf '%050d' 0 | tr 0 '\251' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# The middle of a file; of an mp3 of 128 kbit/s at 48 kHz the next header of its frames of 384 bytes: no decoder can miss it.
middle() {
  local first at=$(($(stat -c %s "$1") / 2))
  if [ "${1##*.}" = mp3 ]; then
    first=$(LC_ALL=C grep -abo -m 1 -P '\xff\xfb' "$1" | head -1 | cut -d: -f1)
    at=$((first + (at - first) / 384 * 384 - 25))
  fi
  echo "$at"
}
cut_off() { head -c $(($(stat -c %s "$1") * 6 / 10)) "$1" >"cut-$1"; }

"$bin/make_tiny_onnx" model.onnx 48000
source='aevalsrc=0.3*sin(1300*t+300*t*t)+0.1*random(0)|0.3*sin(1700*t+300*t*t)+0.1*random(1):c=stereo:s=48000:d=4'
ffmpeg -nostdin -v error -f lavfi -i "$source" -f lavfi -i testsrc2=s=64x48:r=25:d=5 -map 0 a.wav -map 0 a.au \
  -map 0 a.w64 -map 0 a.aiff -map 0 -c:a pcm_s16be a.caf -map 0 -c:a flac a.flac -map 0 -c:a libvorbis a.ogg \
  -map 0 -c:a libopus a.opus -map 0 -c:a flac a.oga -map 0 -c:a libmp3lame -b:a 128k a.mp3 -map 0 -c:a aac -aac_pns 0 a.aac \
  -map 0 -c:a ac3 a.ac3 -map 0 -c:a aac -aac_pns 0 a.m4a -map 0 -c:a aac -aac_pns 0 -movflags +faststart fast.m4a -map 0 -map 1 -c:a aac \
  -c:v mpeg4 a.mkv -map 0 -c:a libopus a.webm -map 0 -c:a wmav2 a.wma -map 0 -map 1 -c:a pcm_s16le -c:v mpeg4 a.mov \
  -map 1 -c:v mpeg4 picture.mp4 -map 0 -c:a pcm_f32le float.wav -map 0 -ar 44100 -c:a libvorbis low.ogg \
  -map 0 -map 0 -c:a flac -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra two.mka
cp a.wav good.wav

# What is no audio.
bad missing.wav 'no such file'
: >empty.wav
bad empty.wav 'empty'
echo 'this is no audio' >text.wav
bad text.wav 'text'
head -c 5000 a.m4a | tail -c 4000 >noise.m4a
bad noise.m4a 'not an audio file|damaged'
mkdir nothing
bad nothing 'no audio files'
cp model.onnx model.mp3
bad model.mp3 'not an audio file|damaged'
bad picture.mp4 'no audio stream'
head -c 40 a.wav >header.wav
bad header.wav 'damaged|truncated|no audio'
head -c 44 a.wav >unfilled.wav
bad unfilled.wav 'truncated|damaged|no audio'
cp float.wav nan.wav
printf '\0\0\300\177' | dd of=nan.wav bs=1 seek=$(($(data_at float.wav) + 400000)) conv=notrunc status=none
bad nan.wav 'not a number at [0-9.]+ s'
if [ "$(id -u)" != 0 ]; then
  cp a.wav secret.wav && chmod 0 secret.wav
  bad secret.wav 'cannot be opened'
fi

# What ends too early says how far it goes.
for file in a.wav a.au a.w64 a.aiff a.caf a.flac a.ogg a.opus a.oga a.mp3 fast.m4a a.mkv a.webm a.wma; do
  cut_off "$file"
  bad "cut-$file" '(truncated|damaged|incomplete).*([0-9]\.[0-9]+ s|[0-9]+ (of [0-9]+ )?bytes)'
done
for file in a.m4a a.mov; do
  cut_off "$file"
  bad "cut-$file" 'truncated|damaged|incomplete'
done

# What is damaged inside says where; it can be concealed.
for file in a.mp3 a.aac a.ogg a.opus a.flac a.oga a.ac3 a.m4a; do
  cp "$file" "damaged-$file"
  at=$(middle "$file")
  damage "damaged-$file" "$at"
  bad "damaged-$file" '[0-9]\.[0-9]+ s'
  concealed "damaged-$file" 4
done
bad damaged-a.mp3 '[0-9]\.[0-9]+ s' --on-damage fail

# What looks bad and is whole.
cat a.mp3 a.mp3 >joined.mp3
whole joined.mp3 8.02
cat a.ogg a.ogg >joined.ogg
whole joined.ogg 8
cat a.opus a.opus >joined.opus
whole joined.opus 8
head -c $(($(stat -c %s a.aac) - 30)) a.aac >half.aac
whole half.aac 4
cp a.wav unclosed.wav
printf '\0\0\0\0' | dd of=unclosed.wav bs=1 seek=$(($(data_at a.wav) - 4)) conv=notrunc status=none
whole unclosed.wav 4
whole a.mkv 4
whole a.wav 4 --on-damage conceal

# Another rate within a file: all of it, or one line.
cat a.ogg low.ogg >rates.ogg
bad rates.ogg 'change|rate'

# Streams.
absent 'two\.mka.*streams are counted' --audio-stream 2
absent 'jpn.*two\.mka.*eng, fra' --audio-stream jpn
whole two.mka 4 --audio-stream fra
refused 'on-damage' good.wav --on-damage maybe
refused 'audio-stream|audio stream' good.wav --audio-stream 1x

# The same files in a dataset: the other songs are prepared, and the doctor names the place.
for song in One Two; do
  mkdir -p "songs/train/$song"
  cp a.flac "songs/train/$song/drums.flac"
  cp a.mp3 "songs/train/$song/bass.mp3"
done
cp damaged-a.mp3 songs/train/Two/bass.mp3

dataset() {  # NAME STATUS PATTERN COMMAND…
  local name=$1 expected=$2 pattern=$3 problem=
  shift 3
  run "$@"
  [ "$status" = "$expected" ] || add "exit code $status, not $expected"
  grep -qE "$pattern" <<<"$out$err" || add "does not say /$pattern/"
  ! grep -qE 'Note:|Warning:|mpg123|\[[a-z0-9]+ @' <<<"$out$err" || add "a library's words"
  verdict "$name" "$problem" "$err$out"
}
dataset "doctor on a damaged mp3" 1 'bass.*[0-9]\.[0-9]+ s' "$bin/stemsmith" doctor folders songs
dataset "prepare on a damaged mp3" 1 'Two.*[0-9]\.[0-9]+ s|[0-9]\.[0-9]+ s.*Two' \
  "$bin/stemsmith" prepare folders songs --out cache/cache.h5 --quiet
dataset "the other song is in the cache" 0 ' 1 songs' "$bin/stemsmith" inspect cache/cache.h5
dataset "prepare --on-damage conceal" 0 'warning.*[0-9]\.[0-9]+ s' \
  "$bin/stemsmith" prepare folders songs --out concealed/cache.h5 --quiet --on-damage conceal
dataset "prepare --on-damage maybe" 2 'on-damage' \
  "$bin/stemsmith" prepare folders songs --out refused/cache.h5 --on-damage maybe

count_cases
