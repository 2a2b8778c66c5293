#!/usr/bin/env bash
# BSS eval 4 beside museval: the same stems, windows of 1 s, one core, one process each, in turns; of each the best
# counts. Then songs of one to ten minutes with ours alone: seconds and memory.
#
#   bench/evaluate.sh      about five minutes after set-up and build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release metrics_probe stemsmith
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/bin/stemsmith" synth "$folder/songs" --songs 1 --seconds 30 --seed 3 --quiet
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')  # the first that we may use
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c "$core" \
  .deps/venv/bin/python bench/evaluate_peers.py "$folder" "$build/bin/metrics_probe"
