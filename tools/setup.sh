#!/usr/bin/env bash
# Installs what stemsmith needs: Debian packages; LibTorch, ONNX Runtime, uPlot, Plotly and wavesurfer.js into .deps/.
# Takes seconds when nothing is missing; a run that was cut off goes on where it stopped.
#
#   tools/setup.sh            what the build and the programs need
#   tools/setup.sh --tests    and the Python peers of the reference tests, mpirun for those of several ranks, Chromium and ONNX
#                              Runtime for browsers
#
# Settings (environment):
#   STEMSMITH_CUDA=1           install the whole CUDA set (done by itself where an NVIDIA driver is found); 0: never
#   STEMSMITH_OPENVINO=1       install OpenVINO, which runs some models faster (59 MB); --tests does so too
#   STEMSMITH_TORCH_DIR=DIR    a LibTorch 2.11 or an installed torch package (holds lib/ and include/) to use instead
#   ONNXRUNTIME_ROOT=DIR       an official ONNX Runtime release (holds lib/ and include/) to use instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

want_tests=0
for argument in "$@"; do
  case "$argument" in
    --tests) want_tests=1 ;;
    -h|--help) sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "setup: unknown option '$argument'; see tools/setup.sh --help" >&2; exit 2 ;;
  esac
done

deps=$PWD/.deps
mkdir -p "$deps"
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------- Debian packages
command -v dpkg-query >/dev/null ||
  fail "this script knows Debian's package manager only; on another system install the packages named in tools/apt-packages.txt yourself and see docs/install.md"
lists=(tools/apt-packages.txt)
[ "$want_tests" = 1 ] && lists+=(tools/apt-packages-tests.txt)
mapfile -t packages < <(grep -hv '^#' "${lists[@]}")
command -v npm >/dev/null || packages+=(npm)  # another npm than Debian's will do
missing=()
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
for package in "${packages[@]}"; do
  grep -qx -- "$package" <<<"$installed" || missing+=("$package")
