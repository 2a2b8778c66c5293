#!/usr/bin/env bash
# How fast and how large `separate` is beside Python's `demucs` on a whole song: the same random weights of HTDemucs as
# published (42 million parameters) as a package for Python and, imported, as model.onnx; two threads each, the same
# segment, overlap and normalisation, no shifts. In turns: each turn gives a ratio, the median counts. Both are whole
# programs: start, reading the model and the song, separating, writing four stems.
#
#   bench/separate.sh       about ten minutes after set-up and build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith separate
fi
export PYTHONPATH=$PWD/.deps/demucs4 PYTHONDONTWRITEBYTECODE=1
exec .deps/venv/bin/python bench/separate_peers.py "$build/bin" --seconds "${STEMSMITH_BENCH_SECONDS:-60}" \
  --turns "${STEMSMITH_BENCH_TURNS:-3}"
