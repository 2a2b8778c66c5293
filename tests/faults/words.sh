# Numbers that are none, other libraries' errors, and few bytes that stand for many.

cp "$song" "$work/good.wav"
model=$small/export/model.onnx
limited() { bash -c 'ulimit "$1" "$2"; shift 2; exec "$@"' limited "$@"; }

# Options.
for value in nan inf -0.1 1 '' 0,5 0x0; do
  fault "separate --overlap '$value'" 2 "--overlap must be a number from 0 to 0.999, not '$value'" \
    "$separate" "$model" "$work/good.wav" -o "$work/out" --overlap "$value"
done
for value in nan -1 2.5 1e30 ''; do
  fault "separate --threads '$value'" 2 "--threads must be a whole number from 0 to 1024, not '$value'" \
    "$separate" "$model" "$work/good.wav" -o "$work/out" --threads "$value"
done
for value in nan 1.5 ''; do
  fault "prepare --valid-fraction '$value'" 2 "must be a number from 0 to 1, not '$value'" \
    "$stemsmith" prepare folders "$small/songs" --out "$work/no.h5" --valid-fraction "$value"
done
for value in -1 1.5 nan ''; do
  fault "synth --seed '$value'" 2 "--seed must be a whole number of at least 0, not '$value'" \
    "$stemsmith" synth "$work/no" --songs 1 --seed "$value"
  fault "train --threads '$value'" 2 "--threads must be a whole number from 0 to 4096, not '$value'" \
    "$stemsmith" train "$small/config.yaml" --run "$work/no" --threads "$value"
done
for value in , drums,,bass ''; do
  fault "separate --stems '$value'" 2 '--stems' \
    "$separate" "$model" "$work/good.wav" -o "$work/out" --stems "$value"
done
fault "separate --stems of one stem twice" 0 '1 stem in' \
  "$separate" "$model" "$work/good.wav" -o "$work/out" --stems drums,drums
fault "export --format ," 2 'a name in --format is empty' \
  "$stemsmith" export "$small/run" --out "$work/no" --format ,

# Configurations and the environment.
for setting in train.batch_size=nan train.batch_size=2.5 optimizer.lr=.inf optimizer.lr=0x1 train.seed=-1 \
  dataset.segment_seconds=1e999 "train.steps=''"; do
  fault "train --set $setting" 2 "${setting%%=*}|${setting#*.}|must be a (whole )?number|outside" \
    "$stemsmith" train "$small/config.yaml" --run "$work/no" --quiet --set "$setting"
done
for setting in model.n_fft=1073741824 model.hop=99999999 model.channels=1000000000; do
  fault "train --set $setting" 2 'outside' \
    "$stemsmith" train "$small/config.yaml" --run "$work/no" --quiet --set "$setting"
done
for rank in nan -1 1x; do
  fault "train as rank $rank" 2 'RANK must be a whole number from 0' \
    env RANK="$rank" WORLD_SIZE=2 "$stemsmith" train "$small/config.yaml" --run "$work/no"
done

# Records that somebody wrote into.
cp -r "$small/run" "$work/records"
for record in '{"step":1e99,"event":"train"}' '{"step":5,"event":7}' '{"step":true}' 'nonsense' \
  '{"step":5,"event":"start","total_steps":"many"}' '{"step":5,"event":"end","signal":[]}'; do
  echo "$record" >>"$work/records/metrics.jsonl"
  fault "watch beside the record $record" 0 'step|train' "$stemsmith" watch "$work/records" --once
done

# Aliases of aliases, depth, length: under 1 GiB.
python3 - "$work" <<'PYTHON'
import sys
work = sys.argv[1]
def bomb(name, item):
    lines = ["a0: &a0 " + item]
    for level in range(1, 30):
        lines.append(f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]")
    open(f"{work}/{name}.yaml", "w").write("\n".join(lines) + "\n")
bomb("texts", "[x]")
bomb("maps", "{k: v}")
open(f"{work}/deep.yaml", "w").write("a: " + "[" * 100000)
open(f"{work}/long.yaml", "w").write("a: [" + "1, " * 300000 + "1]\n")
open(f"{work}/circle.yaml", "w").write("extends: circle.yaml\n")
with open(f"{work}/records/metrics.jsonl", "a") as out:
    out.write("[" * 1000000 + "\n")
    for i in range(3000):
        out.write('{"event":"train","step":%d,"x%d":1}\n' % (100 + i, i))
