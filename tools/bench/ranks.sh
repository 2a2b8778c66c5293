#!/usr/bin/env bash
# What training by ranks costs: samples/s of 2 ranks with 1 thread each, over those of 2 independent processes with 1
# thread each, which run side by side as well. Both take turns, each first in half of them; prints the ratio of each turn, their median and range.
#
#   tools/bench/ranks.sh [TURNS [STEPS]]     5 turns of 30 steps unless said otherwise
#
# Settings (environment): STEMSMITH_BUILD_DIR (build/release), MODEL: further --set values, such as
# "model.channels=32 train.batch_size=2".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
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

# train RUN [VARIABLE=VALUE …]
train() {
  local run=$1; shift
  env "$@" "$stemsmith" train "$work/config.yaml" --run "$work/$run" --device cpu --threads 1 --quiet \
    --set train.seed=1 "${more[@]}"
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
    train "ranks$1" RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port &
  done
  wait
}
for turn in $(seq "$turns"); do
  if ((turn % 2)); then alone "$turn"; ranks "$turn"; else ranks "$turn"; alone "$turn"; fi
  echo "$(speed "alone_a$turn") $(speed "alone_b$turn") $(speed "ranks$turn")"
done | python3 -c '
import statistics, sys
ratios = []
for line in sys.stdin:
    a, b, ranks = map(float, line.split())
    ratios.append(ranks / (a + b))
    print(f"two processes {a + b:.2f} samples/s, two ranks {ranks:.2f}: {ratios[-1]:.3f}", flush=True)
print(f"two ranks over two processes: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")'
