#!/usr/bin/env bash
# melband-roformer-infer 0.1.5: a model whose configuration says skip_connection: true is separated without it, silently.
#
# Expected: get_model_from_config builds what the configuration describes, or refuses options that it does not know.
# Happens:  it drops them. Most such options change the names or shapes of the weights, so that loading them fails.
#           skip_connection adds the outputs of all blocks before to the input of each and has no weights of its own:
#           the weights load, and the stems are of another model. The same holds for bs-roformer-infer 0.1.5.
# Matters:  models of four stems with this option are passed around with their configuration. Their stems from this
#           package are wrong, and nothing says so. An importer has to read the option from the configuration, as the
#           weights do not show it, and must refuse what it does not know.
#
# Seen: weights, options that the class knows of, and largest difference of the stems with and without the option
#   melband-roformer-infer  weights load, skip_connection known: no, difference 0.0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet melband-roformer-infer==0.1.5 rotary-embedding-torch==0.6.5 beartype==0.23.1 \
  einops==0.8.2 ml-collections==1.1.0 librosa==0.11.0 numpy==2.2.6 torch==2.11.0
cd "$work"
venv/bin/python -W ignore - <<'PY'
import inspect
import sys

import torch
from mel_band_roformer import MelBandRoformer
from mel_band_roformer.utils import get_model_from_config
from ml_collections import ConfigDict


def build(skip):
    options = {"dim": 32, "depth": 3, "stereo": True, "num_stems": 4, "num_bands": 20, "skip_connection": skip}
    return get_model_from_config("mel_band_roformer", ConfigDict({"model": options})).eval()


torch.manual_seed(0)
plain, skipping = build(False), build(True)
skipping.load_state_dict(plain.state_dict(), strict=True)
known = "skip_connection" in inspect.signature(MelBandRoformer.__init__).parameters
song = torch.randn(1, 2, 20000)
with torch.no_grad():
    difference = (plain(song) - skipping(song)).abs().max().item()
print(f"melband-roformer-infer  weights load, skip_connection known: {'yes' if known else 'no'}, difference {difference}")
sys.exit(0 if difference == 0 and not known else "behaviour has changed")
PY
