#!/usr/bin/env bash
# tools/bundle.sh, and the dry run of check_gpu.sh from the unpacked bundle, in an environment that says nothing of the
# source or build tree: bundle_check.sh BUILD. Within it check_gpu.sh makes sure that every library that is loaded lies in
# the bundle, with torch, or belongs to the C library.
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
torch=$(realpath "$source/.deps/torch")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "bundle_check: $*" >&2; exit 1; }
expect() { grep -q -- "$1" <<<"$2" || fail "no '$1' in: $2"; }

expect "say which torch" "$(STEMSMITH_BUILD_DIR=$build "$source/tools/bundle.sh" 2>&1 || true)"
expect "libtorch_cpu.so" "$(STEMSMITH_BUILD_DIR=$build "$source/tools/bundle.sh" --torch-from "$work" 2>&1 || true)"

expect "of at most 60" "$(STEMSMITH_BUILD_DIR=$build "$source/tools/bundle.sh" --torch-from "$torch" --out "$work/b.tar.gz" | tee /dev/stderr)"
[ "$(stat -c %s "$work/b.tar.gz")" -le $((60 << 20)) ] || fail "the bundle is too large"
cp "$source/tools/check_gpu.sh" "$work/"
mkdir "$work/elsewhere"
cd "$work/elsewhere"
there=(env -i PATH=/usr/bin:/bin HOME="$work" STEMSMITH_TORCH_DIR="$torch")
# The Python that has torch, where the tests' set-up made it whole: else there are no figures of Python.
python=$source/.deps/venv/bin/python
if "$python" -c 'import torch' 2>/dev/null; then there+=(PYTHON="$python"); else python=; fi
"${there[@]}" ../check_gpu.sh ../b.tar.gz --dry-run --json report.json
"${there[@]}" python3 - "$python" <<'PYTHON'
import json
import sys
report = json.load(open("report.json"))
names = [check["name"] for check in report["checks"]]
assert report["verdict"] == "ok" and report["dry_run"] and report["device"] == "cpu", report
assert report["seconds"] < 480 and report["versions"]["torch"].startswith("2.11"), report
for word in ("load", "float32", "bfloat16", "float16", "resume", "export", ".ts", "rank", "memory", "at once"):
    assert any(word in name for name in names), word
figures = {check["name"]: check["figures"] for check in report["checks"]}
assert figures["unet: training in float32"]["steps"] == 24, figures
assert 1 <= figures["unet: resume"]["stopped_at_step"] < 24, figures
assert figures["unet: .ts on cpu against cpu"]["largest_difference_of_peak"] == 0, figures
assert figures["unet: one rank of a group"] == {"backend": "gloo", "largest_loss_difference": 0}, figures
assert figures["unet: too little memory"]["went_on_to_step"] == 25, figures
assert figures["htdemucs as published: export"]["branches"] > 20, figures
rows = report["training_steps"]
assert [(row["model"], row["deterministic"]) for row in rows] == [("htdemucs", False), ("htdemucs", True), ("unet", False)], rows
assert all(row["samples_per_second"] > 0 for row in rows), rows
assert [row["samples"] for row in report["recipe"]] == [360 * 25600, 200000 * 4], report["recipe"]
# Hours by the rate that was measured.
for row in report["recipe"]:
    assert abs(row["hours"] * 3600 * row["samples_per_second"] / row["samples"] - 1) < 1e-9, row
if sys.argv[1]:
    assert figures["htdemucs as published: one segment against Python"]["of_peak"] < 1e-4, figures
    for what, each in (("training step", 2), ("separation", 1)):  # steps with and without train.deterministic
        ratios = report["ratios"][what]
        assert [row["way"] for row in ratios] == ["eager"] * each + ["compiled"] * each, ratios
        assert all(row["ratio"] > 0 for row in ratios), ratios
PYTHON

# What goes wrong over there is said in one line.
tar -xzf ../b.tar.gz
[ -z "$(readelf -d stemsmith/bin/* stemsmith/lib/libstemsmith_* | grep -E 'RPATH|RUNPATH' || true)" ] ||
  fail "programs of the bundle look for libraries on the machine that made it"
without=(env -i PATH=/usr/bin:/bin)
expect "has no torch" "$("${without[@]}" stemsmith/with_torch.sh stemsmith models 2>&1 || true)"
mkdir -p old/lib
touch old/lib/libtorch_cpu.so
echo "__version__ = '2.10.1'" >old/version.py
expect "not 2.11" "$("${without[@]}" STEMSMITH_TORCH_DIR=old stemsmith/with_torch.sh stemsmith models 2>&1 || true)"
# A check that fails does not cost the others, and is told by the exit status and the report.
rm stemsmith/bin/separate
if "${there[@]}" stemsmith/check_gpu.sh --dry-run --only unet: --json failed.json >/dev/null; then fail "a missing program passed"; fi
grep -q '"verdict": "failed"' failed.json || fail "the report says nothing of the failure"
[ "$(grep -c '"verdict": "ok"' failed.json)" -ge 5 ] || fail "a failure cost the other checks"
