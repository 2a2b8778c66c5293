#!/usr/bin/env bash
# Whether files written by an earlier version open in this one, and give what they gave:
#
#   tools/check_earlier_files.sh COMMIT
#
# Builds COMMIT beside this tree (STEMSMITH_EARLIER_BIN names a folder with its programs instead) and lets it write songs,
# caches, runs, checkpoints and exports of every model of tests/models/tiny/. This version then finds the caches up to date,
# resumes the runs, exports the checkpoints, inspects all, and separates with the model files: the stems must be those of
# the earlier version, bit for bit. A line per case, the count at the end, exit code 1 where one failed. About 5 minutes
# after set-up and both builds; STEMSMITH_BUILD_DIR names a build of this version that is to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# = 1 ] || { sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
commit=$1
build=${STEMSMITH_BUILD_DIR:-build/release}
folder=$(mktemp -d)
worktree=
cleanup() {
  [ -z "$worktree" ] || git worktree remove --force "$worktree"
  rm -rf "$folder"
}
trap cleanup EXIT
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith separate
fi
earlier=${STEMSMITH_EARLIER_BIN:-}
if [ -z "$earlier" ]; then
  git worktree add --detach --quiet "$folder/earlier" "$commit"
  worktree=$folder/earlier
  ln -s "$PWD/.deps" "$worktree/.deps"
  (cd "$worktree" && ./tools/build.sh release stemsmith separate)
  earlier=$worktree/build/release/bin
fi
now=$(cd "$build/bin" && pwd)
export MALLOC_ARENA_MAX=2

count=0 failed=0
check() {  # NAME COMMAND…: one case; its output is shown where it fails
  local name=$1
  shift
  count=$((count + 1))
  if "$@" >"$folder/log" 2>&1; then
    echo "ok      $name"
  else
    failed=$((failed + 1))
    echo "FAILED  $name"
    sed 's/^/        /' "$folder/log"
  fi
}
same() {  # FOLDER FOLDER: the same files with the same bytes
  diff -r "$1" "$2" && [ -n "$(find "$1" -type f)" ]
}

"$earlier/stemsmith" synth "$folder/songs" --songs 3 --seconds 5 --seed 1 --quiet
declare -A prepare=(
  [plain]="--sample-rate 8000"
  [compressed]="--sample-rate 8000 --format int16 --compression 4"
  [float16]="--sample-rate 8000 --format float16"
  [float32]="--sample-rate 8000 --format float32"
  [spectrogram]="--sample-rate 8000 --spectrogram 256,64"
)
for kind in "${!prepare[@]}"; do
  # shellcheck disable=SC2086
  "$earlier/stemsmith" prepare folders "$folder/songs" ${prepare[$kind]} --out "$folder/$kind.h5" --quiet
  # shellcheck disable=SC2086
  up_to_date() {
    "$now/stemsmith" prepare folders "$folder/songs" ${prepare[$kind]} --out "$folder/$kind.h5" |
      tee /dev/stderr | grep '(0 prepared' >/dev/null
  }
  check "cache, $kind: inspected" "$now/stemsmith" inspect "$folder/$kind.h5"
  check "cache, $kind: nothing is prepared again" up_to_date
done

song=$(find "$folder/songs" -name mixture.wav | sort | head -n 1)
for file in tests/models/tiny/*.yaml; do
  model=$(basename "$file" .yaml)
  config=$folder/$model.yaml
  {
    echo "dataset: {cache: $folder/plain.h5, segment_seconds: 0.5}"
    echo "augment: [{name: gain, probability: 1}]"
    echo "model:"
    grep -v '^#' "$file" | sed 's/^/  /'
    echo "loss: [{name: l1, domain: waveform}]"
    echo "optimizer: {name: adamw, lr: 1e-3}"
    echo "schedule: {name: constant}"
    echo "ema: {batch: [0.9]}"
    echo "validate: {every_steps: 2, max_segments: 2}"
    echo "train: {steps: 4, batch_size: 2}"
    echo "report: {songs: 0}"
  } >"$config"
  train=(train "$config" --device cpu --threads 1 --quiet --run)
  run=$folder/runs/$model
  if ! "$earlier/stemsmith" "${train[@]}" "$run" >"$folder/log" 2>&1; then
    echo "left out $model: the earlier version does not train it: $(tail -n 1 "$folder/log")"
    continue
  fi
  "$earlier/stemsmith" export "$run" --out "$folder/models/$model" --quiet
  "$earlier/stemsmith" export "$run" --out "$folder/beside/$model" --format onnx --onnx-inline-mib 0 --quiet
  for model_file in "$folder/models/$model/model.onnx" "$folder/models/$model/model.ts" "$folder/beside/$model/model.onnx"; do
    kind="$(basename "$(dirname "$(dirname "$model_file")")") $(basename "$model_file")"
    for version in earlier now; do
      rm -rf "$folder/stems_$version"
      check "$model: $kind separates ($version)" "${!version}/separate" "$model_file" "$song" -o "$folder/stems_$version" \
        --bits 32f --threads 1 --quiet
    done
    check "$model: $kind gives the stems it gave" same "$folder/stems_earlier" "$folder/stems_now"
  done
  check "$model: the checkpoint is inspected" "$now/stemsmith" inspect "$run/checkpoints/last.safetensors"
  check "$model: the checkpoint is exported" "$now/stemsmith" export "$run" --out "$folder/again/$model" --quiet
  check "$model: the run is resumed" "$now/stemsmith" "${train[@]}" "$run" --resume --override --set train.steps=6
  check "$model: the run is watched" "$now/stemsmith" watch "$run" --once
done
echo "$((count - failed)) of $count files of $commit are read as they should be"
[ "$failed" = 0 ]
