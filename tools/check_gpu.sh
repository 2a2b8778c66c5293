#!/usr/bin/env bash
# Checks on a machine with a GPU, and torch 2.11 in its Python, what a bundle of tools/bundle.sh does there: the programs
# load; training in float32, bfloat16 and float16; a resume; NCCL with one rank; too little memory; an export; its .ts
# file on the GPU against the CPU, and beside Python's HTDemucs; several segments at once. Measures training steps and
# separation, and those of eager and compiled Python. Takes at most 8 minutes and writes one JSON with figures, versions,
# durations and a verdict for each check.
#
#   tools/check_gpu.sh BUNDLE.tar.gz [--json FILE] [--dry-run] [--only TEXT]     unpacks into a temporary folder
#   ./check_gpu.sh [--json FILE] [--dry-run] [--only TEXT]                       from within an unpacked bundle
#
# FILE is check_gpu.json by default. --dry-run does all of it in small on the CPU. --only: checks with TEXT in their names,
# which may need others before them. Ends with 1 where a check failed.
# PYTHON and STEMSMITH_TORCH_DIR: see with_torch.sh.
set -euo pipefail
bundle=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h|--help) sed -n '2,15p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --json|--only) [ $# -gt 1 ] || { echo "check_gpu: $1 needs a value" >&2; exit 2; }; arguments+=("$1" "$2"); shift ;;
    --dry-run) arguments+=("$1") ;;
    -*) echo "check_gpu: unknown option '$1'; see --help" >&2; exit 2 ;;
    *) bundle=$1 ;;
  esac
  shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -f "$bundle" ]; then
  tar -xzf "$bundle" -C "$work"
  bundle=$work/stemsmith
fi
[ -x "$bundle/with_torch.sh" ] ||
  { echo "check_gpu: no bundle in $bundle: name the file that tools/bundle.sh wrote" >&2; exit 2; }
"${PYTHON:-python3}" "$bundle/check_gpu.py" "$bundle" "$work/runs" ${arguments[@]+"${arguments[@]}"}
