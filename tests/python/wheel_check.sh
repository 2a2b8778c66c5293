#!/usr/bin/env bash
# The wheel: made twice with the same bytes, then installed into an empty environment of each Python here of those below (the last
# with OpenVINO), where the package's tests pass with its library and its command: wheel_check.sh BUILD.
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "wheel_check: $*" >&2; exit 1; }
expect() { grep -q -- "$1" <<<"$2" || fail "no '$1' in: $2"; }
cd "$work"

for round in one two; do
  STEMSMITH_BUILD_DIR=$build "$source/tools/wheel.sh" "$round" || exit $?
done
wheel=$(ls one/*.whl)
cmp "$wheel" "two/$(basename "$wheel")" || fail "the same build gives other bytes"
python3 -m zipfile -l "$wheel" | grep -qE 'libav|libonnxruntime|libtorch' && fail "the wheel holds what it must not"

# The last of each version: on the path, or of pyenv.
python_of() {
  local program
  for program in $(command -v "python$1") $(ls -d "$HOME"/.pyenv/versions/"$1".*/bin/python3 2>/dev/null | sort -V -r); do
    if "$program" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then echo "$program"; return; fi
  done
}
# In a folder whose name LD_PRELOAD would split.
mkdir "an environment of"
"$build/bin/make_tiny_onnx" model.onnx 44100
tried=0
for version in 3.11 3.13; do
  program=$(python_of $version)
  if [ -z "$program" ]; then echo "wheel_check: Python $version is not here: not tried"; continue; fi
  there="$work/an environment of/$version"
  "$program" -m venv "$there"
  alone=(env -i PATH=/usr/bin:/bin HOME="$work" PYTHONDONTWRITEBYTECODE=1 "STEMSMITH_BIN_DIR=$build/bin")
  extra=''
  [ $version != 3.13 ] || extra='[openvino]'
  "$there/bin/python" -m pip install --disable-pip-version-check -q --only-binary=:all: "$wheel$extra"
  installed=$("$there/bin/python" -m pip list --disable-pip-version-check --format=freeze)
  echo "wheel_check: Python $version: $(grep -E '^(numpy|onnxruntime|openvino|stemsmith)=' <<<"$installed" | paste -sd ' ')"
  expect '^stemsmith=' "$installed"
  ffmpeg -nostdin -v error -y -f lavfi -i sine=440:duration=1 song.m4a
  for format in wav flac ogg opus mp3; do
    ffmpeg -nostdin -v error -y -f lavfi -i sine=440:duration=1 -ar 48000 "song.$format"
    said=$("${alone[@]}" "$there/bin/separate" --quiet model.onnx "song.$format" -o "out_$version$format" 2>&1) ||
      fail "song.$format: $said"
    [ -z "$said" ] || fail "song.$format: $said"
  done
  expect "convert it to wav or flac" "$("${alone[@]}" "$there/bin/separate" model.onnx song.m4a 2>&1 || true)"
  "$there/bin/python" -m pip install --disable-pip-version-check -q "$(grep pytest== "$source/tools/requirements-tests.txt")"
  "${alone[@]}" "$there/bin/python" -m pytest -q -p no:cacheprovider "$source/tests/python"
  tried=$((tried + 1))
done
[ $tried -gt 0 ] || exit 77
