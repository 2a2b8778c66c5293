#!/usr/bin/env bash
# The web app under load and under `kill -9`, with figures:
#
#   crowd      uploads at once and slow clients against a queue that is too short for them: what is refused is told when
#              to come again, no job is lost, memory stays within its bound
#   kill       `kill -9` of the server in mid-job, at random moments: finished results stay, every other job ends once
#   database   the same of three workers that share a queue in PostgreSQL
#   streams    idle streams of events, and what each costs
#   overhead   from the upload of a song of 30 s to its stems, against `separate` alone, in turns
#
#   tools/check_serve.sh [--uploads 200] [--slow 20] [--kills 20] [--streams 1000] [--turns 5] [--seed 1] [CHECK…]
#
# Default: all checks, which take about ten minutes after set-up and build; STEMSMITH_BUILD_DIR names a build that is to be
# taken as it is. Ends with 1 where something is not so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;; esac
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith stemsmith_postgresql separate make_tiny_onnx
fi
export STEMSMITH_BIN_DIR=$(cd "$build/bin" && pwd) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/reference
exec .deps/venv/bin/python tools/check_serve.py "$@"
