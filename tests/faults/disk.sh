# Full disks, file-size limits, and standard output that takes nothing: no result is announced that is not there.
limited() { bash -c 'ulimit -f "$1"; shift; exec "$@"' limited "$@"; }  # KIB COMMAND…
closed() { "$@" >&-; }
full() { "$@" >/dev/full; }
no_file() { [ ! -e "$1" ]; }
step_in() { "$stemsmith" inspect "$1" --json | grep -q "\"step\":$2[,}]"; }

# The disk fills up after the start of a training: it goes on, ends with an error, and names what is there.
train_until_full() {  # DISK OPTION…: filled after the first checkpoint
  local run=$work/$1/run disk=$1
  shift
  "$stemsmith" train "$small/config.yaml" --run "$run" --device cpu --threads 1 --set "$@" &
  local pid=$!
  until_there "$run/checkpoints/last.safetensors" "$pid"
  fill_disk "$disk"
  await "$pid"
}
small_disk full 16m
fault "train: the disk fills up" 1 'the last checkpoint is not saved.*No space left on device.*on the disk are last\.safetensors of step [0-9]+' \
  train_until_full full train.steps=400 validate.every_steps=0
fault_absent "  and no step is announced" '^trained|^best at'
rm "$work/full/filling"
fault "  and it goes on when there is room" 0 'trained 400 steps' "$stemsmith" train "$small/config.yaml" \
  --run "$work/full/run" --device cpu --threads 1 --resume --set train.steps=400 validate.every_steps=0
small_disk best 16m
fault "train: the best weights do not fit" 1 'not saved.*No space left on device.*on the disk are last\.safetensors of step [0-9]+' \
  train_until_full best train.steps=200 checkpoint.every_steps=0
holds "  and only what is there is named" bash -c '
  ! grep -q "best.safetensors of step" "$1" || [ -e "$2/checkpoints/best.safetensors" ]' _ "$answers/err.txt" "$work/best/run"
fault "train: a disk that is full at the start" 1 'No space left on device' \
  "$stemsmith" train "$small/config.yaml" --run "$work/best/other" --device cpu --threads 1 --quiet

# The run folder is deleted or moved while training.
without_folder() {  # RUN COMMAND…: the command on the run folder, once there is a checkpoint
  local run=$1
  shift
  "$stemsmith" train "$small/config.yaml" --run "$run" --device cpu --threads 1 --quiet --set train.steps=100000 \
    validate.every_steps="${validate_every:-0}" train.log_every_steps="${log_every:-2}" \
    checkpoint.every_steps="${save_every:-5}" &
  local pid=$!
  until_there "$run/checkpoints/last.safetensors" "$pid"
  "$@" "$run"
  await "$pid"
}
for writes in log save validate; do
  log_every=100000 save_every=0 validate_every=0
  declare "${writes}_every=2"
  fault "train: the run folder is deleted ($writes)" 1 'the run folder was deleted or moved' \
    without_folder "$work/gone-$writes" rm -r
  holds "  and stays so" no_file "$work/gone-$writes"
done
log_every=2
fault "train: the run folder is moved" 1 'the run folder was deleted or moved' \
  without_folder "$work/moved" bash -c 'mv "$0" "$0.away"'
holds "  and is not made again" no_file "$work/moved"

# Other programs on a full disk.
small_disk tiny 200k
fault "separate: a full disk" 1 'No space left on device' \
  "$separate" "$small/export/model.onnx" "$song" --out "$work/tiny/stems" --quiet
holds "  and nothing is left" bash -c '[ -z "$(find "$1" -type f)" ]' _ "$work/tiny"
# Four stems grow side by side, 64 KiB of each at a time.
small_disk third 164k
fault "separate: the disk is full in the third of four stems" 1 'No space left on device.*third/stems/c\.wav' \
  "$separate" "$small/export/model.onnx" "$song" --out "$work/third/stems" --quiet --mix a=mixture --mix b=mixture \
  --mix c=mixture --mix d=mixture
holds "  and nothing is left" bash -c '[ -z "$(find "$1" -type f)" ]' _ "$work/third"
"$separate" "$small/export/model.onnx" - --raw-input 44100,2,16 --mix a=mixture -o - --quiet \
  < <(head -c 20000 "$song") >"$work/third/short.wav"
fault "separate: songs behind one that does not fit" 1 '1 of 2 inputs failed' \
  "$separate" "$small/export/model.onnx" "$song" "$work/third/short.wav" --out "$work/third/stems" --quiet \
  --mix a=mixture --format mp3
holds "  are separated" test -s "$work/third/stems/short/a.mp3"
fault "separate: a full disk for standard input" 1 'cannot keep standard input: No space left on device' \
  bash -c 'cat "$2" "$2" "$2" | TMPDIR=$4 "$1" "$3" - -o "$5" --quiet' _ "$separate" "$song" "$small/export/model.onnx" \
  "$work/third" "$work/stdin"
fault "prepare: a full disk" 1 'No space left on device' \
  "$stemsmith" prepare folders "$small/songs" --out "$work/tiny/cache.h5" --quiet
