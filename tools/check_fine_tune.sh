#!/usr/bin/env bash
# Whether fine-tuning pays: a U-Net trained on the demo's four stems, then trained on for drums and accompaniment with ten
# other songs (configs/fine_tune.yaml), beside the same U-Net trained from scratch on these ten songs, with the demo's
# configuration and as many steps; all in a smaller size. Prints the validation of both, and ends with 1 where fine-tuning does not come out ahead.
#
#   tools/check_fine_tune.sh [--lora] [--base-steps 200] [--steps 60] [--every 10] [--keep DIR]
#
# --lora: a small RoFormer instead, trained on by low-rank adapters beside being trained on as a whole; ends with 0.
# About 3 minutes on 2 cores after set-up and build; STEMSMITH_BUILD_DIR names a build that is to be taken as it is.
# --keep leaves songs, caches and runs in DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
base_steps=200 steps=60 every=10 folder= lora=0
usage() { sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --base-steps | --steps | --every)
      [[ "${2:-}" =~ ^[1-9][0-9]{0,5}$ ]] || usage
      name=${1#--}
      declare "${name//-/_}=$2"
      shift 2
      ;;
    --lora) lora=1; shift ;;
    --keep) [ -n "${2:-}" ] || usage; folder=$2; shift 2 ;;
    *) usage ;;
  esac
done
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith
fi
stemsmith=$build/bin/stemsmith
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
started=$SECONDS
say() { echo "[$((SECONDS - started)) s] $*"; }

say "songs: 16 of four stems for the model, 10 others to tune it with"
"$stemsmith" synth "$folder/songs" --songs 16 --seconds 30 --seed 1 --valid-songs 3 --test-songs 0 --quiet
"$stemsmith" synth "$folder/own" --songs 14 --seconds 30 --seed 71 --valid-songs 4 --test-songs 0 --quiet
"$stemsmith" prepare folders "$folder/songs" --out "$folder/songs.h5" --quiet
"$stemsmith" prepare folders "$folder/own" --recipe configs/recipes/drums-accompaniment.yaml --out "$folder/own.h5" --quiet

train() { # RUN CONFIGURATION CACHE STEPS EVERY SETTING…
  local run=$1 config=$2 cache=$3 count=$4 each=$5
  shift 5
  # One thread: the same figures whatever the machine.
  "$stemsmith" train "$config" --run "$folder/$run" --device cpu --threads 1 --quiet --set \
    "dataset.cache=$folder/$cache" dataset.segment_seconds=1.486 "train.steps=$count" train.batch_size=4 \
    "validate.every_steps=$each" validate.max_segments=32 "$@"
}
first=fine-tuned second="from scratch"
if [ "$lora" = 0 ]; then
  say "the model: $base_steps steps on four stems (configs/demo_unet.yaml)"
  train base configs/demo_unet.yaml songs.h5 "$base_steps" "$base_steps" model.channels=8
  say "fine-tuned: $steps steps from its weights (configs/fine_tune.yaml)"
  train first configs/fine_tune.yaml own.h5 "$steps" "$every" "init.file=$folder/base"
  say "from scratch: $steps steps (configs/demo_unet.yaml)"
  train second configs/demo_unet.yaml own.h5 "$steps" "$every" model.channels=8
else
  first=adapters second="all weights"
  say "the model: $base_steps steps on four stems (configs/demo_roformer.yaml)"
  train base configs/demo_roformer.yaml songs.h5 "$base_steps" "$base_steps"
  start=("init.file=$folder/base" init.copy.accompaniment=other)
  # Each at the best of the rates 3e-4, 1e-3, 3e-3 and 1e-2.
  say "adapters: $steps steps of adapters of rank 4 on all layers (configs/fine_tune_lora.yaml)"
  train first configs/fine_tune_lora.yaml own.h5 "$steps" "$every" "${start[@]}" 'lora.targets=["*"]' lora.rank=4 optimizer.lr=1e-2
  say "all weights: $steps steps of all of them"
  train second configs/fine_tune.yaml own.h5 "$steps" "$every" "${start[@]}" optimizer.name=adamw optimizer.lr=1e-3
fi

# "STEP LOSS SDR DRUMS ACCOMPANIMENT" of each validation.
figures() {
  awk '/"event":"validation"/ {
    split("step loss mean_sdr_db", keys, " ")
    line = ""
    for (k = 1; k <= 3; ++k) {
      if (!match($0, "\"" keys[k] "\":[-0-9.e]+")) exit 1
      value = substr($0, RSTART, RLENGTH)
      sub(/.*:/, "", value)
      line = line value " "
    }
    text = $0
    sub(/"mixture_sdr_db":\{[^}]*\}/, "", text)
    match(text, /"sdr_db":\{[^}]*\}/)
    stems = substr(text, RSTART, RLENGTH)
    split("drums accompaniment", names, " ")
    for (k = 1; k <= 2; ++k) {
      match(stems, "\"" names[k] "\":[-0-9.e]+")
      value = substr(stems, RSTART, RLENGTH)
      sub(/.*:/, "", value)
      line = line value " "
    }
    print line
  }' "$folder/$1/metrics.jsonl"
}
say "validation on $(ls "$folder/own/valid" | wc -l) songs that none of them was trained on; SDR in dB (drums, accompaniment)"
join <(figures first | sort -k1,1) <(figures second | sort -k1,1) | sort -n | awk -v first="$first" -v second="$second" -v lora="$lora" '
  BEGIN { printf " step | %-35s | %-33s | difference\n", first ": loss  SDR", second ": loss  SDR" }
  {
    printf "%5d | %8.5f  %6.2f (%6.2f, %6.2f) | %8.5f  %6.2f (%6.2f, %6.2f) | %+6.2f dB\n",
      $1, $2, $3, $4, $5, $6, $7, $8, $9, $3 - $7
    difference = $3 - $7
    step = $1
    if (best == "" || $7 > best) best = $7
    tuned[$1] = $3
    order[++n] = $1
  }
  END {
    for (i = 1; i <= n; ++i) if (tuned[order[i]] >= best) { reached = order[i]; break }
    printf "After %d steps \"%s\" is %.2f dB ahead of \"%s\"", step, first, difference, second
    if (reached != "") printf "; the best that this came to (%.2f dB) it had at step %d", best, reached
    print "."
    exit difference > 0 || lora ? 0 : 1
  }'
