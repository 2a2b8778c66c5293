#!/usr/bin/env bash
# How fast `stemsmith prepare musdb18` is beside Python peers: demo songs as .stem.mp4 (five AAC streams of 256 kbit/s),
# each program on the same single core, all files in memory. In turns: each turn gives a ratio, the median
# counts. Ours is the whole program: start, decoding, hashing, a cache on disk. The peers only decode all five streams
# to arrays and drop them; their imports are not counted.
#
#   bench/prepare.sh       about five minutes after set-up and build; wants a quiet machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release stemsmith stemsmith_libav
fi
songs=${STEMSMITH_BENCH_SONGS:-3} seconds=${STEMSMITH_BENCH_SECONDS:-200}  # MUSDB18's last 240 s on average
turns=${STEMSMITH_BENCH_TURNS:-5}
# In memory where it can be: what a core does is measured, not a disk.
folder=$([ -w /dev/shm ] && mktemp -d -p /dev/shm || mktemp -d)
trap 'rm -rf "$folder"' EXIT
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')  # the first that we may use
one_core=(env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c "$core")
peers=("${one_core[@]}" .deps/venv/bin/python bench/prepare_peers.py)

"$build/bin/stemsmith" synth "$folder/songs" --layout musdb18 --songs "$songs" --seconds "$seconds" --seed 7 --quiet
cat "$folder"/songs/*/*.mp4 >"$folder/all"  # into the page cache
rm "$folder/all"
for turn in $(seq "$turns"); do
  rm -rf "$folder/cache.h5" "$folder/cache.h5.d"
  TIMEFORMAT='%R %U %S'
  { time "${one_core[@]}" "$build/bin/stemsmith" prepare musdb18 "$folder/songs" --out "$folder/cache.h5" \
      --threads 1 --quiet; } 2>>"$folder/prepare"
  "${peers[@]}" stempeg "$folder/songs" >>"$folder/stempeg"
  "${peers[@]}" float32 "$folder/songs" >>"$folder/float32"
  "${peers[@]}" musdb "$folder/songs" >>"$folder/musdb"
  "${peers[@]}" h5py "$folder/songs" >>"$folder/h5py"
done

python3 - "$folder" "$((songs * seconds))" <<'PYTHON'
import pathlib, statistics, sys
folder, audio = pathlib.Path(sys.argv[1]), float(sys.argv[2])
names = {"prepare": "stemsmith prepare, a cache on disk", "stempeg": "stempeg.read_stems, float64 arrays",
         "float32": "stempeg.read_stems, float32 asked for", "musdb": "musdb track.stems, float64 arrays",
         "h5py": "that of float32 and a file by h5py"}
turns = {name: [[float(part) for part in line.split()] for line in (folder / name).read_text().splitlines()]
         for name in names}
print("\none core, medians                     x real time   s of CPU per minute of song (user + system)")
for name, what in names.items():
    wall, user, system = (statistics.median(turn[i] for turn in turns[name]) for i in range(3))
    print(f"{what:36s} {audio / wall:9.0f}      {user / audio * 60:6.3f} + {system / audio * 60:.3f}")
print()
for name, goal in (("stempeg", 4), ("musdb", 4), ("float32", None), ("h5py", None)):
    ratios = [peer[0] / ours[0] for peer, ours in zip(turns[name], turns["prepare"])]
    value = statistics.median(ratios)
    verdict = f"   goal {goal}: {'reached' if value >= goal else 'missed'}" if goal else ""
    print(f"prepare / {name:30s} {value:5.2f}  ({min(ratios):.2f} to {max(ratios):.2f}){verdict}")
PYTHON