rm -rf "$work/tiny"/*
fault "synth: a full disk" 1 'No space left on device' "$stemsmith" synth "$work/tiny/songs" --songs 1 --seconds 5 --quiet
holds "  and no temporary file is left" no_temporaries "$work/tiny"
rm -rf "$work/tiny"/*
fill_disk tiny
fault "export: a full disk" 1 'No space left on device' "$stemsmith" export "$small/run" --out "$work/tiny/model" \
  --format onnx --quiet
holds "  and no temporary file is left" no_temporaries "$work/tiny"
fault "export: a package on a full disk" 1 'No space left' "$stemsmith" export "$small/demucs" --out "$work/tiny/model" \
  --format safetensors --quiet
fault "import: a full disk" 1 'No space left' \
  "$stemsmith" import "$small/package/tiny.safetensors" --out "$work/tiny/imported" --quiet
printf 'augment: [{name: gain, probability: 1}]\n' >"$work/augment.yaml"
fault "augment-preview: a full disk" 1 'No space left' \
  "$stemsmith" augment-preview "$work/augment.yaml" "$small/cache.h5" --seconds 2 --out "$work/tiny/preview" --quiet

# A limit of file sizes is an error with a message, and not a full disk.
small_file_limit() {  # NAME KIB COMMAND…
  local name=$1
  shift
  fault "$name: a file-size limit" 1 'File too large.*ulimit -f' limited "$@"
  fault_absent "  and no full disk is blamed" 'disk full'
}
small_file_limit separate 100 "$separate" "$small/export/model.onnx" "$song" --out "$work/limit/stems" --quiet
small_file_limit train 20 "$stemsmith" train "$small/config.yaml" --run "$work/limit/run" --device cpu --threads 1 --quiet
small_file_limit synth 100 "$stemsmith" synth "$work/limit/songs" --songs 1 --seconds 5 --quiet
small_file_limit "export of a package" 4 "$stemsmith" export "$small/demucs" --out "$work/limit/export" --format th --quiet
small_file_limit augment-preview 50 \
  "$stemsmith" augment-preview "$work/augment.yaml" "$small/cache.h5" --seconds 2 --out "$work/limit/preview" --quiet
fault "prepare: a file-size limit" 1 'File too large.*ulimit -f' limited 40 \
  "$stemsmith" prepare folders "$small/songs" --out "$work/limit/cache.h5" --quiet
fault "export: a file-size limit" 1 'File too large.*ulimit -f' limited 40 \
  "$stemsmith" export "$small/run" --out "$work/limit/model" --format onnx --quiet
holds "none of these left a temporary file" no_temporaries "$work/limit"

# Standard output.
no_output() {  # NAME COMMAND…
  local name=$1
  shift
  fault "$name: a full standard output" 1 'cannot write to standard output: No space left on device' full "$@"
  fault "$name: a closed standard output" 1 'cannot write to standard output: Bad file descriptor' closed "$@"
}
no_output "stemsmith --version" "$stemsmith" --version
no_output "stemsmith --help" "$stemsmith" --help
no_output "separate --help" "$separate" --help
no_output "separate --version" "$separate" --version
no_output "inspect of a cache" "$stemsmith" inspect "$small/cache.h5"
no_output "inspect of a run" "$stemsmith" inspect "$small/run" --json
no_output "inspect of a model" "$stemsmith" inspect "$small/export/model.onnx"
no_output models "$stemsmith" models
no_output doctor "$stemsmith" doctor folders "$small/songs" --json
no_output watch "$stemsmith" watch "$small/run" --once
no_output prepare "$stemsmith" prepare folders "$small/songs" --sample-rate 8000 --out "$small/cache.h5" --json
no_output separate "$separate" "$small/export/model.onnx" "$song" --out "$work/out/stems" --json
no_output export "$stemsmith" export "$small/run" --out "$work/out/model" --format onnx --json
no_output import "$stemsmith" import "$small/package/tiny.safetensors" --out "$work/out/imported" --json
no_output synth "$stemsmith" synth "$small/songs" --songs 4 --seconds 5 --json
no_output augment-preview "$stemsmith" augment-preview "$work/augment.yaml" "$small/cache.h5" --seconds 2 --out "$work/out/preview" --json
no_output train "$stemsmith" train "$small/config.yaml" --run "$small/run" --device cpu --threads 1 --resume --json

# A pipe that nobody reads any more ends quietly, as with other programs.
unread() { "$@" | true; return "${PIPESTATUS[0]}"; }
fault "models | true" 141 '^$' unread bash -c 'sleep 0.2; exec "$@"' _ "$stemsmith" models
fault "separate --json | true" 141 '^$' unread bash -c 'sleep 0.2; exec "$@"' _ \
  "$separate" "$small/export/model.onnx" "$song" --out "$work/out/unread" --json
fault "train --json | head -1" 141 '^$' bash -c '"$@" | true; exit "${PIPESTATUS[0]}"' _ \
  "$stemsmith" train "$small/config.yaml" --run "$work/unread" --device cpu --threads 1 --json --set train.steps=100000
holds "  and leaves a checkpoint" "$stemsmith" inspect "$work/unread/checkpoints/last.safetensors"
