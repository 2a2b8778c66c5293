#!/usr/bin/env bash
# What training by ranks costs: samples/s of 2 ranks with 1 thread each, over those of 2 independent processes with 1
# thread each, which run side by side as well. The ranks run with batch statistics of each rank's own, as the two
# processes have them, and with shared ones, the default. All three take turns, each first in a third of them; prints
# the ratios of each turn, their medians and ranges.
#
#   bench/ranks.sh [TURNS [STEPS]]     5 turns of 30 steps unless said otherwise
#
# Settings (environment): STEMSMITH_BUILD_DIR (build/release), MODEL: further --set values, such as
# "model.channels=32 train.batch_size=2".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
turns=${1:-5}
steps=${2:-30}
stemsmith=${STEMSMITH_BUILD_DIR:-build/release}/bin/stemsmith
[ -x "$stemsmith" ] || { echo "ranks: no $stemsmith; build first" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1

"$stemsmith" synth "$work/songs" --songs 6 --seconds 20 --seed 1 --layout folders --quiet
"$stemsmith" prepare folders "$work/songs" --out "$work/cache.h5" --quiet
cat >"$work/config.yaml" <<CONFIG
dataset: {cache: $work/cache.h5, segment_seconds: 3, threads: 1}
model: {name: unet, n_fft: 2048, hop: 1024, depth: 5}
train: {steps: $steps, batch_size: 4, log_every_steps: 1}
validate: {every_steps: 0}
checkpoint: {every_steps: 0}
CONFIG
read -ra more <<<"${MODEL:-}"

# train RUN [VARIABLE=VALUE … -- ARGUMENT …]
train() {
  local run=$1 variables=(); shift
  while (($#)) && [ "$1" != -- ]; do variables+=("$1"); shift; done
  (($#)) && shift
  env "${variables[@]}" "$stemsmith" train "$work/config.yaml" --run "$work/$run" --device cpu --threads 1 --quiet \
    --set train.seed=1 "${more[@]}" "$@"
}
# speed RUN: samples/s over all steps but the first five.
speed() {
  python3 - "$work/$1/metrics.jsonl" <<'PYTHON'
import json, statistics, sys
rates = [json.loads(line)["samples_per_second"] for line in open(sys.argv[1]) if '"train"' in line]
print(statistics.harmonic_mean(rates[5:]))
PYTHON
}
alone() { train "alone_a$1" & train "alone_b$1" & wait; }
ranks() {
  local port=$((20000 + (RANDOM % 9000))) rank
  for rank in 0 1; do
    train "$1" RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port \
      -- --set "train.sync_batch_norm=$2" &
  done
  wait
}
own() { ranks "own$1" false; }
shared() { ranks "shared$1" true; }
orders=("alone own shared" "own shared alone" "shared alone own")
for turn in $(seq "$turns"); do
  for way in ${orders[turn % 3]}; do "$way" "$turn"; done
  echo "$(speed "alone_a$turn") $(speed "alone_b$turn") $(speed "own$turn") $(speed "shared$turn")"
done | python3 -c '
import statistics, sys
own, shared = [], []
for line in sys.stdin:
    a, b, of_own, of_shared = map(float, line.split())
    own.append(of_own / (a + b))
    shared.append(of_shared / (a + b))
    print(f"two processes {a + b:.2f} samples/s, two ranks {of_own:.2f}: {own[-1]:.3f}, "
          f"with shared statistics {of_shared:.2f}: {shared[-1]:.3f}", flush=True)
for what, ratios, goal in (("own statistics", own, 0.93), ("shared statistics", shared, None)):
    value = statistics.median(ratios)
    verdict = "" if goal is None else f"   goal {goal}: " + ("reached" if value >= goal else "missed")
    print(f"two ranks over two processes, {what:18s} {value:.3f}  ({min(ratios):.3f} to {max(ratios):.3f}){verdict}")'
