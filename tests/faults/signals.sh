# Signals, pipes in the place of files, and far too many threads.

# signalled SIGNAL READY COMMAND…: the signal once the shell command READY succeeds.
signalled() {
  local signal=$1 ready=$2 i
  shift 2
  # A shell's background jobs do not hear SIGINT.
  env --default-signal=INT,HUP,TERM "$@" &
  local pid=$!
  for ((i = 0; i < 1500; i++)); do
    if eval "$ready" || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.02
  done
  kill -s "$signal" "$pid" 2>/dev/null
  await "$pid"
}
number_of() { kill -l "$1"; }
there() { [ -n "$(find "$1" -name "$2" -print -quit 2>/dev/null)" ]; }
# Five minutes: a made song, time and again.
long_song=$work/long.wav
join_songs() {
  local bytes=$(($(stat -c %s "$song") - 44)) i
  head -c 40 "$song"
  # The length, little-endian.
  for i in 0 8 16 24; do printf "\\x$(printf %02x $((bytes * 60 >> i & 255)))"; done
  for ((i = 0; i < 60; i++)); do tail -c +45 "$song"; done
}
join_songs >"$long_song"
for ((i = 0; i < 200; i++)); do
  mkdir -p "$work/many/train/$i"
  ln "$long_song" "$work/many/train/$i/drums.wav"
done
printf 'augment: [{name: gain, probability: 1}]\n' >"$work/augment.yaml"
printf 'model: {name: demucs_v2, channels: 4, depth: 2}\n' >"$work/model.yaml"

printf 'steps: [{model: %s}, {model: %s, input: drums, stems: {bass: low}}]\n' "$small/export/model.onnx" "$small/export/model.onnx" >"$work/chain.yaml"

for signal in HUP TERM INT; do
  status_of=$((128 + $(number_of "$signal")))
  run_at=$work/train-$signal
  fault "train: SIG$signal" "$status_of" 'stopped at step [0-9]+' \
    signalled "$signal" "grep -qs '\"event\":\"train\"' $run_at/metrics.jsonl" \
    "$stemsmith" train "$small/config.yaml" --run "$run_at" --device cpu --threads 1 --set train.steps=100000
  step=$(grep -oE 'stopped at step [0-9]+' <<<"$out" | grep -oE '[0-9]+' || true)
  holds "  with a checkpoint of that step" bash -c '"$1" inspect "$2" --json | grep -q "\"step\":$3[,}]"' _ \
    "$stemsmith" "$run_at/checkpoints/last.safetensors" "$step"
  fault "separate: SIG$signal" "$status_of" 'interrupted, the song in work was left out' \
    signalled "$signal" "there $work/stems-$signal '*.wav'" \
    "$separate" "$small/export/model.onnx" "$long_song" --out "$work/stems-$signal"
  holds "  and nothing is left of the song" bash -c '[ -z "$(find "$1" -mindepth 1)" ]' _ "$work/stems-$signal"
  fault "separate --chain: SIG$signal" "$status_of" 'interrupted, the song in work was left out' \
    signalled "$signal" "there $work/chain-$signal '*.wav'" \
    "$separate" --chain "$work/chain.yaml" "$long_song" --out "$work/chain-$signal"
  holds "  and nothing is left of the song" bash -c '[ -z "$(find "$1" -mindepth 1)" ]' _ "$work/chain-$signal"
  fault "prepare: SIG$signal" "$status_of" 'stopped' \
    signalled "$signal" "there $work/cache-$signal '.*.tmp-*'" \
    "$stemsmith" prepare folders "$small/songs" --sample-rate 192000 --threads 1 --compression 9 --out "$work/cache-$signal/cache.h5"
  holds "  and no temporary file is left" no_temporaries "$work/cache-$signal"
  fault "synth: SIG$signal" "$status_of" 'stopped after' \
    signalled "$signal" "there $work/songs-$signal '.song*'" \
    "$stemsmith" synth "$work/songs-$signal" --songs 50 --seconds 20
  holds "  and no temporary file is left" no_temporaries "$work/songs-$signal"
  fault "export: SIG$signal" "$status_of" 'the export was interrupted' \
    signalled "$signal" "there $work/model-$signal 'model.*'" \
    "$stemsmith" export "$small/run" --out "$work/model-$signal"
  holds "  and no file was written" bash -c '[ -z "$(find "$1" -type f)" ]' _ "$work/model-$signal"
  fault "augment-preview: SIG$signal" "$status_of" 'interrupted, the sample in work was left out' \
    signalled "$signal" "there $work/preview-$signal '*.wav'" \
    "$stemsmith" augment-preview "$work/augment.yaml" "$small/cache.h5" --seconds 2 --samples 1000 --out "$work/preview-$signal"
  holds "  and no temporary file is left" no_temporaries "$work/preview-$signal"
  fault "doctor: SIG$signal" "$status_of" 'stopped before all songs were examined' \
    signalled "$signal" "sleep 0.5" "$stemsmith" doctor folders "$work/many"
