#!/usr/bin/env bash
# onnxruntime 1.31.0, 1.31.1 and 1.32.0: the library in the wheels, linked by a C program (cc of the machine).
#
# Expected: the library is libonnxruntime.so.1 in all three, and a program asks it for the version of the C API that it
#           was written for: GetApi(n) is there so that a newer library serves an older program, as one for CUDA, or a
#           repaired one, is put in place of another.
# Happens:  its entry point is exported under a symbol version with the number of the exact release. A program linked to
#           1.31.0 is not started with 1.31.1, nor with 1.32.0, though all of them have the API for which it asks.
#           Opened by dlopen and dlsym, which take no version, the same libraries serve the same program.
# Matters:  a program cannot let its users bring a library of their own (one with a GPU, a distribution's update), and
#           each update, the smallest too, is a new build of everything. Open it at run time where that is wanted.
#
# Seen:
#   library is libonnxruntime.so.1 and has OrtGetApiBase at VERS_1.31.0; VERS_1.31.1; VERS_1.32.0
#   linked to 1.31.0, started with 1.31.0: runs with 1.31.0, API 20 is there
#   linked to 1.31.0, started with 1.31.1: version `VERS_1.31.0' not found
#   linked to 1.31.0, started with 1.32.0: version `VERS_1.31.0' not found
#   opened by dlopen, started with 1.31.0: runs with 1.31.0, API 20 is there
#   opened by dlopen, started with 1.31.1: runs with 1.31.1, API 20 is there
#   opened by dlopen, started with 1.32.0: runs with 1.32.0, API 20 is there
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc --version | head -n 1 >&2
python3 -m venv "$work/venv"
cd "$work"
for version in 1.31.0 1.31.1 1.32.0; do
  venv/bin/pip install --quiet --no-deps --target "$version" "onnxruntime==$version"
  mkdir "lib-$version"
  cp "$version/onnxruntime/capi/libonnxruntime.so.$version" "lib-$version/libonnxruntime.so.1"
done
cat >program.c <<'C'
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct Base { /* the first two members of OrtApiBase */
  const void *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
};

#ifdef LINKED
const struct Base *OrtGetApiBase(void);
#else
static const struct Base *OrtGetApiBase(void) {
  void *library = dlopen("libonnxruntime.so.1", RTLD_NOW);
  const struct Base *(*get)(void) = (const struct Base *(*)(void))dlsym(library, "OrtGetApiBase");
  return get();
}
#endif

int main(void) {
  const struct Base *base = OrtGetApiBase();
  printf("runs with %s, API 20 is %s\n", base->GetVersionString(), base->GetApi(20) ? "there" : "missing");
  return 0;
}
C
cc -DLINKED program.c lib-1.31.0/libonnxruntime.so.1 -o linked
cc program.c -ldl -o opened
venv/bin/python - <<'PY'
import os
import re
import subprocess
import sys

versions = ("1.31.0", "1.31.1", "1.32.0")
names = []
for version in versions:
    library = open(f"lib-{version}/libonnxruntime.so.1", "rb").read()
    names.append(*set(re.findall(rb"\0(VERS_[0-9.]+)\0", library)))
    assert b"\0libonnxruntime.so.1\0" in library
print("library is libonnxruntime.so.1 and has OrtGetApiBase at", "; ".join(name.decode() for name in names))
ok = names == [f"VERS_{version}".encode() for version in versions]
for program, how in (("linked", "linked to 1.31.0"), ("opened", "opened by dlopen")):
    for version in versions:
        environment = dict(os.environ, LD_LIBRARY_PATH=f"lib-{version}")
        result = subprocess.run([f"./{program}"], env=environment, capture_output=True, text=True)
        refused = re.search("version `[^']*' not found", result.stderr)
        print(f"{how}, started with {version}:", refused[0] if refused else result.stdout.strip())
        ok &= (refused is not None) == (program == "linked" and version != "1.31.0")
        ok &= refused is not None or result.stdout == f"runs with {version}, API 20 is there\n"
sys.exit(0 if ok else "behaviour has changed")
PY