PYTHON
for name in texts maps deep long circle; do
  fault "recipe $name.yaml" 2 "$name.yaml" limited -v 1000000 \
    "$stemsmith" prepare folders "$small/songs" --out "$work/no.h5" --recipe "$work/$name.yaml"
  fault "configuration $name.yaml" 2 "$name.yaml" \
    "$stemsmith" train "$work/$name.yaml" --run "$work/no"
done
fault "watch beside records of 3000 names" 0 'step' limited -v 1000000 \
  "$stemsmith" watch "$work/records" --once

# Out of memory, threads and files.
for kilobytes in 45000 55000 65000; do
  fault "separate within $kilobytes kB" 1 'out of memory|starts no more threads|cannot start a thread' \
    limited -v "$kilobytes" "$separate" "$model" "$work/good.wav" -o "$work/out"
done
fault "prepare with few open files" 1 'Too many open files.*ulimit -n' limited -n 6 \
  "$stemsmith" prepare folders "$small/songs" --out "$work/few.h5" --quiet
fault_absent "which is not blamed on the disk" 'disk full|free some space'
fault "separate with few open files" 1 'Too many open files|ulimit -n' limited -n 4 \
  "$separate" "$model" "$work/good.wav" -o "$work/out"
fault_absent "which is not blamed on the disk" 'disk full|free some space'

# A full disk, while each file of an export is written, and a limit on their size.
for format in torchscript onnx; do
  small_disk "$format" 64k
  fault "export of $format to a full disk" 1 'No space left on device.*model\.(ts|onnx).*free some space' \
    "$stemsmith" export "$small/run" --out "$work/$format/out" --format "$format" --quiet
  fault_absent "names the final path" '\.tmp-'
  holds "nothing is left of it" no_temporaries "$work/$format"
done
fault "export --onnx-inline-mib 0 to a full disk" 1 'No space left on device.*free some space' \
  "$stemsmith" export "$small/run" --out "$work/onnx/out" --format onnx --onnx-inline-mib 0 --quiet
fault "export beyond the limit of file sizes" 1 'File too large.*ulimit -f' limited -f 16 \
  "$stemsmith" export "$small/run" --out "$work/limit" --quiet

# Weights beside a model.
"$stemsmith" export "$small/run" --out "$work/beside" --format onnx --onnx-inline-mib 0 --quiet
"$stemsmith" train "$small/config.yaml" --run "$work/run" --set train.seed=7 train.steps=2 --device cpu --quiet
"$stemsmith" export "$work/run" --out "$work/other" --format onnx --onnx-inline-mib 0 --quiet
mv "$work/beside/model.onnx.data" "$work/weights"
try_weights() {
  fault "separate with weights $1" 1 "$2" "$separate" "$work/beside/model.onnx" "$work/good.wav" -o "$work/out"
}
try_weights missing 'missing.*model\.onnx\.data'
head -c 5000 "$work/weights" >"$work/beside/model.onnx.data"
try_weights "cut off" 'cut off|do not belong|checksum'
: >"$work/beside/model.onnx.data"
try_weights empty 'cut off|do not belong|checksum'
cp "$work/other/model.onnx.data" "$work/beside/"
try_weights swapped 'cut off|do not belong|checksum'

# A song that is no audio.
python3 - "$work" <<'PYTHON'
import struct, sys
for name, peak in (("far", 1e20), ("farther", 1e30), ("farthest", 3e38)):
    data = b"".join(struct.pack("<f", peak if i % 2 else -peak) for i in range(16000))
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 3, 1, 8000, 32000, 4, 32) + b"data" + struct.pack("<I", len(data))
    open(f"{sys.argv[1]}/{name}.wav", "wb").write(head + data)
PYTHON
for name in far farther farthest; do
  fault "separate of samples $name beyond full scale" 1 "full scale.*$name.wav" \
    "$separate" "$model" "$work/$name.wav" -o "$work/out"
  fault_absent "which is not blamed on the model" 'diverged'
done
