#!/usr/bin/env bash
# Packs the programs for a machine that has torch 2.11 in its Python, where tools/check_gpu.sh checks them: bin/, lib/ (the
# module for .ts files and the shared libraries that they need, but LibTorch's own and the C library; libav, Rubber Band and
# FluidSynth stay here; NCCL's module where it was built), configs/, a cache and a song made here, and the HTDemucs of PyPI's demucs
# (MIT), where set-up installed it, to compare with. docs/gpu.md says more.
#
#   tools/bundle.sh --torch-from DIR [--out FILE]       FILE: out/stemsmith-gpu.tar.gz
#
# DIR is the torch package, or the LibTorch, that stands for the one over there: what lies in its lib/ is left out.
# STEMSMITH_BUILD_DIR names a build that is to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "bundle: $*" >&2; exit "${status:-1}"; }
torch= out=out/stemsmith-gpu.tar.gz
while [ $# -gt 0 ]; do
  case "$1" in
    -h|--help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --torch-from|--out)
      [ $# -gt 1 ] || status=2 fail "$1 needs a value"
      if [ "$1" = --out ]; then out=$2; else torch=$2; fi
      shift ;;
    *) status=2 fail "unknown option '$1'; see tools/bundle.sh --help" ;;
  esac
  shift
done
[ -n "$torch" ] || status=2 fail "say which torch the other machine has: --torch-from .deps/torch"
[ -e "$torch/lib/libtorch_cpu.so" ] || fail "$torch holds no lib/libtorch_cpu.so: name a LibTorch or an installed torch package"
version=$(sed -n "s/^__version__ = '\([0-9.]*\).*'$/\1/p" "$torch/version.py" 2>/dev/null || sed 's/+.*//' "$torch/build-version")
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then
  ./tools/setup.sh
  ./tools/build.sh release stemsmith separate
fi
most_mib=60
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stemsmith
mkdir -p "$stage"/{bin,lib,data} "$(dirname "$out")"

cp "$build"/bin/{stemsmith,stemsmith-torch,separate} "$stage/bin/"
cp "$build/lib/libstemsmith_torchscript.so" "$stage/lib/"
nccl=false
if [ -e "$build/lib/libstemsmith_nccl.so" ]; then
  cp "$build/lib/libstemsmith_nccl.so" "$stage/lib/"
  nccl=true
fi
own=("$stage"/bin/* "$stage"/lib/*)
# name, file: of all that the loader takes, here where the programs still know where to look.
ldd "${own[@]}" | sed -n 's/^\t\([^ ]*\) => \(not found\|\/[^ ]*\).*/\1 \2/p' | sort -u >"$work/needed"
while read -r name file; do
  case "$name $file" in
    *" not found") fail "$name, which the programs need, is not found on this machine" ;;
    libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|libutil.so.*|libresolv.so.*|ld-linux*) continue ;;
    *" "*/nvidia/*) continue ;;
  esac
  [ -e "$torch/lib/$name" ] || cp -L "$file" "$stage/lib/$name"
done <"$work/needed"
# Where things lie on this machine is of no use elsewhere: with_torch.sh says where they lie there.
for file in "${own[@]}"; do
  printf 'file(RPATH_REMOVE FILE "%s")\n' "$file" >>"$work/rpath.cmake"
done
cmake -P "$work/rpath.cmake"
chmod u+w "$stage"/lib/*
strip --strip-unneeded "$stage"/bin/* "$stage"/lib/*

cp -r configs "$stage/configs"
mkdir -p "$stage/share/stemsmith" && ln -s ../../configs "$stage/share/stemsmith/configs"  # where programs look for them by name
cp tools/check_gpu.sh tools/bundle/with_torch.sh tools/bundle/*.py "$stage/"
peer=none
if [ -d .deps/demucs4/demucs ]; then
  mkdir -p "$stage/peer/demucs"
  for part in __init__ htdemucs hdemucs demucs transformer spec states utils wiener; do
    cp ".deps/demucs4/demucs/$part.py" "$stage/peer/demucs/"
  done
  cp -r .deps/demucs4/einops "$stage/peer/einops"
  for name in demucs einops; do
    cp .deps/demucs4/$name-*.dist-info/licenses/LICENSE "$stage/peer/$name.LICENSE"
  done
  find "$stage/peer" -name __pycache__ -prune -exec rm -r {} +
  peer=$(sed -n 's/^__version__ = "\(.*\)"$/demucs \1/p' "$stage/peer/demucs/__init__.py")
fi
"$build/bin/stemsmith" synth "$work/songs" --songs 3 --seconds 12 --seed 7 --layout folders --quiet
"$build/bin/stemsmith" prepare folders "$work/songs" --out "$stage/data/cache.h5" --compression 6 --quiet
cp "$(find "$work/songs/test" -name mixture.wav | sort | head -n 1)" "$stage/data/song.wav"

echo "$version" >"$stage/torch_version"
# The newest version of the C library that anything in here asks for.
glibc=$(objdump -T "$stage"/bin/* "$stage"/lib/* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
printf '{"stemsmith": "%s", "commit": "%s", "torch": "%s", "glibc": "%s", "nccl": %s, "peer": "%s"}\n' "$("$build/bin/stemsmith" --version)" \
  "$(git describe --always --dirty 2>/dev/null || echo unknown)" "$version" "${glibc#GLIBC_}" "$nccl" "$peer" >"$stage/bundle.json"
tar -C "$work" --owner=0 --group=0 -cf - stemsmith | gzip -9 >"$work/bundle.tar.gz"
bytes=$(stat -c %s "$work/bundle.tar.gz")
mib=$(((bytes + (1 << 20) - 1) >> 20))
[ "$mib" -le "$most_mib" ] ||
  fail "the bundle takes $mib MiB, more than $most_mib; its largest parts: $(cd "$stage" && du -a bin lib data | sort -rn | sed -n '2,8p' | tr '\n\t' ', ')"
mv "$work/bundle.tar.gz" "$out"
echo "with NCCL: $nccl; to compare with: $peer; $(cd "$stage" && du -sk bin lib configs data peer 2>/dev/null | awk '{printf "%s%s %.1f MiB", (NR > 1 ? ", " : "unpacked: "), $2, $1 / 1024}')"
echo "$out: $mib MiB (of at most $most_mib), for torch $version and a C library of ${glibc#GLIBC_} or newer"
echo "on the other machine: tools/check_gpu.sh $(basename "$out"), or unpack it and run stemsmith/check_gpu.sh"
