#!/usr/bin/env bash
# What augmentation costs: each of them in µs of one core per second of audio (four stereo stems, all of them treated),
# as the table of docs/augmentation.md; and how much the Demucs preset, pitch and tempo apart, slows the loader down.
# Medians of turns.
#
#   bench/augment.sh       about two minutes after the build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release bench_augment bench_loader
fi
turns=${STEMSMITH_BENCH_TURNS:-5}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')  # the first that we may use
one_core=(taskset -c "$core")
json=(--benchmark_format=json)

for turn in $(seq "$turns"); do
  "${one_core[@]}" "$build/bin/bench_augment" "${json[@]}" >"$folder/augment-$turn" 2>/dev/null
  # In pairs, one right after the other.
  for name in LoaderNext LoaderNextDemucs; do
    "${one_core[@]}" "$build/bin/bench_loader" "${json[@]}" --benchmark_min_time=2 \
      --benchmark_filter="^BM_$name/1/" >"$folder/$name-$turn" 2>/dev/null
  done
done

python3 - "$folder" "$turns" <<'PYTHON'
import json, pathlib, statistics, sys
folder, turns = pathlib.Path(sys.argv[1]), range(1, int(sys.argv[2]) + 1)
read = lambda name: [json.loads((folder / f"{name}-{turn}").read_text()) for turn in turns]
runs = read("augment")
cost = {}
for run in runs:
    for row in run["benchmarks"]:
        if "per_second_of_audio" in row:
            cost.setdefault(row["name"].split("/")[1], []).append(row["per_second_of_audio"] * 1e6)
cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "one core")
print(f"\nMeasured on one core of: {cpu}\n\n| augmentation | µs per second of audio |\n| --- | ---: |")
for name, values in sorted(cost.items(), key=lambda item: -statistics.median(item[1])):
    value = statistics.median(values)
    print(f"| `{name}` | {value:.0f} |" if value >= 10 else f"| `{name}` | {value:.2g} |")
time = lambda name: [run["benchmarks"][0]["real_time"] for run in read(name)]
ratios = [with_it / without for with_it, without in zip(time("LoaderNextDemucs"), time("LoaderNext"))]
value = statistics.median(ratios)
print(f"\nloader with the Demucs preset / without   {value:5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
      f"   goal below 2: {'reached' if value < 2 else 'missed'}")
PYTHON