done
as_root=()
can_install=1
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root=(sudo); else can_install=0; fi
fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$can_install" -eq 0 ]; then
    echo "setup: ${#missing[@]} Debian packages are missing and this user may not install them. Ask an administrator to run:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  say "Debian packages: installing ${#missing[@]} (${missing[*]})"
  "${as_root[@]}" apt-get update -qq || fail "apt-get update failed: is the network there?"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$deps/apt.log" 2>&1 ||
    fail "apt-get could not install: ${missing[*]} (its output is in .deps/apt.log); run this again to go on"
fi

# ---------------------------------------------------------------- helpers for the downloads
venv=$deps/venv
python_version() { "$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
# With the packages of the Python that it runs: not after an upgrade of Debian.
venv_is_whole() {
  local version
  version=$(python_version) && [ -d "$venv/lib/python$version/site-packages/pip" ]
}
if ! venv_is_whole; then
  [ ! -e "$venv" ] || say "The Python environment in .deps/venv is of another Python, or was cut off: made again, with what lies in it"
  rm -rf "$venv" "$deps"/{torch,cuda,cuda_headers,tests,demucs4,roformer,schemathesis,without_requirements,openvino}.stamp
fi
ensure_venv() {
  venv_is_whole && return
  say "Python environment in .deps/venv"
  python3 -m venv --clear "$venv" 2>"$deps/venv.log" || /usr/bin/python3 -m venv --clear "$venv" ||
    fail "python3 -m venv failed (see .deps/venv.log)"
}
pinned() { grep -E "^$1==" tools/requirements.txt; }
# pip_install LABEL ARGUMENT... : one package at a time, so that a failure names it. Wheels only: what would have to
# be compiled fails at once, with the reason.
pip_install() {
  local label=$1; shift
  local started=$SECONDS
  say "$label"
  local bar=(--progress-bar off); [ -t 1 ] && bar=()
  "$venv/bin/python" -m pip install --disable-pip-version-check -q "${bar[@]}" --only-binary=:all: "$@" 2>"$deps/pip.log" ||
    fail "$(tools/pip_failure.sh "$label" "$(python_version)" .deps/pip.log)"
  printf '    done in %d s\n' $((SECONDS - started))
}
# have NAME CONTENT: the step NAME was finished with exactly this content.
have() { [ -f "$deps/$1.stamp" ] && [ "$(cat "$deps/$1.stamp")" = "$2" ]; }
done_with() { printf '%s' "$2" >"$deps/$1.stamp"; }

# ---------------------------------------------------------------- Python peers for the tests
# Before LibTorch: where a package has no wheel for this Python, that shows before 3 GB are downloaded.
if [ "$want_tests" = 1 ]; then
  test_pins=$(cat tools/requirements-tests.txt; pinned onnxruntime; pinned openvino)
  if ! have tests "$test_pins"; then
    ensure_venv
    pip_install "Python peers of the reference tests" -r tools/requirements-tests.txt "$(pinned onnxruntime)" "$(pinned openvino)"
    # demucs 2.x and 4.x share a package name: each has a folder of its own. Its 2.x is Python alone, and has no wheel.
    pip_install "demucs 2.0.3 (the waveform reference)" --no-binary=demucs --no-deps --upgrade --target "$deps/demucs2" demucs==2.0.3
    done_with tests "$test_pins"
  fi
  # With what its command line needs besides torch; models from a hub are not used.
  demucs4=(demucs==4.1.0 einops==0.8.2 lameenc==1.9.0 safetensors==0.8.0 sphn==0.2.1)
  if ! have demucs4 "${demucs4[*]}"; then
    pip_install "demucs 4.1.0 (the hybrid reference)" --no-deps --upgrade --target "$deps/demucs4" "${demucs4[@]}"
    done_with demucs4 "${demucs4[*]}"
  fi
  # Packages of RoFormers, several of which have one module name: each has a folder of its own, NAME==VERSION. What they need
  # besides torch and librosa lies in common.
  roformers=(bs-roformer-infer==0.1.5 melband-roformer-infer==0.1.5 BS-RoFormer==0.3.10 BS-RoFormer==0.4.1 BS-RoFormer==0.5.1
             BS-RoFormer==1.1.0)
  roformer_common=(rotary-embedding-torch==0.6.5 beartype==0.23.1 ml-collections==1.1.0 einops==0.8.2 PoPE-pytorch==0.2.1
                   PyYAML==6.0.4 einx==0.4.3 hyper-connections==0.4.11 torch-einops-utils==0.2.0
                   frozendict==2.5.1)
  if ! have roformer "${roformers[*]} ${roformer_common[*]}"; then
    pip_install "what the packages of RoFormers need" --no-deps --upgrade --target "$deps/roformer/common" "${roformer_common[@]}"
    for package in "${roformers[@]}"; do
      pip_install "$package" --no-deps --upgrade --target "$deps/roformer/$package" "$package"
    done
    done_with roformer "${roformers[*]} ${roformer_common[*]}"
  fi
  # Asks the web app whatever its interface allows. With what it needs, another pytest too, in a folder of its own.
  schemathesis=(schemathesis==4.32.5 MarkupSafe==3.0.4 PyYAML==6.0.4 Pygments==2.21.0 Werkzeug==3.1.9 anyio==4.16.0 certifi==2026.10.19.post1
                charset-normalizer==3.5.3 click==8.5.1 graphql-core==3.3.2 harfile==0.6.0 hypothesis==6.170.17 hypothesis-graphql==0.13.5
                idna==3.20 iniconfig==2.3.1 jsonschema_rs==0.60.3 markdown-it-py==4.3.0 mdurl==0.1.2 packaging==26.4 pluggy==1.7.0
                pyrate-limiter==4.5.1 pytest==9.2.0 requests==2.34.2 rich==15.0.0 sortedcontainers==2.4.0 typing_extensions==4.16.0
                urllib3==2.8.0)
  if ! have schemathesis "${schemathesis[*]}"; then
    pip_install "schemathesis 4.32.5" --no-deps --upgrade --target "$deps/schemathesis" "${schemathesis[@]}"
    done_with schemathesis "${schemathesis[*]}"
  fi
  # Without their requirements: a torch of their own choice, and torchaudio, which nothing here uses of openunmix.
  without_requirements=(openunmix==1.3.0 julius==0.2.8)
  if ! have without_requirements "${without_requirements[*]}"; then
    pip_install "openunmix (the Open-Unmix reference), julius" --no-deps "${without_requirements[@]}"
    done_with without_requirements "${without_requirements[*]}"
  fi
fi

# ---------------------------------------------------------------- LibTorch
cuda=${STEMSMITH_CUDA:-}
if [ -z "$cuda" ]; then [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidia0 ] && cuda=1 || cuda=0; fi
if [ -n "${STEMSMITH_TORCH_DIR:-}" ]; then
  [ -e "$STEMSMITH_TORCH_DIR/lib/libtorch_cpu.so" ] ||
    fail "STEMSMITH_TORCH_DIR=$STEMSMITH_TORCH_DIR holds no lib/libtorch_cpu.so; point it to an unpacked LibTorch or to a torch package"
  ln -sfn "$(realpath "$STEMSMITH_TORCH_DIR")" "$deps/torch"
else
  torch_pins=$(pinned torch; pinned nvidia-cuda-runtime; pinned nvidia-cuda-cupti)
  if ! have torch "$torch_pins" || [ ! -e "$deps/torch/lib/libtorch_cpu.so" ]; then
    ensure_venv
    pip_install "LibTorch ($(pinned torch), 530 MB)" --no-deps "$(pinned torch)"
    pip_install "CUDA runtime libraries that LibTorch starts with (13 MB)" --no-deps "$(pinned nvidia-cuda-runtime)" "$(pinned nvidia-cuda-cupti)"
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    ln -sfn "$site/torch" "$deps/torch"
    done_with torch "$torch_pins"
  fi
  # Python's own `import torch` wants the whole CUDA set, and so does a GPU.
  if { [ "$cuda" = 1 ] || [ "$want_tests" = 1 ]; } && ! have cuda "$(pinned torch)"; then
    pip_install "the CUDA libraries of $(pinned torch) (about 3 GB)" "$(pinned torch)"
    done_with cuda "$(pinned torch)"
  fi
  # What those lack to compile with CUDA's headers (NCCL's module).
  headers=$(pinned nvidia-cuda-crt; pinned nvidia-cuda-cccl)
  if { [ "$cuda" = 1 ] || [ "$want_tests" = 1 ]; } && ! have cuda_headers "$headers"; then
    pip_install "headers of CUDA (3 MB)" --no-deps "$(pinned nvidia-cuda-crt)" "$(pinned nvidia-cuda-cccl)"
    done_with cuda_headers "$headers"
  fi
fi

# ---------------------------------------------------------------- ONNX Runtime
# Library from the PyPI wheel, headers from Debian's libonnxruntime-dev (Debian 13; on Debian 12 that
# one package is fetched from the machine's own mirror with a list of its own: nothing else changes).
fetch_onnxruntime_headers() {
  local work=$deps/onnxruntime-headers include
  rm -rf "$work"; mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/state"
  if ! apt-cache show libonnxruntime-dev >/dev/null 2>&1; then
    local mirror
    mirror=$(tools/debian_mirror.sh) || true
    [ -n "$mirror" ] || fail "no Debian mirror found in this machine's apt sources; set ONNXRUNTIME_ROOT to an ONNX Runtime release"
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$mirror" >"$work/trixie.list"
    local options=(-o "Dir::Etc::SourceList=$work/trixie.list" -o "Dir::Etc::SourceParts=-" -o "Dir::State::Lists=$work/lists"
                   -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=$(id -un)")
    apt-get "${options[@]}" update -qq 2>"$work/log" || fail "the list of Debian packages could not be read (see .deps/onnxruntime-headers/log)"
    (cd "$work" && apt-get "${options[@]}" download -qq libonnxruntime-dev 2>>log) || fail "could not download libonnxruntime-dev; run this again to go on"
  else
    (cd "$work" && apt-get download -qq libonnxruntime-dev 2>log) || fail "could not download libonnxruntime-dev; run this again to go on"
  fi
  dpkg -x "$work"/libonnxruntime-dev_*.deb "$work/root"
  include=$(dirname "$(find "$work/root" -name onnxruntime_c_api.h | head -n 1)")
  mkdir -p "$deps/onnxruntime"
  rm -rf "$deps/onnxruntime/include"
  cp -r "$include" "$deps/onnxruntime/include"
  rm -rf "$work"
}
if [ -n "${ONNXRUNTIME_ROOT:-}" ]; then
  ls "$ONNXRUNTIME_ROOT"/lib/libonnxruntime.so* >/dev/null 2>&1 && [ -n "$(find -L "$ONNXRUNTIME_ROOT/include" -name onnxruntime_cxx_api.h | head -n 1)" ] ||
    fail "ONNXRUNTIME_ROOT=$ONNXRUNTIME_ROOT holds no lib/libonnxruntime.so or no include/onnxruntime_cxx_api.h; unpack an official release there"
  [ -L "$deps/onnxruntime" ] || rm -rf "$deps/onnxruntime"
  ln -sfn "$(realpath "$ONNXRUNTIME_ROOT")" "$deps/onnxruntime"
  rm -f "$deps/onnxruntime.stamp"
elif ! have onnxruntime "$(pinned onnxruntime)"; then
  ensure_venv
  [ -L "$deps/onnxruntime" ] && rm "$deps/onnxruntime"
  mkdir -p "$deps/onnxruntime/lib"
  pip_install "ONNX Runtime ($(pinned onnxruntime), 18 MB)" --no-deps --target "$deps/onnxruntime/wheel" --upgrade "$(pinned onnxruntime)"
  library=$(find "$deps/onnxruntime/wheel" -name 'libonnxruntime.so.*' | head -n 1)
  [ -n "$library" ] || fail "the onnxruntime wheel holds no libonnxruntime.so; set ONNXRUNTIME_ROOT to an official release"
  cp "$library" "$deps/onnxruntime/lib/libonnxruntime.so.1"
  ln -sf libonnxruntime.so.1 "$deps/onnxruntime/lib/libonnxruntime.so"
  cp "$deps"/onnxruntime/wheel/onnxruntime/{LICENSE,ThirdPartyNotices.txt} "$deps/onnxruntime/"  # for packages
  rm -rf "$deps/onnxruntime/wheel"
  say "ONNX Runtime headers (Debian's libonnxruntime-dev)"
  fetch_onnxruntime_headers
  done_with onnxruntime "$(pinned onnxruntime)"
fi

# ---------------------------------------------------------------- OpenVINO
if { [ "$want_tests" = 1 ] || [ "${STEMSMITH_OPENVINO:-}" = 1 ]; } &&
   { ! have openvino "$(pinned openvino)" || [ ! -e "$deps/openvino/libs" ]; }; then
  ensure_venv
  pip_install "OpenVINO ($(pinned openvino), 59 MB)" --no-deps "$(pinned openvino)"
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  ln -sfn "$site/openvino" "$deps/openvino"
  done_with openvino "$(pinned openvino)"
fi

# ---------------------------------------------------------------- from npm
# npm_install FOLDER PACKAGE ADVICE: into .deps/FOLDER; the advice is for where it fails. Each has a folder of
# its own: npm takes out of one what it was not asked for last.
npm_install() {
  npm install --prefix "$deps/$1" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    "$2" >"$deps/npm.log" 2>&1 ||
    fail "npm could not install $2 (its output is in .deps/npm.log); run this again to go on$3"
}
# uPlot draws the charts of a run's report.
uplot=uplot@1.6.32
if ! have uplot "$uplot" || [ ! -e "$deps/npm/node_modules/uplot/dist/uPlot.iife.min.js" ]; then
  say "uPlot ($uplot, 0.5 MB)"
  npm_install npm "$uplot" ", or build with -DSTEMSMITH_REPORT=OFF"
  done_with uplot "$uplot"
fi
# Plotly draws those of measured methods: the part of it for charts with axes, as one file.
plotly=plotly.js-cartesian-dist-min@4.1.1
if ! have plotly "$plotly" || [ ! -e "$deps/plotly/node_modules/plotly.js-cartesian-dist-min/plotly-cartesian.min.js" ]; then
  say "Plotly ($plotly, 1.5 MB)"
  npm_install plotly "$plotly" ", or build with -DSTEMSMITH_REPORT=OFF"
  done_with plotly "$plotly"
fi
# wavesurfer.js draws the waveforms of the web app's page.
wavesurfer=wavesurfer.js@8.0.1
if ! have wavesurfer "$wavesurfer" || [ ! -e "$deps/wavesurfer/node_modules/wavesurfer.js/dist/wavesurfer.esm.js" ]; then
  say "wavesurfer.js ($wavesurfer, 2 MB)"
  npm_install wavesurfer "$wavesurfer" ", or build with -DSTEMSMITH_SERVE=OFF"
  done_with wavesurfer "$wavesurfer"
fi
# ONNX Runtime in browsers: examples/web, which its test opens in Chromium.
if [ "$want_tests" = 1 ]; then
  onnxruntime_web=onnxruntime-web@$(sed -n 's/.*"onnxruntime-web": "\(.*\)".*/\1/p' examples/web/package.json)
  if ! have web "$onnxruntime_web"; then
    say "ONNX Runtime for browsers ($onnxruntime_web, 33 MB)"
    npm_install web "$onnxruntime_web" ""
    done_with web "$onnxruntime_web"
  fi
  # axe-core judges whether the web app's page can be used by everybody.
  axe=axe-core@4.14.1
  if ! have axe "$axe"; then
    say "axe-core ($axe, 3 MB)"
    npm_install axe "$axe" ""
    done_with axe "$axe"
  fi
fi
