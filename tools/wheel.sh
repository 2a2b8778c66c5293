#!/usr/bin/env bash
# Makes the Python package (python/) with the library, `separate` and the shared libraries that they need, for every Python 3.11
# or newer on x86-64 with a C library of 2.36 or newer. ONNX Runtime is the one of the package onnxruntime, libav (GPL) stays
# out. Wants Debian 12, whose libraries are put in.
#
#   tools/wheel.sh [FOLDER]    makes FOLDER/stemsmith-VERSION-py3-none-manylinux_2_36_x86_64.whl (FOLDER: build/wheel)
#
# STEMSMITH_BUILD_DIR names a build that is to be taken as it is. The same commit gives the same bytes.
set -euo pipefail
given=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'wheel: %s\n' "$*" >&2; exit "${status:-1}"; }
case "${1:-}" in
  -h|--help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
  -*) status=2 fail "unknown option '$1'; see tools/wheel.sh --help" ;;
esac
platform=manylinux_2_36_x86_64
[ "$(. /etc/os-release; echo "${ID:-} ${VERSION_ID:-}")" = "debian 12" ] || status=77 fail "wheels are made on Debian 12"
out=${given:-$PWD/build/wheel}
build=${STEMSMITH_BUILD_DIR:-build/release}
[ -n "${STEMSMITH_BUILD_DIR:-}" ] || ./tools/build.sh release separate stemsmith_shared
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tools=$PWD/build/wheel-tools
if ! cmp -s tools/requirements-wheel.txt "$tools/requirements.txt"; then
  rm -rf "$tools"
  python3 -m venv --clear "$tools"
  "$tools/bin/python" -m pip install --disable-pip-version-check -q --only-binary=:all: -r tools/requirements-wheel.txt
  cp tools/requirements-wheel.txt "$tools/requirements.txt"
fi
export PATH=$tools/bin:$PATH

# The package of `separate`, whose libraries and licences cmake/package_libraries.txt has passed.
cpack --config "$build/CPackConfig.cmake" -G TGZ -B "$work/packages" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "cpack failed"; }
mkdir -p "$work/package" "$work/tree/bin" "$work/tree/lib"
tar -C "$work/package" --strip-components=1 -xzf "$work"/packages/stemsmith-separate-*.tar.gz
cp "$work/package/libexec/separate" "$work/tree/bin/"
cp -L "$work/package/lib/libstemsmith.so" "$work/tree/lib/"
rm -f "$work/package/lib/libstemsmith_libav.so"
find "$work/package/lib" -name 'libstemsmith_*.so' -exec cp -t "$work/tree/lib" {} +
cp -r "$work/package/LICENSES" "$work/tree/"
rm "$work"/tree/LICENSES/onnxruntime.*
sed -i '/^libonnxruntime/d; s/in lib\/, changed only in that they find each other there/in stemsmith.libs, changed only in their names and in that they find each other/' \
  "$work/tree/LICENSES/README"

python tools/any_onnxruntime.py "$work"/tree/bin/* "$work"/tree/lib/*
(cd python && STEMSMITH_TREE=$work/tree python -m hatchling build -t wheel -d "$work/plain") >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; fail "hatchling failed"; }
auditwheel repair --plat $platform --only-plat --exclude libonnxruntime.so.1 -w "$work/whole" "$work"/plain/*.whl >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; fail "auditwheel refuses it"; }
wheel=$(ls "$work"/whole/*-py3-none-$platform.whl)

# Each library that came in is one of the table, with its licence, and none is under the GPL alone.
python3 -m zipfile -e "$wheel" "$work/contents"
for file in "$work"/contents/stemsmith.libs/*; do
  name=$(basename "$file" | sed -E 's/-[0-9a-f]{8}(\.so)/\1/')
  row=$(awk -v name="$name" 'index(name ".", $1 ".") == 1' cmake/package_libraries.txt)
  package=$(awk '{ print $2 }' <<<"$row") licence=$(awk '{ $1 = $2 = ""; print }' <<<"$row")
  [ -n "$package" ] && [ -s "$work/contents/stemsmith/LICENSES/$package" ] || fail "$name is in the wheel without its licence"
  case "$licence" in *LGPL*|*"runtime exception") ;; *GPL*) fail "$name is under the GPL" ;; esac
  echo "  $name ($package,$licence )" | tr -s ' '
done

mkdir -p "$out"
cp "$wheel" "$out/"
echo "wheel: $out/$(basename "$wheel"): $((($(stat -c %s "$wheel") + (1 << 20) - 1) >> 20)) MiB"
