#!/usr/bin/env bash
# Flips random bits in each kind of file that is written to be read again, and runs the program that reads it: with one
# flip, and with fifty. Each run must end with an error of one line and exit code 1, or give the very same result as the
# sound file (flips in room that nobody reads).
#
#   tools/check_flips.sh [COUNT [SEED]]            200 files per kind and number of flips, seed 1
#
# Songs, cache, run and exports are small and made here. Ends with 1 where a result was another with exit code 0, and
# where a program was killed by a signal. A few minutes after set-up and build; STEMSMITH_BUILD_DIR names a build that is
# to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
[ $# -le 2 ] || usage
for number; do [[ "$number" =~ ^[1-9][0-9]{0,5}$ ]] || usage; done
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith separate read_cache
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bin=$(cd "$build/bin" && pwd)
stemsmith=$bin/stemsmith

"$stemsmith" synth "$folder/songs" --songs 2 --seconds 5 --quiet
"$stemsmith" prepare folders "$folder/songs" --sample-rate 8000 --out "$folder/cache.h5" --quiet
cat >"$folder/config.yaml" <<YAML
dataset: {cache: $folder/cache.h5, segment_seconds: 0.5}
augment: [{name: gain, probability: 1}]
model: {name: demucs_v2, channels: 4, depth: 2}
loss: [{name: l1, domain: waveform}]
optimizer: {name: adamw, lr: 1e-3}
schedule: {name: constant}
train: {steps: 2, batch_size: 2}
report: {songs: 0}
YAML
"$stemsmith" train "$folder/config.yaml" --device cpu --threads 1 --quiet --run "$folder/run"
"$stemsmith" export "$folder/run" --out "$folder/inside" --quiet
"$stemsmith" export "$folder/run" --out "$folder/beside" --format onnx --onnx-inline-mib 0 --quiet

python3 - "$bin" "$folder" "${1:-200}" "${2:-1}" <<'PYTHON'
import collections, hashlib, os, pathlib, random, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

programs, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
count, seed = int(sys.argv[3]), int(sys.argv[4])
stemsmith, separate = programs / "stemsmith", programs / "separate"
song = min(folder.glob("songs/**/vocals.wav"))


def separate_with(model):
    return lambda copy, out: [separate, str(copy / model), str(song), "--out", str(out), "--quiet", "--threads", "1"]


def export(copy, out):
    return [stemsmith, "export", str(copy / "last.safetensors"), "--out", str(out), "--format", "safetensors",
            "--name", "weights", "--quiet"]


def read_cache(copy, out):  # every sample and level of it, as training does
    return [programs / "read_cache", str(copy / "cache.h5")]


def inspect(copy, out):
    return [stemsmith, "inspect", str(copy / "cache.h5"), "--songs", "--json"]


track = min(path.relative_to(folder) for path in folder.glob("cache.h5.d/*.h5"))
# Kind, what is copied, which file of it gets flips, and what reads it.
KINDS = [
    (".onnx", ["inside/model.onnx"], "model.onnx", [separate_with("model.onnx")]),
    (".onnx.data", ["beside/model.onnx", "beside/model.onnx.data"], "model.onnx.data", [separate_with("model.onnx")]),
    (".ts", ["inside/model.ts"], "model.ts", [separate_with("model.ts")]),
    ("checkpoint", ["run/checkpoints/last.safetensors"], "last.safetensors", [export]),
    ("cache index", ["cache.h5", "cache.h5.d"], "cache.h5", [read_cache, inspect]),
    ("cache track", ["cache.h5", "cache.h5.d"], str(track), [read_cache]),
]


def run(case):
    copied, target, commands, flips, number = case
    with tempfile.TemporaryDirectory(dir=folder) as work:
        copy, out = pathlib.Path(work) / "files", pathlib.Path(work) / "out"
        copy.mkdir()
        for name in copied:
            source = folder / name
            shutil.copytree(source, copy / source.name) if source.is_dir() else shutil.copy2(source, copy)
        if flips:
            data = bytearray((copy / target).read_bytes())
            draw = random.Random(f"{seed} {target} {flips} {number}")
            for _ in range(flips):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            (copy / target).write_bytes(data)
        result = hashlib.sha256()
        for command in commands:
            shutil.rmtree(out, ignore_errors=True)
            done = subprocess.run(command(copy, out), capture_output=True)
            if done.returncode < 0 or done.returncode >= 128:
                return f"KILLED by signal ({done.returncode})", done.stderr
            if done.returncode != 0:
                lines = done.stderr.decode(errors="replace").strip().splitlines()
                tidy = done.returncode == 1 and len(lines) == 1 and lines[0].startswith("error: ")
                return "refused" if tidy else f"UNTIDY (exit {done.returncode})", done.stderr
            result.update(done.stdout.replace(work.encode(), b""))
            for path in sorted(out.rglob("*")):
                if path.is_file():
                    result.update(str(path.relative_to(out)).encode() + path.read_bytes())
        return result.hexdigest(), done.stderr


failed = 0
print(f"{'file':12} {'bytes':>9} {'flips':>5}  refused  the same  WRONG")
for kind, copied, target, commands in KINDS:
    # Twice, as another result of the sound file would show nothing.
    sound = {run((copied, target, commands, 0, number)) for number in range(2)}
    sound_result, said = sound.pop()
    if sound or said or " " in sound_result or sound_result == "refused":
        sys.exit(f"{kind}: the sound file gives no steady result: {sound_result} {said!r}")
    size = next((p for p in [*(folder / name for name in copied), folder / target] if p.name == pathlib.Path(target).name
                 and p.is_file())).stat().st_size
    for flips in (1, 50):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(run, [(copied, target, commands, flips, number) for number in range(count)]))
        seen = collections.Counter()
        for number, (result, said) in enumerate(results):
            word = result if result == "refused" else "same" if result == sound_result else "wrong"
            seen[word] += 1
            if word == "wrong":
                failed += 1
                print(f"  {kind}, {flips} flips, number {number}: {result}\n    {said.decode(errors='replace')[:400]}")
        print(f"{kind:12} {size:9} {flips:5} {seen['refused']:8} {seen['same']:9} {seen['wrong']:6}", flush=True)
print(f"seed {seed}: {failed} of {2 * count * len(KINDS)} wrong, killed or without an error of one line")
sys.exit(1 if failed else 0)
PYTHON