done
# Many files of one package: import looks between them.
import_many() {
  local packages=() i
  mkdir -p "$work/packages"
  for ((i = 0; i < 400; i++)); do
    ln -f "$small/package/tiny.safetensors" "$work/packages/p$i.safetensors"
    packages+=("$work/packages/p$i.safetensors")
  done
  signalled "$1" "there $work/imported-$1 'p3.safetensors'" "$stemsmith" import "${packages[@]}" --out "$work/imported-$1"
}
for signal in HUP TERM INT; do
  fault "import: SIG$signal" $((128 + $(number_of "$signal"))) 'the import was interrupted' import_many "$signal"
  holds "  and no temporary file is left" no_temporaries "$work/imported-$signal"
done

# What is ignored at the start stays ignored: nohup, and the background jobs of a shell.
ignoring() {  # SIGNAL RUN
  (trap '' "$1"; exec "$stemsmith" train "$small/config.yaml" --run "$2" --device cpu --threads 1 --set train.steps=200) &
  local pid=$!
  until_there "$2/checkpoints/last.safetensors" "$pid"
  kill -s "$1" "$pid"
  await "$pid"
}
for signal in HUP INT TERM; do
  fault "train with SIG$signal ignored" 0 'trained 200 steps' ignoring "$signal" "$work/ignoring-$signal"
done
# A signal that is repeated at once (a shell and the terminal both tell of a hang-up) is one.
repeating() {  # SIGNAL
  "$stemsmith" train "$small/config.yaml" --run "$work/repeating-$1" --device cpu --threads 1 \
    --set train.steps=100000 checkpoint.every_steps=0 &
  local pid=$!
  until_there "$work/repeating-$1/checkpoints/last.safetensors" "$pid"
  kill -STOP "$pid"
  kill -s "$1" "$pid"
  kill -CONT "$pid"
  kill -s "$1" "$pid"
  await "$pid"
}
for signal in HUP TERM; do
  fault "train: SIG$signal twice at once" $((128 + $(number_of "$signal"))) 'stopped at step' repeating "$signal"
done

# Pipes, sockets and devices are never opened.
mkfifo "$work/pipe" "$work/pipe.wav" "$work/pipe.onnx" "$work/pipe.ts" "$work/pipe.yaml" "$work/pipe.safetensors" \
  "$work/pipe.th" "$work/pipe.h5" "$work/pipe.csv" "$work/pipe.sf2" "$work/pipe.mp4"
limit_seconds=60
pipe() { fault "$1: a pipe" "$2" 'this is a pipe, not a file.*save' "${@:3}"; }
pipe "separate, song" 1 "$separate" "$small/export/model.onnx" "$work/pipe.wav" --out "$work/out"
pipe "separate, video" 1 "$separate" "$small/export/model.onnx" "$work/pipe.mp4" --out "$work/out"
pipe "separate, model.onnx" 1 "$separate" "$work/pipe.onnx" "$song" --out "$work/out"
pipe "separate, model.ts" 1 "$separate" "$work/pipe.ts" "$song" --out "$work/out"
pipe "train, configuration" 1 "$stemsmith" train "$work/pipe.yaml" --run "$work/out/run"
pipe "train, cache" 1 "$stemsmith" train "$small/config.yaml" --run "$work/out/run" --set "dataset.cache=$work/pipe.h5"
pipe "train, weights" 1 "$stemsmith" train "$small/config.yaml" --run "$work/out/run" --device cpu \
  --set "init=$work/pipe.safetensors"
