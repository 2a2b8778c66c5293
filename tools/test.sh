#!/usr/bin/env bash
# Set-up, build and all tests but the ones labelled `slow` (tools/test.sh --slow runs those too). Ends with the
# seconds of each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exclude=(--label-exclude slow)
for argument in "$@"; do
  case "$argument" in
    --slow) exclude=() ;;
    *) echo "usage: tools/test.sh [--slow]" >&2; exit 2 ;;
  esac
done
. tools/stages.sh
stage "Set-up"
./tools/setup.sh --tests
stage "Build"
./tools/build.sh release
stage "Tests"
ctest --test-dir build/release --output-on-failure --parallel 2 "${exclude[@]}"
