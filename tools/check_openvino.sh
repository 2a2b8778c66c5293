#!/usr/bin/env bash
# Runs the tests of OpenVINO with every release that separate/openvino_api.h names, each from its package on PyPI in a
# temporary folder. Needs the build and the network.
#
#   tools/check_openvino.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${STEMSMITH_BUILD_DIR:-build/release}/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in $(sed -n '/kReleases\[\]/,/};/p' separate/openvino_api.h | grep -o '"20[0-9.]*"' | tr -d '"'); do
  .deps/venv/bin/python -m pip install --disable-pip-version-check -q --no-deps --target "$folder/$version" "openvino==$version"
  echo "== OpenVINO $version"
  export STEMSMITH_OPENVINO_DIR=$folder/$version/openvino/libs
  "$bin/separate_tests" --gtest_brief=1 --gtest_filter='OpenVino*'
  "$bin/export_tests" --gtest_brief=1 --gtest_filter='*BothFiles*'
done
