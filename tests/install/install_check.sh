#!/usr/bin/env bash
# The installed tree: cmake --install into an empty folder, which is moved; then examples/ are copied elsewhere, built and
# run with that tree alone: install_check.sh BUILD.
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "install_check: $*" >&2; exit 1; }
expect() { grep -q -- "$1" <<<"$2" || fail "no '$1' in: $2"; }
refuse() { if grep -E -- "$1" <<<"$2"; then fail "$3"; fi; }

cmake --install "$build" --component separate --prefix "$work/first" >/dev/null
mv "$work/first" "$work/there"
prefix=$work/there
library=$prefix/lib/libstemsmith.so
cp -r "$source/examples" "$work/examples"
cd "$work"
alone=(env -i PATH=/usr/bin:/bin HOME="$work")

# The library shows the C interface and the public names of C++; what it needs is there, and is not too much.
names=$(nm -DC --defined-only "$library" | cut -d' ' -f3-)
expect "^stemsmith_stream_pull$" "$names"
expect "^stemsmith::Separator::SeparateFile(" "$names"
expect "^typeinfo for stemsmith::Error$" "$names"
[ -z "$(grep -vE '^(stemsmith_[a-z_]+|((typeinfo|typeinfo name|vtable) for )?stemsmith::.*)$' <<<"$names" || true)" ] ||
  fail "the library shows more than its own names: $(grep -vE '^(stemsmith_|.*stemsmith::)' <<<"$names" | head -3)"
refuse 'stemsmith::(Manifest|OverlapAdd|JsonFields|PendingF|SampleRate|.*Impl|c::|Interrupt|Progress)' "$names" "these are no public names"
needed=$("${alone[@]}" ldd "$library")
refuse 'not found|yaml|png|torch|avcodec|rubberband' "$needed" "the library needs these"
# It reads the recipes of chains.
refuse 'not found|png|torch|avcodec|rubberband' "$("${alone[@]}" ldd "$prefix/bin/separate")" "separate needs these"
expect "$prefix/lib/libonnxruntime.so.1" "$needed"
paths=$(readelf -d "$library" "$prefix"/bin/separate "$prefix"/lib/libstemsmith_libav.so 2>/dev/null | grep -E 'R(UN)?PATH' || true)
refuse '\[/|:/' "$paths" "these paths do not move with the tree"
# As whole paths: a clone in /stemsmith has a name that relative ones contain.
refuse "(^|[^A-Za-z0-9_}.])($build|$source)(/|[^A-Za-z0-9_.-]|\$)" "$(cat "$prefix"/lib/cmake/stemsmith/* "$prefix"/lib/pkgconfig/*)" "the packages name the machine that made them"
refuse 'nlohmann|yaml|torch/' "$(grep -rn '#include' "$prefix/include")" "public headers include these"

"$build/bin/make_tiny_onnx" model.onnx 44100
python3 - <<'PYTHON'
import math, struct, wave
with wave.open("song.wav", "wb") as song:
    song.setparams((2, 2, 44100, 0, "NONE", ""))
    song.writeframes(b"".join(struct.pack("<hh", int(9000 * math.sin(t / 30)), int(7000 * math.cos(t / 41)))
                              for t in range(60000)))
PYTHON
# The stem of this model is the song.
same() {
  python3 - "$1" <<'PYTHON' || fail "$1 is not the song"
import array, sys, wave
def read(path):
    with wave.open(path) as file:
        return array.array("h", file.readframes(1 << 30))
a, b = read("song.wav"), read(sys.argv[1])
assert len(a) == len(b) and max(abs(x - y) for x, y in zip(a, b)) <= 1
PYTHON
}

"${alone[@]}" "$prefix/bin/separate" model.onnx song.wav -o program >/dev/null 2>&1
same program/song/mixture.wav

