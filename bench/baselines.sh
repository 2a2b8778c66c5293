#!/usr/bin/env bash
# How fast parts of the classical methods are beside librosa (median-filter HPSS) and scikit-learn (iterations of NMF):
# the same magnitudes of a minute of noise, the same beginning, float32, one thread on one core, in turns; of each
# the best of three turns counts.
#
#   bench/baselines.sh     about a minute after set-up and build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release baseline_probe
fi
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')  # the first that we may use
env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c "$core" "${PYTHON:-.deps/venv/bin/python}" bench/baselines_peers.py "$build/bin/baseline_probe"