pipe "export" 1 "$stemsmith" export "$work/pipe.safetensors" --out "$work/out"
pipe "import, .th" 1 "$stemsmith" import "$work/pipe.th" --out "$work/out"
pipe "import, .safetensors" 1 "$stemsmith" import "$work/pipe.safetensors" --out "$work/out"
pipe "import, configuration" 1 "$stemsmith" import "$small/package/tiny.safetensors" --config "$work/pipe.yaml" --out "$work/out"
pipe "inspect" 1 "$stemsmith" inspect "$work/pipe"
pipe "inspect, cache" 1 "$stemsmith" inspect "$work/pipe.h5"
pipe "augment-preview, configuration" 1 "$stemsmith" augment-preview "$work/pipe.yaml" "$small/cache.h5" --out "$work/out"
pipe "augment-preview, cache" 1 "$stemsmith" augment-preview "$work/augment.yaml" "$work/pipe.h5" --out "$work/out"
pipe "prepare, recipe" 1 "$stemsmith" prepare folders "$small/songs" --recipe "$work/pipe.yaml" --out "$work/out/cache.h5"
pipe "prepare, table" 1 "$stemsmith" prepare csv "$work/pipe.csv" --out "$work/out/cache.h5"
pipe "synth, sound font" 1 "$stemsmith" synth "$work/out/songs" --songs 1 --seconds 5 --soundfont "$work/pipe.sf2"
fault "separate, song: standard input" 1 'this is a pipe, not a file.*save' \
  bash -c 'cat "$3" | "$1" "$2" /dev/stdin --out "$4"' _ "$separate" "$small/export/model.onnx" "$song" "$work/out"
fault "separate, song: <(…)" 1 'this is a pipe, not a file.*save' \
  bash -c '"$1" "$2" <(cat "$3") --out "$4"' _ "$separate" "$small/export/model.onnx" "$song" "$work/out"
fault "separate, model: <(…)" 1 'this is a pipe, not a file.*save' \
  bash -c '"$1" <(cat "$2") "$3" --out "$4"' _ "$separate" "$small/export/model.onnx" "$song" "$work/out"
fault "train, configuration: standard input" 1 'this is a pipe, not a file.*save' \
  bash -c 'cat "$2" | "$1" train /dev/stdin --run "$3"' _ "$stemsmith" "$small/config.yaml" "$work/out/run"
fault "separate, song: a device" 1 'this is a device, not a file' \
  "$separate" "$small/export/model.onnx" /dev/zero --out "$work/out"
fault "inspect: a device" 1 'this is a device, not a file' "$stemsmith" inspect /dev/zero
fault "train, configuration: a device" 1 'this is a device, not a file' "$stemsmith" train /dev/zero --run "$work/out/run"
# In folders they are no audio: separate names it, a song that lacks it is named, the others are done.
mkdir -p "$work/songs/train/Good" "$work/songs/train/Piped"
for stem in drums bass; do
  cp "$song" "$work/songs/train/Good/$stem.wav"
  cp "$song" "$work/songs/train/Piped/$stem.wav"
done
rm "$work/songs/train/Piped/drums.wav" && mkfifo "$work/songs/train/Piped/drums.wav"
fault "separate, folder with a pipe" 1 'this is a pipe, not a file.*Piped' \
  "$separate" "$small/export/model.onnx" "$work/songs" --out "$work/stems"
holds "  and the other song is done" there "$work/stems" 'drums.wav'
fault "prepare, folder with a pipe" 1 '"drums" is missing.*Piped' \
  "$stemsmith" prepare folders "$work/songs" --out "$work/piped/cache.h5"
holds "  and the other song is in the cache" bash -c '"$1" inspect "$2" | grep -q " 1 songs"' _ "$stemsmith" "$work/piped/cache.h5"
fault "doctor, folder with a pipe" 1 'Piped.*"drums" is missing' "$stemsmith" doctor folders "$work/songs"
# External data.
cp -r "$small/export" "$work/model"
mkfifo "$work/model/model.onnx.data"
pipe "separate, external data" 1 "$separate" "$work/model/model.onnx" "$song" --out "$work/out"
limit_seconds=240

# Far too many threads.
fault "separate --threads 1024" 2 "1024 compute threads on [0-9]+ processors" "$separate" "$small/export/model.onnx" "$song" --out "$work/threads" --threads 1024
fault "separate --threads 1024, model.ts" 2 "1024 compute threads on" "$separate" "$small/export/model.ts" "$song" --out "$work/threads" --threads 1024
fault "train --threads 1024" 2 "1024 compute threads on" "$stemsmith" train "$small/config.yaml" --run "$work/threads/run" --device cpu --threads 1024
fault "prepare --threads 1024" 0 '4 songs' \
  "$stemsmith" prepare folders "$small/songs" --sample-rate 8000 --out "$work/threads/cache.h5" --threads 1024
fault "doctor --threads 1024" 0 '' "$stemsmith" doctor folders "$small/songs" --threads 1024
fault "train, 1024 loader threads" 0 'trained' "$stemsmith" train "$small/config.yaml" --run "$work/threads/loader" --device cpu \
  --threads 1 --set dataset.threads=1024
