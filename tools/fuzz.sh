#!/usr/bin/env bash
# Fuzzes the readers of weights and of HTTP requests with clang's libFuzzer (packages clang and libclang-rt-*-dev).
#
#   tools/fuzz.sh [SECONDS] [FUZZER…]     default: 300 seconds for each of pickle, safetensors, torch_file, http
#
# Inputs that fail are left in build/fuzz/; once fixed they belong into tests/fuzz_regressions/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-300}
shift || true
[ $# -gt 0 ] || set -- pickle safetensors torch_file http
command -v clang++ >/dev/null || { echo "fuzz: no clang++; install clang and its compiler-rt (libclang-rt-*-dev)" >&2; exit 1; }
cmake --preset fuzz >/dev/null
for name in "$@"; do cmake --build --preset fuzz --target "${name}_fuzz"; done
.deps/venv/bin/python tests/fuzz/make_seeds.py build/fuzz/seeds
for name in "$@"; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "==> $name, $seconds s"
  # Leaks are LibTorch's own, of what lives as long as the process.
  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=0 nice "build/fuzz/bin/${name}_fuzz" -max_total_time="$seconds" \
    -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
    "build/fuzz/corpus/$name" "build/fuzz/seeds/$name" 2>&1 | tail -n 12
done
