#!/bin/sh
# Runs a program of this bundle with the LibTorch of the Python package torch 2.11 on this machine:
#
#   ./with_torch.sh stemsmith train configs/demo_unet.yaml --run run --device cuda --set dataset.cache=data/cache.h5
#
# With --library-path it says where it looks for libraries. PYTHON names the interpreter that has torch (python3), STEMSMITH_TORCH_DIR the package's folder itself.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "with_torch: $*" >&2; exit 2; }
[ $# -gt 0 ] && { [ -x "$here/bin/$1" ] || [ "$1" = --library-path ]; } || fail "name a program of bin/: $(cd "$here/bin" && echo *)"
# Found without importing it, which takes seconds.
torch=${STEMSMITH_TORCH_DIR:-$("${PYTHON:-python3}" -c 'import importlib.util as util, os
spec = util.find_spec("torch")
print(os.path.dirname(spec.origin) if spec and spec.origin else "")' || true)}
[ -n "$torch" ] || fail "${PYTHON:-python3} has no torch; name an interpreter that has it with PYTHON, or its folder with STEMSMITH_TORCH_DIR"
[ -e "$torch/lib/libtorch_cpu.so" ] || fail "no lib/libtorch_cpu.so in $torch"
# The C++ interface of another version is another one.
case $(sed -n "s/^__version__ = '\(.*\)'$/\1/p" "$torch/version.py" 2>/dev/null || true) in
  "$(cat "$here/torch_version")"*|"") ;;
  *) fail "the torch in $torch is not $(cat "$here/torch_version"), which these programs were built for" ;;
esac
libraries=$here/lib:$torch/lib
[ "$1" != --library-path ] || { echo "$libraries"; exit; }
program=$here/bin/$1
shift
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$program" "$@"
