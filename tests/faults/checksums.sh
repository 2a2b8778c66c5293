# Files that changed after they were written, by a single bit.

# Turns the lowest bit of a byte of a copy: flipped FILE PLACE, the place as a share of the size in per cent.
flipped() {
  local copy=$work/$(basename "$1") size place byte
  [ -e "$copy" ] || cp "$1" "$copy"
  size=$(stat -c %s "$copy")
  place=$(((size - 1) * $2 / 100))
  byte=$(od -An -t u1 -j "$place" -N 1 "$copy")
  printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$copy" bs=1 seek="$place" conv=notrunc status=none
}

song=$(find "$small/songs" -name vocals.wav | sort | head -n 1)
for place in 0 3 50 100; do
  for model in model.onnx model.ts; do
    flipped "$small/export/$model" "$place"
    fault "$model, a bit at $place %" 1 "$model.*(copy or )?export it again|no ONNX model" \
      "$separate" "$work/$model" "$song" --out "$work/stems" --quiet
    rm "$work/$model"
  done
  flipped "$small/run/checkpoints/last.safetensors" "$place"
  for command in "inspect" "export --format safetensors --name weights --out $work/package"; do
    # shellcheck disable=SC2086 # the command is words
    fault "${command%% *} of a checkpoint, a bit at $place %" 1 'does not match its checksum.*last.safetensors' \
      "$stemsmith" ${command%% *} "$work/last.safetensors" ${command#"${command%% *}"}
  done
  rm "$work/last.safetensors"
  cp -r "$small/cache.h5.d" "$work/"
  flipped "$small/cache.h5" "$place"
  fault "the cache's index, a bit at $place %" 1 'cache.h5.*prepare|checksum.*cache.h5|not a file that stemsmith knows.*cache.h5' \
    "$stemsmith" inspect "$work/cache.h5"
  rm -r "$work/cache.h5" "$work/cache.h5.d"
done
