#!/usr/bin/env bash
# Set-up, build and all tests but the ones labelled `slow` (tools/test.sh --slow runs those too). Ends with the
# seconds of each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exclude=(--label-exclude slow) peers=0
for argument in "$@"; do
  case "$argument" in
    --slow) exclude=() peers=1 ;;
    *) echo "usage: tools/test.sh [--slow]" >&2; exit 2 ;;
  esac
done
. tools/stages.sh
stage "Set-up"
./tools/setup.sh --tests
[ $peers = 0 ] || ./tools/check_peers.sh --set-up
stage "Build"
./tools/build.sh release
stage "Tests"
failed=0
ctest --test-dir build/release --output-on-failure --parallel 2 "${exclude[@]}" || failed=$?
if [ $failed -ne 0 ]; then
  # What each test printed lies far above: here are the names again, and where a program crashed.
  log=build/release/Testing/Temporary/LastTest.log
  printf '\nFrom %s:\n' "$log"
  grep --text -E '^\[  FAILED  \] .*\(|^FAILED ' "$log" || true
  grep --text -A 16 '^CRASHED in ' "$log" || true
fi
exit $failed
