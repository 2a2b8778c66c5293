#!/usr/bin/env bash
# BS-RoFormer 0.3.10: mask_estimator_depth=2 means two layers in BSRoformer and three in MelBandRoformer.
#
# Expected: the two classes of the package share their options, so that the same mask_estimator_depth makes networks of
#           the same depth that give the masks of each band.
# Happens:  BSRoformer counts linear layers, MelBandRoformer counts hidden ones: one more layer for the same number. For
#           60 bands of width 384 that layer holds 142 million weights, more than all the rest of the model.
# Matters:  configurations are copied from one class to the other, and tools that infer the option from weights of one
#           class and build the other are one layer off. Read the number of layers from the names in the state dict
#           (to_freqs.BAND.0.{0,2,4}), and know the class before it becomes an option.
#
# Seen: linear layers of the network of a band, for mask_estimator_depth 1, 2 and 3
#   BSRoformer      1, 2, 3
#   MelBandRoformer 2, 3, 4
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet BS-RoFormer==0.3.10 rotary-embedding-torch==0.6.5 beartype==0.23.1 einops==0.8.2 \
  librosa==0.11.0 numpy==2.2.6 torch==2.11.0
cd "$work"
venv/bin/python -W ignore - <<'PY'
import sys

from bs_roformer import BSRoformer, MelBandRoformer
from torch.nn import Linear


def layers(kind, depth):
    model = kind(dim=16, depth=1, mask_estimator_depth=depth, flash_attn=False)
    return sum(isinstance(module, Linear) for module in model.mask_estimators[0].to_freqs[0].modules())


seen = {kind.__name__: [layers(kind, depth) for depth in (1, 2, 3)] for kind in (BSRoformer, MelBandRoformer)}
for name, counts in seen.items():
    print(f"{name:15} {', '.join(map(str, counts))}")
sys.exit(0 if list(seen.values()) == [[1, 2, 3], [2, 3, 4]] else "behaviour has changed")
PY
