#!/usr/bin/env bash
# How fast and how large `separate` is beside Python's `demucs` and, with --unblend, beside unblend 1.0.0: HTDemucs, HDemucs and Demucs with random weights of the published
# sizes, as packages for Python and, imported, as model.onnx; every engine and precision that this processor has; songs of
# 60 and 240 s, one second, and a hundred files of a second in one call. Two threads each, the same segment, overlap and
# normalisation, no shifts. In turns: each turn gives a ratio, the median counts. All are whole programs: start, reading the
# model and the song, separating, writing four stems.
#
#   bench/separate.sh [--models htdemucs] [--seconds 60] [--turns 3] [--files 100] [--unblend VENV]
#                           about an hour and a half after set-up and build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith separate
fi
export PYTHONPATH=$PWD/.deps/demucs4 PYTHONDONTWRITEBYTECODE=1
exec .deps/venv/bin/python bench/separate_peers.py "$build/bin" "$@"
