#!/usr/bin/env bash
# Stops `stemsmith train` at random moments by SIGHUP, SIGTERM, SIGINT or SIGKILL (at random too), resumes, and compares
# the finished run with an uninterrupted one, bit for bit: every tensor of every checkpoint (weights, averages, optimiser,
# random numbers), the training state, and the losses and figures in metrics.jsonl. After the first three signals train
# must have ended with 129, 143 or 130 and left a checkpoint of the step that it stopped at. Every other signal waits for a
# checkpoint that is being written.
#
#   tools/check_resume_kill.sh [KILLS [SEED]] [-- OPTIONS OF TRAIN…]          30 kills, seed 1
#
# The songs are made by `stemsmith synth`. Ends with 1 where anything differs, and where no SIGKILL fell into the middle of
# an epoch or of a checkpoint. About two minutes after set-up and build; STEMSMITH_BUILD_DIR names a build that is to be
# taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
numbers=() options=()
while [ $# -gt 0 ]; do
  if [ "$1" = -- ]; then
    shift
    options=("$@")
    break
  fi
  [[ "$1" =~ ^[1-9][0-9]{0,4}$ ]] || usage
  numbers+=("$1")
  shift
done
[ ${#numbers[@]} -le 2 ] || usage
kills=${numbers[0]:-30} seed=${numbers[1]:-1}
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith
fi
stemsmith=$build/bin/stemsmith
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
RANDOM=$seed

"$stemsmith" synth "$folder/songs" --songs 4 --seconds 5 --seed "$seed" --quiet
"$stemsmith" prepare folders "$folder/songs" --sample-rate 8000 --out "$folder/cache.h5" --quiet
# Epochs of 11 batches, checkpoints each 7 and records each 3 steps: they rarely fall together.
steps=240 batches=11
cat >"$folder/config.yaml" <<YAML
dataset: {cache: $folder/cache.h5, segment_seconds: 0.25, samples_per_epoch: 44, threads: 2}
augment: [{name: gain, probability: 0.7}, {name: remix, probability: 0.5}, {name: shift, max_seconds: 0.2}]
model: {name: unet, n_fft: 256, hop: 64, depth: 3, channels: 8, dropout: 0.1}
loss: [{name: l1, domain: waveform}]
optimizer: {name: adamw, lr: 2e-3}
gradient_clip: 5
schedule: {name: cosine, warmup_steps: 10}
train: {steps: $steps, batch_size: 4, log_every_steps: 3}
ema: {batch: [0.9, 0.99], epoch: [0.7]}
validate: {every_steps: 20, max_segments: 8}
checkpoint: {every_steps: 7, keep: 2}
YAML
train=("$stemsmith" train "$folder/config.yaml" --device cpu --threads 1 --quiet ${options[@]+"${options[@]}"} --run)

now_ms() { echo $(($(date +%s%N) / 1000000)); }
different() { echo "DIFFERENT: $*"; exit 1; }
# A checkpoint is a header (its length in 8 bytes, then JSON) and the tensors' bytes.
header_bytes() { od -An -t u8 -N 8 "$1" | tr -d ' '; }
tensors() { tail -c +$((9 + $(header_bytes "$1"))) "$1"; }
header() {
  head -c $((8 + $(header_bytes "$1"))) "$1" | tail -c +9 | sed -E 's/\\"seconds\\":[0-9.e+-]+//g; s/"xxh3:[0-9a-f]+"//; s/ *$//'
}
# Where the last checkpoint stands: batch and epoch.
position() { header "$1" | sed -nE 's/.*\\"loader\\":\{\\"batch\\":([0-9]+),\\"epoch\\":([0-9]+)\}.*/\1 \2/p'; }
# What depends neither on the machine's speed nor on how often the run began.
records() {
  grep -vE '"event":"(start|end)"' "$1/metrics.jsonl" |
    grep -oE '"(event|step|epoch|loss|learning_rate|gradient_norm|best|mean_sdr_db|average)":[^,}]*'
}
compare_checkpoint() {
  cmp -s <(tensors "$1") <(tensors "$2") || different "tensors of $(basename "$1")"
  cmp -s <(header "$1") <(header "$2") || different "names, shapes or state in $(basename "$1")"
}
compare_finished() {
  local file
  [ "$(ls -A "$folder/whole/checkpoints")" = "$(ls -A "$folder/killed/checkpoints")" ] ||
    different "checkpoints: $(ls -A "$folder/killed/checkpoints")"
  for file in "$folder/whole/checkpoints"/*; do
    compare_checkpoint "$file" "$folder/killed/checkpoints/$(basename "$file")"
  done
  cmp -s <(records "$folder/whole") <(records "$folder/killed") || different "metrics.jsonl"
  finished=$((finished + 1))
}
go_on() {
  local resume=()
  [ ! -e "$last" ] || resume=(--resume)
  # A shell's background jobs do not hear SIGINT.
  exec env --default-signal=INT "${train[@]}" "$folder/killed" ${resume[@]+"${resume[@]}"}
}
half_written() { compgen -G "$folder/killed/checkpoints/.*.safetensors.tmp-*-$1-*" >/dev/null; }
# Where the session that is to leave a checkpoint says it stopped; "none" where it had not begun yet.
stopped_at() {
  [ "$folder/killed/metrics.jsonl" -nt "$folder/begun" ] || { echo none; return; }
  tail -1 "$folder/killed/metrics.jsonl" | sed -nE '/"event":"end"/s/.*"step":([0-9]+).*/\1/p'
}
signals=(HUP INT KILL TERM)

begun=$(now_ms)
"${train[@]}" "$folder/whole"
whole_ms=$(($(now_ms) - begun))
echo "uninterrupted: $steps steps in $whole_ms ms"
last=$folder/killed/checkpoints/last.safetensors

kill_number=0 finished=0 in_checkpoint=0 in_epoch=0 step=0
while [ "$kill_number" -lt "$kills" ] || [ "$in_checkpoint" = 0 ] || [ "$in_epoch" = 0 ]; do
  [ "$kill_number" -lt $((kills + 50)) ] || different "of $kill_number kills $in_checkpoint by SIGKILL in a checkpoint"
  # Half of what the rest should take on the average, so that kills meet all of a run.
  after_ms=$(((RANDOM * 32768 + RANDOM) % (whole_ms * (steps - step) / steps + whole_ms / 10)))
  signal=${signals[RANDOM % 4]}
  touch "$folder/begun"
  go_on 2>>"$folder/words" &
  pid=$!
  sleep "$(printf '%d.%03d' $((after_ms / 1000)) $((after_ms % 1000)))"
  if [ $((kill_number % 2)) = 1 ]; then
    until half_written "$pid" || ! kill -0 "$pid" 2>/dev/null; do :; done
  fi
  kill -s "$signal" "$pid" 2>/dev/null || true
  status=0
  wait "$pid" 2>/dev/null || status=$?
  killed=$pid pid=
  case "$status" in
    137 | 129 | 130 | 143)
      [ "$status" = $((128 + $(kill -l "$signal"))) ] || different "training ended with $status after SIG$signal"
      kill_number=$((kill_number + 1)) where=
      step=0
      if [ -e "$last" ]; then
        place=$(position "$last")
        batch=${place% *} epoch=${place#* }
        step=$((epoch * batches + batch))
      fi
      if [ "$signal" = KILL ]; then
        if half_written "$killed"; then
          in_checkpoint=$((in_checkpoint + 1)) where=", in a checkpoint"
        fi
        if [ "$((step % batches))" != 0 ]; then
          in_epoch=$((in_epoch + 1)) where+=", in mid-epoch"
        fi
      else
        said=$(stopped_at)
        [ "$said" = none ] || [ "$said" = "$step" ] || different "stopped at step $said, and the checkpoint is of step $step"
        ! half_written "$killed" || different "a temporary file is left after SIG$signal"
        [ "$said" = none ] || where=", where it stopped"
      fi
      printf 'kill %2d of %d by %-4s after %4d ms: to go on at step %3d%s\n' "$kill_number" "$kills" "$signal" \
        "$after_ms" "$step" "$where"
      ;;
    0)
      compare_finished
      echo "finished before the kill: equal; again from nothing"
      rm -r "$folder/killed"
      step=0
      ;;
    *) different "training ended with $status: $(tail -1 "$folder/words")" ;;
  esac
done
(go_on)
compare_finished
size=$(du -sb "$folder/whole/checkpoints" | cut -f1)
echo "equal: after $kill_number kills (seed $seed), $in_checkpoint in a checkpoint and $in_epoch in mid-epoch, $finished" \
  "finished runs had the checkpoints ($((size >> 10)) KiB) and records of the uninterrupted run, bit for bit"
