#!/usr/bin/env bash
# The main job on songs it makes itself: synth, then `stemsmith run` (doctor → prepare → train → export → compare) with two models.
#
#   tools/demo.sh          about 15 minutes on 2 cores, after set-up and build
#   tools/demo.sh --fast   the same steps in about 2 minutes, with models too short trained to be good
#
# Everything lands in out/demo/: songs/, cache.h5, runs/MODEL/, models/MODEL/model.{ts,onnx}, comparison/, report.html.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fast=0
for argument in "$@"; do
  case "$argument" in
    --fast) fast=1 ;;
    -h|--help) sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "demo: unknown option '$argument'; see tools/demo.sh --help" >&2; exit 2 ;;
  esac
done
. tools/stages.sh

stage "Set-up"
./tools/setup.sh
stage "Build"
./tools/build.sh release stemsmith separate
out=out/demo
songs=(--songs 26 --valid-songs 4 --test-songs 6 --seconds 40)
settings=()
if [ "$fast" = 1 ]; then
  out=out/demo-fast
  songs=(--songs 4 --valid-songs 1 --test-songs 1 --seconds 12)
  short='[train.steps=20, validate.every_steps=20]'
  settings=(--set "songs.root=$out/songs" --set "models.0.set=$short" --set "models.1.set=$short")
fi

stage "Songs: composed and rendered into $out/songs"
build/release/bin/stemsmith synth "$out/songs" "${songs[@]}" --seed 1 --layout folders

stage "The whole way: configs/run/demo.yaml"
build/release/bin/stemsmith run run/demo --out "$out" "${settings[@]}"
echo
echo "Look at and listen to $out/report.html; the training runs are in $out/runs/*/report.html, stems in $out/comparison/stems."
