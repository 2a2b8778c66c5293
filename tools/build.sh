#!/usr/bin/env bash
# Configures and builds a preset: tools/build.sh [release|dev|asan-ubsan|tsan|tidy] [target…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}; shift || true
build=build/$preset
if [ ! -f "$build/build.ninja" ]; then
  cmake --preset "$preset" >/tmp/stemsmith-configure.$$ 2>&1 || { cat /tmp/stemsmith-configure.$$; rm -f /tmp/stemsmith-configure.$$; exit 1; }
  rm -f /tmp/stemsmith-configure.$$
fi
cmake --build "$build" ${1:+--target "$@"}
