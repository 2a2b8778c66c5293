#!/usr/bin/env bash
# What every engine and precision makes of models that have learnt something: a small one of each kind is trained on demo
# songs, exported with weights of float32, float16 and int8, and separates songs that it has not heard, as whole programs
# with two threads. One line each: seconds by the clock and of CPU, peak of memory, SNR of the stems against ONNX Runtime
# in float32, SDR of the stems against the true ones, and its largest change in a stem of a song.
#
#   bench/precision_table.sh [--models htdemucs] [--steps 200] [--turns 3] [--keep DIR]
#                           about a quarter of an hour after set-up and build; times want a quiet machine
#   --keep DIR              songs and trained models stay there, and are taken from there the next time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;; esac
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith separate
fi
export PYTHONDONTWRITEBYTECODE=1
exec .deps/venv/bin/python bench/precision_table.py "$build/bin" "$@"
