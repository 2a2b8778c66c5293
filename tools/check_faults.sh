#!/usr/bin/env bash
# What goes wrong around the programs: full disks, limits, signals, things in the way of files. Each must end with the
# right exit code and one line in our words, announce nothing that is not there, and lose nothing that was. A line per
# case and a count.
#
#   tools/check_faults.sh [--verbose] [THEME…]          default: all of tests/faults/THEME.sh
#
# Mounts small disks for itself alone: needs root, or a system that lets users make mounts of their own (user
# namespaces). Songs and models are made. Ends with 1 where a case is answered otherwise. A few minutes after set-up and
# build; STEMSMITH_BUILD_DIR names a build that is to be taken as it is. --verbose shows each answer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
verbose= themes=()
for argument in "$@"; do
  case "$argument" in
    --verbose) verbose=1 ;;
    -*) usage ;;
    *) [ -e "tests/faults/$argument.sh" ] || usage; themes+=("$argument") ;;
  esac
done
if [ ${#themes[@]} = 0 ]; then
  for file in tests/faults/*.sh; do themes+=("$(basename "$file" .sh)"); done
fi
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith separate make_tiny_onnx
  export STEMSMITH_BUILD_DIR=build/release
fi
if [ -z "${CHECK_FAULTS_MOUNTS:-}" ]; then
  for user in '' --map-root-user; do
    if unshare --mount $user true 2>/dev/null; then
      CHECK_FAULTS_MOUNTS=1 exec unshare --mount $user ./tools/check_faults.sh ${verbose:+--verbose} "${themes[@]}"
    fi
  done
  echo "error: this system lets this user mount no small disks; run it as root" >&2
  exit 1
fi

bin=$(cd "$STEMSMITH_BUILD_DIR/bin" && pwd)
stemsmith=$bin/stemsmith separate=$bin/separate
folder=$(mktemp -d)
answers=$folder/answers work=$folder/work small=$folder/small
# Mounts go with the namespace; what lies on them must not keep the folder.
trap 'for disk in "$work"/*/; do umount -l "$disk" 2>/dev/null || true; done; rm -rf "$folder"' EXIT
mkdir "$answers" "$work" "$small"
export LC_ALL=C.UTF-8
. tests/cases.sh
limit_seconds=240

# fault NAME STATUS PATTERN COMMAND…: the command ends with the status and says what matches the pattern, in our words.
fault() {
  local name=$1 expected=$2 pattern=$3 problem=
  shift 3
  # Functions see to it themselves (`await`).
  if [ "$(type -t "$1")" != function ]; then set -- timeout --kill-after=5 "$limit_seconds" "$@"; fi
  run "$@"
  judge "$name" "$expected" "$pattern"
}
# The same of what `run` has run already.
judge() {
  local problem=
  if [ "$status" = 124 ] || [ "$status" = 137 ] && [ "$2" != 137 ]; then
    add "did not end within $limit_seconds s"
  elif [ "$status" != "$2" ]; then
    add "exit code $status, not $2"
  fi
  grep -qE -e "$3" <<<"$out$err" || add "does not say /$3/"
  # Others' words: backtraces, exceptions nobody caught, sanitizers.
  ! grep -qE 'frame #[0-9]|what\(\):|terminate called|Exception raised|filesystem error|json\.exception' <<<"$err" ||
    add "not in our words"
  verdict "$1" "$problem" "$out
$err"
}
# fault_absent NAME PATTERN: the last command did not say this.
fault_absent() {
  local problem=
  ! grep -qE -e "$2" <<<"$out$err" || add "says /$2/"
  verdict "$1" "$problem" "$out
$err"
}
# await PID: the status of a background job, which is killed where it does not end.
await() {
  local ended=0
  { timeout "$limit_seconds" tail --pid="$1" -f /dev/null || kill -9 "$1"; } >/dev/null 2>&1 &
  wait "$1" || ended=$?
  return "$ended"
}
# until_there FILE PID: waits for the file, as long as the job runs.
until_there() { until [ -s "$1" ] || ! kill -0 "$2" 2>/dev/null; do sleep 0.02; done; }
# holds NAME COMMAND…: after the last command this is so.
holds() {
  local name=$1 problem=
  shift
  "$@" >"$answers/holds.txt" 2>&1 || add "not so: $*"
  verdict "$name" "$problem" "$(<"$answers/holds.txt")"
}
# small_disk NAME SIZE: an empty disk $work/NAME.
small_disk() {
  mkdir -p "$work/$1"
  mount -t tmpfs -o "size=$2" none "$work/$1"
}
# fill_disk NAME: nothing more fits.
fill_disk() { dd if=/dev/zero of="$work/$1/filling" bs=64k status=none 2>/dev/null || true; }
# no_temporaries FOLDER: nothing hidden lies below it.
no_temporaries() { [ -z "$(find "$1" -name '.?*' ! -name '.lock*' | tee /dev/stderr)" ]; }

"$stemsmith" synth "$small/songs" --songs 4 --seconds 5 --quiet
"$stemsmith" prepare folders "$small/songs" --sample-rate 8000 --out "$small/cache.h5" --quiet
cat >"$small/config.yaml" <<YAML
dataset: {cache: $small/cache.h5, segment_seconds: 0.25, samples_per_epoch: 40, threads: 1}
model: {name: unet, n_fft: 256, hop: 64, depth: 3, channels: 8}
loss: [{name: l1, domain: waveform}]
optimizer: {name: adam, lr: 1e-3}
train: {steps: 20, batch_size: 2, log_every_steps: 2}
validate: {every_steps: 10, max_segments: 4}
checkpoint: {every_steps: 5, keep: 1}
YAML
"$stemsmith" train "$small/config.yaml" --run "$small/run" --device cpu --threads 1 --quiet
"$stemsmith" export "$small/run" --out "$small/export" --quiet
# A model that Python's demucs knows, and its package: $small/demucs, $small/package/tiny.safetensors.
"$stemsmith" train "$small/config.yaml" --run "$small/demucs" --device cpu --threads 1 --quiet \
  --set 'model={name: demucs_v2, channels: 4, depth: 2}' train.steps=1 validate.every_steps=0
"$stemsmith" export "$small/demucs" --out "$small/package" --format safetensors --name tiny --quiet
song=$(find "$small/songs" -name drums.wav | sort | head -1)

for theme in "${themes[@]}"; do
  echo "== $theme"
  . "tests/faults/$theme.sh"
  for disk in "$work"/*/; do umount -l "$disk" 2>/dev/null || true; done
  rm -rf "$work"
  mkdir "$work"
done
count_cases
