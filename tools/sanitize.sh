#!/usr/bin/env bash
# Builds with sanitizers and runs what they are for: tools/sanitize.sh asan-ubsan|tsan
#   asan-ubsan   the fast tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan         the tests of cache, loader and streams for plug-ins under ThreadSanitizer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
  # LibTorch and ONNX Runtime keep what they allocate for the life of the process.
  asan-ubsan) export ASAN_OPTIONS=detect_leaks=0 targets=() ;;
  # ONNX Runtime is not built for it: what its own threads do among themselves is not seen whole.
  tsan) export TSAN_OPTIONS="suppressions=$PWD/tools/tsan_suppressions.txt"; targets=(datasets_tests separate_tests) ;;
  *) echo "usage: tools/sanitize.sh asan-ubsan|tsan" >&2; exit 2 ;;
esac
export TBB_ENABLE_SANITIZERS=1  # or OpenVINO's TBB loads a library in a way that ends the process
./tools/setup.sh
./tools/build.sh "$1" ${targets[@]+"${targets[@]}"}
ctest --preset "$1"
