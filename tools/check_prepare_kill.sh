#!/usr/bin/env bash
# Stops `stemsmith prepare` at random moments by SIGHUP, SIGTERM, SIGINT or SIGKILL (at random too), goes on from what is
# left, and compares the finished cache with that of an uninterrupted run: every file of it, byte for byte, and so every
# sample. After each kill, what already lies under its final name is compared as well; after the first three signals
# prepare must have ended with 129, 143 or 130 and left nothing half-written.
#
#   tools/check_prepare_kill.sh [--kills 20] [--seed 1] [--songs 9] [-- OPTIONS OF PREPARE…]
#
# The songs are made by `stemsmith synth`; one is ten times as long as the others. Ends with 1 where anything differs.
# About a minute after set-up and build; STEMSMITH_BUILD_DIR names a build that is to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kills=20 seed=1 songs=9 options=()
usage() { sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --kills | --seed | --songs)
      [[ "${2:-}" =~ ^[1-9][0-9]{0,4}$ ]] || usage
      declare "${1#--}=$2"
      shift 2
      ;;
    --) shift; options=("$@"); break ;;
    *) usage ;;
  esac
done
[ "$songs" -gt 1 ] || usage
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith
fi
stemsmith=$build/bin/stemsmith
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
RANDOM=$seed

"$stemsmith" synth "$folder/songs" --songs $((songs - 1)) --seconds 6 --seed "$seed" --quiet
"$stemsmith" synth "$folder/long" --songs 1 --seconds 60 --seed "$seed" --quiet
mv "$folder"/long/*/* "$folder/songs/train/The long one"

# More threads than most machines have cores, so that several songs are under way at any moment.
prepare=("$stemsmith" prepare folders "$folder/songs" --threads 3 --sample-rate 48000 --quiet
  ${options[@]+"${options[@]}"} --out)
now_ms() { echo $(($(date +%s%N) / 1000000)); }
fingerprint() { "$stemsmith" inspect --json "$1/cache.h5" | grep -o '"fingerprint":"[0-9a-f]*"'; }
files() { { find "$folder/killed/cache.h5.d" -maxdepth 1 "$@" 2>/dev/null || true; } | wc -l; }
finished_songs() { files -name '[!.]*.h5'; }
different() { echo "DIFFERENT: $*"; exit 1; }
compare_songs() {
  local file
  for file in "$folder/killed/cache.h5.d"/*.h5; do
    [ -e "$file" ] || continue
    cmp -s "$file" "$folder/whole/cache.h5.d/$(basename "$file")" || different "$(basename "$file")"
  done
}
compare_finished() {
  compare_songs
  [ "$(finished_songs)" = "$songs" ] || different "not all songs are there"
  [ "$(files -name '.*.tmp-*')" = 0 ] || different "temporary files are left"
  [ "$(fingerprint "$folder/killed")" = "$(fingerprint "$folder/whole")" ] || different "the index"
  finished=$((finished + 1))
}

go_on() {
  "${prepare[@]}" "$folder/killed/cache.h5"
  compare_finished
}
begin_anew() {
  echo "$1 to the end: equal; again from nothing"
  rm -r "$folder/killed"
  mkdir "$folder/killed"
}

mkdir "$folder/whole" "$folder/killed"
begun=$(now_ms)
"${prepare[@]}" "$folder/whole/cache.h5"
whole_ms=$(($(now_ms) - begun))
echo "uninterrupted: $songs songs in $whole_ms ms"

signals=(HUP INT KILL TERM)
kill_number=0 finished=0
while [ "$kill_number" -lt "$kills" ]; do
  left=$((songs - $(finished_songs)))
  # Up to a little more than the rest should take: the writing of the index is to be met as well.
  most_ms=$((whole_ms * left / songs + whole_ms / 10))
  after_ms=$(((RANDOM * 32768 + RANDOM) % most_ms))
  signal=${signals[RANDOM % 4]}
  # A shell's background jobs do not hear SIGINT.
  env --default-signal=INT "${prepare[@]}" "$folder/killed/cache.h5" &
  pid=$!
  sleep "$(printf '%d.%03d' $((after_ms / 1000)) $((after_ms % 1000)))"
  kill -s "$signal" "$pid" 2>/dev/null || true
  status=0
  wait "$pid" 2>/dev/null || status=$?
  killed=$pid pid=
  case "$status" in
    137 | 129 | 130 | 143)
      [ "$status" = $((128 + $(kill -l "$signal"))) ] || different "prepare ended with $status after SIG$signal"
      kill_number=$((kill_number + 1))
      begun=$(files -name ".*.tmp-*-$killed-*")
      printf 'kill %2d of %d by %-4s after %4d ms: %d of %d songs finished, %d begun\n' "$kill_number" "$kills" \
        "$signal" "$after_ms" "$(finished_songs)" "$songs" "$begun"
      [ "$signal" = KILL ] || [ "$begun" = 0 ] || different "half a song is left"
      compare_songs
      # Near the end, every other time on to it, and again from nothing: kills are to meet all states.
      if [ "$(finished_songs)" -ge $((songs - 1)) ] && [ $((RANDOM % 2)) = 0 ]; then
        go_on
        begin_anew "gone on"
      fi
      ;;
    0)
      compare_finished
      begin_anew "finished before the kill"
      ;;
    *) different "prepare ended with $status" ;;
  esac
done
go_on
size=$(du -sb "$folder/whole/cache.h5.d" | cut -f1)
echo "equal: after $kills kills (seed $seed) $finished finished caches had the $songs songs ($((size >> 20)) MiB) of the" \
  "uninterrupted run, byte for byte"
