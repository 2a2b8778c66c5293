#!/usr/bin/env bash
# Compares models with packages that want a PyTorch of their own, newer than the one of the other reference tests: installs them into
# .deps/peers (about 6 GB, once), then runs the tests labelled `peers`. Needs the build.
#
#   tools/check_peers.sh            what is missing, then the tests
#   tools/check_peers.sh --set-up   what is missing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
  ""|--set-up) ;;
  *) sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
# Of the peers one module each is used, which needs PyTorch alone.
torch=torch==2.15.0
rest=(unblend==1.0.0 audio-separator==0.47.1 pytest==8.4.2 iniconfig==2.3.1 pluggy==1.7.0 packaging==26.4 Pygments==2.21.0
      numpy==2.4.6 soundfile==0.14.0 cffi==2.1.1 pycparser==3.12)
folder=.deps/peers
stamp=$folder/installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$torch ${rest[*]}" ]; then
  python3 -m venv --clear "$folder"
  install() {
    "$folder/bin/python" -m pip install --disable-pip-version-check -q --only-binary=:all: "$@" 2>"$folder/pip.log" || {
      echo "check_peers: $(tools/pip_failure.sh "$*" "$("$folder/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$folder/pip.log")" >&2
      exit 1
    }
  }
  install "$torch"
  install --no-deps "${rest[@]}"
  printf '%s' "$torch ${rest[*]}" >"$stamp"
fi
[ "${1:-}" = --set-up ] || exec ctest --test-dir build/release --output-on-failure -L peers
