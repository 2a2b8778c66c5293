# All or nothing at every target: things in the way, sources that would be replaced, what killed processes left.
is() { [ "$(cat "$1")" = "$2" ]; }
stems=(drums bass other vocals)
old_stems() {  # FOLDER: a song's stems as they were before
  mkdir -p "$1"
  for stem in "${stems[@]}"; do echo older >"$1/$stem.wav"; done
}
all_old() {  # FOLDER BLOCKED: every other stem is as it was
  local stem
  for stem in "${stems[@]}"; do
    [ "$stem" = "$2" ] || is "$1/$stem.wav" older || return 1
  done
}
printf 'augment: [{name: gain, probability: 1}]\n' >"$work/augment.yaml"

# A folder in the way of one of several files: the others stay as they were.
for blocked in drums other vocals; do
  old_stems "$work/stems/Song"
  rm "$work/stems/Song/$blocked.wav" && mkdir "$work/stems/Song/$blocked.wav"
  cp "$song" "$work/Song.wav"
  fault "separate: a folder in the way of $blocked.wav" 1 "a folder is in the way.*$blocked.wav" \
    "$separate" "$small/export/model.onnx" "$work/Song.wav" --out "$work/stems" --quiet
  holds "  and the other stems are as before" all_old "$work/stems/Song" "$blocked"
  holds "  and nothing half-written" no_temporaries "$work/stems"
  rm -r "$work/stems"
done
for file in model.ts model.onnx; do
  rm -rf "$work/model" && cp -r "$small/export" "$work/model"
  rm "$work/model/$file" && mkdir "$work/model/$file"
  other=$([ "$file" = model.ts ] && echo model.onnx || echo model.ts)
  fault "export: a folder in the way of $file" 1 "a folder is in the way.*$file" \
    "$stemsmith" export "$small/demucs" --out "$work/model" --quiet
  holds "  and $other is as before" cmp "$work/model/$other" "$small/export/$other"
done
mkdir -p "$work/blocked/cache.h5" "$work/blocked/run/checkpoints/best.safetensors" "$work/blocked/tiny.safetensors" \
  "$work/blocked/preview/sample_1/mixture.png" "$work/blocked/report/report.html" "$work/blocked/songs/synth.json"
fault "prepare: a folder in the way of the cache" 2 'the output is a folder' \
  "$stemsmith" prepare folders "$small/songs" --out "$work/blocked/cache.h5" --quiet
fault "train: a folder in the way of best.safetensors" 1 'a folder is in the way.*best.safetensors' \
  "$stemsmith" train "$small/config.yaml" --run "$work/blocked/run" --device cpu --threads 1 --quiet
fault "import: a folder in the way" 1 'a folder is in the way.*tiny.safetensors' \
  "$stemsmith" import "$small/package/tiny.safetensors" --out "$work/blocked" --quiet
fault "export of a package: a folder in the way" 1 'a folder is in the way.*tiny.safetensors' \
  "$stemsmith" export "$small/demucs" --format safetensors --name tiny --out "$work/blocked" --quiet
fault "augment-preview: a folder in the way" 1 'a folder is in the way.*mixture.png' \
  "$stemsmith" augment-preview "$work/augment.yaml" "$small/cache.h5" --seconds 2 --samples 1 --out "$work/blocked/preview" --quiet
holds "  and nothing of the sample is there" bash -c '[ -z "$(find "$1" -type f)" ]' _ "$work/blocked/preview"
cp -r "$small/run/." "$work/blocked/report" 2>/dev/null || true
fault "watch --report: a folder in the way" 1 'a folder is in the way.*report.html' \
  "$stemsmith" watch "$work/blocked/report" --report
fault "synth: a folder in the way" 1 'folder.*synth.json' \
  "$stemsmith" synth "$work/blocked/songs" --songs 1 --seconds 5 --quiet
mkfifo "$work/blocked/pipe.h5"
fault "prepare: a pipe in the way of the cache" 2 'exists and is no cache' \
  "$stemsmith" prepare folders "$small/songs" --out "$work/blocked/pipe.h5" --quiet
fault "separate: a file in the way of the folder" 2 'the output folder is a file' \
  "$separate" "$small/export/model.onnx" "$work/Song.wav" --out "$work/augment.yaml" --quiet

# Targets that are sources.
cp -r "$small/demucs" "$work/run"
for name in best last; do
  cp "$small/demucs/checkpoints/last.safetensors" "$work/run/checkpoints/$name.safetensors"
  sum=$(md5sum <"$work/run/checkpoints/$name.safetensors")
  fault "export: into the checkpoint $name that it reads" 2 'is read, and would be replaced' "$stemsmith" export \
    "$work/run/checkpoints/$name.safetensors" --format safetensors --name "$name" --out "$work/run/checkpoints" --quiet
  holds "  and it is as before" bash -c '[ "$(md5sum <"$1")" = "$2" ]' _ "$work/run/checkpoints/$name.safetensors" "$sum"
