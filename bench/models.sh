#!/usr/bin/env bash
# How fast models are beside eager PyTorch in Python with the same weights, on two threads of the CPU: forward, a
# training step (forward, L1, backward, Adam), the memory of one with activation checkpointing, and the exported ONNX
# model under ONNX Runtime. In turns: each pair of turns gives a ratio (Python's time / ours), the median counts.
#
#   bench/models.sh [--turns N] [--seconds S] [--what forward,train,memory,onnx] [ROW...]
# About a quarter of an hour for all after set-up and build; wants a quiet machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;; esac
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release models_native stemsmith
fi
export STEMSMITH_BIN_DIR=$build/bin STEMSMITH_DEMUCS2=$PWD/.deps/demucs2 STEMSMITH_DEMUCS4=$PWD/.deps/demucs4
export STEMSMITH_ROFORMERS=$PWD/.deps/roformer
export PYTHONDONTWRITEBYTECODE=1
exec .deps/venv/bin/python bench/models_peers.py "$build/bin/models_native" "$build/bin/stemsmith" "$@"
