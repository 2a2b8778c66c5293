#!/usr/bin/env bash
# How fast the loader is beside Python peers: segments of 6 s of four stereo stems, from int16 to float32, on one core,
# all from the page cache. All in one run, in turns; of each the best pass of three turns counts. GB/s are bytes of
# int16 delivered.
#
#   bench/loader.sh        about a minute after set-up and build; wants a quiet machine with two cores
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 2; fi
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh --tests
  ./tools/build.sh release loader_native
fi
native=$build/bin/loader_native
peers=(.deps/venv/bin/python bench/loader_peers.py)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')  # the first that we may use
one_core=(env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c "$core")

"$native" make "$folder"
"${peers[@]}" wavs "$folder"
for turn in 1 2 3; do
  "${one_core[@]}" "$native" limit "$folder" >>"$folder/limit"
  "${one_core[@]}" "$native" reader "$folder" >>"$folder/reader"
  "${one_core[@]}" "$native" loader "$folder" 1 >>"$folder/loader"
  "${one_core[@]}" "${peers[@]}" h5py "$folder" >>"$folder/h5py"
  "${one_core[@]}" "${peers[@]}" soundfile "$folder" >>"$folder/soundfile"
done
for turn in 1 2 3; do
  "$native" together "$folder" 2 "$(($(date +%s) + 2))" >>"$folder/workers"
  start=$(($(date +%s) + 2))
  "$native" together "$folder" 1 "$start" >"$folder/first" &
  other=$!
  "$native" together "$folder" 1 "$start" >"$folder/second"
  wait "$other"
  # The rate of both: each did all passes in its own time.
  paste "$folder/first" "$folder/second" | awk '{ print 1 / (1 / $1 + 1 / $2) }' >>"$folder/processes"
done

python3 - "$folder" <<'PYTHON'
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
best = lambda name: min(float(line) for line in (folder / name).read_text().split())
pass_gb = 128 * 6 * 44100 * 8 * 2 / 1e9
rate = {name: pass_gb / best(name) for name in ("limit", "reader", "loader", "h5py", "soundfile")}
print("\none core                                  GB/s")
for name, what in (("limit", "bare pread + convert loop (the limit)"), ("reader", "cache reader, stems only"),
                   ("loader", "loader, stems and mixture"), ("h5py", "Python h5py, same cache"),
                   ("soundfile", "Python soundfile, WAV files")):
    print(f"{what:40s} {rate[name]:5.2f}")
goal = lambda value, least: f"{value:5.2f}   goal {least}: {'reached' if value >= least else 'missed'}"
print(f"\nloader / h5py                            {goal(rate['loader'] / rate['h5py'], 2)}")
print(f"loader / soundfile                       {goal(rate['loader'] / rate['soundfile'], 5)}")
print(f"reader, share of the limit               {rate['reader'] / rate['limit']:5.2f}")
print(f"loader, share of the limit               {rate['loader'] / rate['limit']:5.2f}")
print(f"two workers / two processes              {goal(best('processes') / best('workers'), 0.9)}")
PYTHON
