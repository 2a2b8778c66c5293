#!/usr/bin/env bash
# How fast and how large `separate` is with RoFormers beside the PyPI packages bs-roformer-infer and melband-roformer-infer and, with
# --unblend, beside unblend 1.0.0 (with which SCNet is compared, too): models of published sizes with random weights, written once by
# the peer and imported; the same song, chunk, overlap, batch and type, two threads each. In turns: each turn gives a ratio, the median
# counts. All are whole programs: start, reading the model and the song, separating, writing the stems.
#
#   bench/roformer.sh [--models mel_band_roformer] [--seconds 60] [--overlap 2] [--turns 3] [--unblend VENV] [--files FOLDER]
#                           60 s of song take each package some minutes; wants a quiet machine and 6 GB
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;; esac
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith separate
fi
export PYTHONDONTWRITEBYTECODE=1
exec .deps/venv/bin/python bench/roformer_peers.py "$build/bin" "$@"