# Training, beside it: its programs find each other, LibTorch and their modules.
cmake --install "$build" --component stemsmith --prefix "$prefix" >/dev/null
refuse '\[(/|:|\])|::|:\]' "$(readelf -d "$prefix/bin/stemsmith" | grep -E 'R(UN)?PATH')" "this path does not move with the tree"
expect "htdemucs" "$("${alone[@]}" "$prefix/bin/stemsmith" models)"
[ -s "$prefix/share/stemsmith/configs/models/unet.yaml" ] || fail "the configurations are not installed"
if [ -e "$prefix/lib/libstemsmith_fluidsynth.so" ]; then
  expect "made 1 songs" "$("${alone[@]}" "$prefix/bin/stemsmith" synth songs --songs 1 --seconds 5 2>&1)"
  mv "$prefix/lib/libstemsmith_fluidsynth.so" fluidsynth.so
  expect "libstemsmith_fluidsynth.so, which this installation lacks ($prefix/lib)" \
    "$("${alone[@]}" "$prefix/bin/stemsmith" synth more --songs 1 --seconds 5 2>&1 || true)"
fi

# C++ by CMake.
cmake -S examples/cpp -B cpp -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build cpp >/dev/null
expect "out_cpp/mixture.wav" "$("${alone[@]}" cpp/separate_cpp model.onnx song.wav out_cpp)"
same out_cpp/mixture.wav
expect "does not exist" "$("${alone[@]}" cpp/separate_cpp none.onnx song.wav out_cpp 2>&1 || true)"
# Modules lie beside the library, wherever the program is.
if [ -e "$prefix/lib/libstemsmith_libav.so" ] && command -v ffmpeg >/dev/null; then
  ffmpeg -loglevel error -i song.wav -c:a alac song.m4a
  "${alone[@]}" cpp/separate_cpp model.onnx song.m4a out_m4a >/dev/null
  same out_m4a/mixture.wav
  mv "$prefix/lib/libstemsmith_libav.so" libav.so
  expect "lacks ($prefix/lib)" "$("${alone[@]}" cpp/separate_cpp model.onnx song.m4a out_m4a 2>&1 || true)"
  mv libav.so "$prefix/lib/libstemsmith_libav.so"
fi

# C by pkg-config.
PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -s -C examples/c
"${alone[@]}" examples/c/separate_c model.onnx song.wav out_c 2>/dev/null
same out_c/mixture.wav
played=$("${alone[@]}" examples/c/live model.onnx)
read -r _ latency _ late _ <<<"$played"
blocks=$(((latency + 44100) / 64))
expect "last sample $((blocks * 64 - 1 - latency)).0" "$played"
[ "$late" -eq 0 ] || fail "live: $played"

# Python.
"${alone[@]}" python3 examples/python/separate_ctypes.py "$library" model.onnx song.wav out_python >/dev/null 2>&1
same out_python/mixture.wav
python=$source/.deps/venv/bin/python
if [ -x "$python" ]; then
  "${alone[@]}" "$python" examples/python/separate_onnxruntime.py model.onnx song.wav out_onnx >/dev/null
  same out_onnx/mixture.wav
fi

# Other versions are refused: by CMake, and when the program runs.
for version in 0.0.9 0.2 1.0; do
  sed "s/stemsmith 0.1 /stemsmith $version /; s/LANGUAGES CXX/LANGUAGES NONE/" "$source/examples/cpp/CMakeLists.txt" >examples/cpp/CMakeLists.txt
  rm -rf cpp
  expect "version: 0.1.0" "$(cmake -S examples/cpp -B cpp -DCMAKE_PREFIX_PATH="$prefix" 2>&1 || true)"
  [ ! -e cpp/Makefile ] || fail "find_package(stemsmith $version) found 0.1.0"
done
sed -i 's/\(define STEMSMITH_VERSION_MINOR\).*/\1 2/' "$prefix/include/stemsmith/stemsmith.h"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -s -B -C examples/c separate_c
expect "compiled for stemsmith 0.2.0, this library is 0.1.0" \
  "$("${alone[@]}" examples/c/separate_c model.onnx song.wav out_c 2>&1 || true)"