done
ln -s "$work/run/checkpoints" "$work/link"
fault "export: through a link to the folder" 2 'is read, and would be replaced' "$stemsmith" export \
  "$work/run" --format safetensors --name best --out "$work/link" --quiet
mkdir "$work/hard" && ln "$work/run/checkpoints/best.safetensors" "$work/hard/model.ts"
fault "export: a second name of the checkpoint" 2 'is read, and would be replaced' \
  "$stemsmith" export "$work/run" --out "$work/hard" --quiet
fault "import: into the folder of the file" 2 'is read, and would be replaced' \
  "$stemsmith" import "$small/package/tiny.safetensors" --out "$small/package" --quiet
ln -s "$small/package" "$work/packages"
fault "import: the same through a link" 2 'is read, and would be replaced' \
  "$stemsmith" import "$small/package/tiny.safetensors" --out "$work/packages" --quiet
mkdir -p "$work/in/A" && cp "$song" "$work/in/A.wav" && cp "$song" "$work/in/A/drums.wav"
fault "separate: a stem in the place of another song" 2 'is read, and would be replaced' \
  "$separate" "$small/export/model.onnx" "$work/in/A.wav" "$work/in/A/drums.wav" --out "$work/in" --quiet
holds "  and nothing was written" bash -c '[ "$(find "$1" -type f | wc -l)" = 2 ]' _ "$work/in"
mkdir -p "$work/own" && cp "$small/config.yaml" "$work/own/config.yaml"
fault "train: the configuration in the run folder" 2 'is read, and would be replaced' \
  "$stemsmith" train "$work/own/config.yaml" --run "$work/own" --device cpu --threads 1 --quiet
holds "  and it is as before" cmp "$small/config.yaml" "$work/own/config.yaml"
fault "prepare: the cache in the place of a song" 2 'exists and is no cache' \
  "$stemsmith" prepare folders "$work/in" --out "$work/in/A/drums.wav" --quiet
holds "  and the song is as before" cmp "$song" "$work/in/A/drums.wav"

# What killed processes left is removed by the next one, whatever song it works on; a living one's and another host's stay.
killed_separate() {  # SONG
  "$separate" "$small/export/model.onnx" "$1" --out "$work/stems" --quiet &
  local pid=$!
  until compgen -G "$work/stems/.*.tmp-*/*.wav" >/dev/null || ! kill -0 "$pid" 2>/dev/null; do :; done
  kill -9 "$pid"
  wait "$pid"
}
mkdir "$work/long"
for ((i = 0; i < 30; i++)); do cat "$song"; done >"$work/long/first.wav"
cp "$work/long/first.wav" "$work/long/second.wav"
for name in first second; do
  fault "separate is killed at its song '$name'" 137 '' killed_separate "$work/long/$name.wav"
done
foreign=$work/stems/.files.tmp-00000000-1-1-0
mkdir "$foreign"
"$separate" "$small/export/model.onnx" "$work/Song.wav" --out "$work/stems" --quiet
holds "the next one removes what they left, and not that of another host" \
  bash -c '[ "$(find "$1" -name ".*")" = "$2" ]' _ "$work/stems" "$foreign"
old=$work/stems/.drums.wav.tmp-9999999-0.wav new=$work/stems/.bass.wav.tmp-9999999-0.wav
touch -d '3 days ago' "$old" && touch "$new"
"$separate" "$small/export/model.onnx" "$work/Song.wav" --out "$work/stems" --quiet
holds "names of earlier versions go when they are old" bash -c '[ ! -e "$1" ] && [ -e "$2" ]' _ "$old" "$new"
# While one works, another must leave its files alone.
"$separate" "$small/export/model.onnx" "$work/long/first.wav" --out "$work/both" --quiet &
living=$!
until compgen -G "$work/both/.*.tmp-*/*.wav" >/dev/null || ! kill -0 "$living" 2>/dev/null; do :; done
"$separate" "$small/export/model.onnx" "$work/Song.wav" --out "$work/both" --quiet
fault "separate beside another one that has removed leftovers" 0 '' await "$living"
holds "  and both songs are there" bash -c '[ -s "$1/first/drums.wav" ] && [ -s "$1/Song/drums.wav" ]' _ "$work/both"

# Two on one folder.
"$stemsmith" synth "$work/shared" --songs 20 --seconds 20 --quiet &
living=$!
until [ -e "$work/shared/synth.json" ]; do sleep 0.02; done
fault "synth: a second one on one folder" 2 'another process is making songs' \
  "$stemsmith" synth "$work/shared" --songs 20 --seconds 20 --quiet
kill -9 "$living"
wait "$living" 2>/dev/null || true
fault "synth: after a killed one" 0 '' "$stemsmith" synth "$work/shared" --songs 1 --seconds 20 --force --quiet
holds "  nothing half-written is left" no_temporaries "$work/shared"
