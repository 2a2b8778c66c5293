#!/usr/bin/env bash
# The main job on songs it makes itself: synth → prepare → train → export → separate, for both models.
#
#   tools/demo.sh          about 15 minutes on 2 cores, after set-up and build
#   tools/demo.sh --fast   the same steps in about 2 minutes, with models too short trained to be good
#
# Everything lands in out/demo/: songs/, cache.h5, run/MODEL/, MODEL/model.{ts,onnx}, stems/MODEL/SONG/STEM.wav,
# separation.png, summary.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fast=0
for argument in "$@"; do
  case "$argument" in
    --fast) fast=1 ;;
    -h|--help) sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "demo: unknown option '$argument'; see tools/demo.sh --help" >&2; exit 2 ;;
  esac
done
. tools/stages.sh

stage "Set-up"
./tools/setup.sh
stage "Build"
./tools/build.sh release stemsmith separate demo_summary
bin=build/release/bin
out=out/demo
models=(unet demucs_v2)
songs=(--songs 24 --seconds 40)
settings_unet=()
settings_demucs_v2=()
if [ "$fast" = 1 ]; then
  out=out/demo-fast
  songs=(--songs 4 --seconds 12)
  settings_unet=(--set train.steps=20 --set validate.every_steps=20)
  settings_demucs_v2=("${settings_unet[@]}")
fi
rm -rf "$out"/{run,stems,stems_torchscript} "$out"/{unet,demucs_v2} "$out/summary.json" "$out/separation.png"

stage "Songs: composed and rendered into $out/songs"
$bin/stemsmith synth "$out/songs" "${songs[@]}" --seed 1 --layout folders

stage "Prepare: one cache for all training runs"
$bin/stemsmith prepare folders "$out/songs" --out "$out/cache.h5"

for model in "${models[@]}"; do
  declare -n settings=settings_$model
  stage "Train $model (configs/demo_$model.yaml)"
  started=$SECONDS
  $bin/stemsmith train "configs/demo_$model.yaml" --run "$out/run/$model" --set "dataset.cache=$out/cache.h5" "${settings[@]}"
  echo $((SECONDS - started)) >"$out/run/$model/train_seconds"

  stage "Export $model to TorchScript and ONNX"
  $bin/stemsmith export "$out/run/$model" --out "$out/$model"

  stage "Separate the held-out songs with both files of $model"
  $bin/separate "$out/$model/model.onnx" "$out"/songs/test/*/mixture.wav -o "$out/stems/$model" --bits 32f
  $bin/separate "$out/$model/model.ts" "$out"/songs/test/*/mixture.wav -o "$out/stems_torchscript/$model" --bits 32f
done

stage "Separation of songs never trained on (medians over the songs)"
$bin/demo_summary "$out/songs/test" "$out" "${models[@]}"
rm -rf "$out/stems_torchscript"
echo
echo "Listen to $out/stems, look at $out/separation.png and $out/run/*/report.html; the numbers are in $out/summary.json."
