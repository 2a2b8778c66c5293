#!/usr/bin/env bash
# BS-RoFormer 0.3.10: noise at -200 dB in the silent half of a chunk changes the stems of the other half by half.
#
# Expected: a song that ends in digital silence and the same song with noise at -200 dB there (below what 24 bits hold) give
#           the same stems, up to about as much as the noise.
# Happens:  the model divides the bins of every band and frame by their norm. Digital silence stays zero, but the faintest
#           noise comes out at full level, and all frames of a chunk look at each other. Between -400 and -200 dB the stems
#           of the loud half turn into others; above that they depend no more on how loud the noise is. Both classes do so.
# Matters:  whether a song ends (or a chunk is padded) in exact zeros or in rounding noise, of a resampler, a decoder or an
#           inexact Fourier transform, decides on the stems of seconds that were not touched. Pad with exact zeros, keep
#           zeros zeros on the way, and do not compare two tools by songs with silence in them.
#
# Seen (random weights): change of the stem of the loud half, relative to its peak
#   BSRoformer     noise at -600 dB: 0e+00, -400 dB: 8e-06, -200 dB: 5e-01, -140 dB: 5e-01
#   MelBandRoformer noise at -600 dB: 0e+00, -400 dB: 8e-06, -200 dB: 6e-01, -140 dB: 6e-01
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet BS-RoFormer==0.3.10 rotary-embedding-torch==0.6.5 beartype==0.23.1 einops==0.8.2 \
  librosa==0.11.0 numpy==2.2.6 torch==2.11.0
cd "$work"
venv/bin/python -W ignore - <<'PY'
import sys

import torch
from bs_roformer import BSRoformer, MelBandRoformer

SECOND = 44100


def change(model, song, decibel):
    """Of the stem of the first second, when the silent next one gets noise."""
    noise = 10 ** (decibel / 20) * torch.randn(1, 2, SECOND, generator=torch.Generator().manual_seed(3))
    noisy = torch.cat([song[..., :SECOND], noise], -1)
    with torch.no_grad():
        before, after = (model(audio)[..., :SECOND * 3 // 4] for audio in (song, noisy))
    return ((before - after).abs().max() / before.abs().max()).item()


ok = True
for kind in BSRoformer, MelBandRoformer:
    torch.manual_seed(1)
    model = kind(dim=64, depth=4, stereo=True, num_stems=1, flash_attn=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter *= 1.5
    song = torch.cat([0.1 * torch.randn(1, 2, SECOND), torch.zeros(1, 2, SECOND)], -1)
    seen = {decibel: change(model, song, decibel) for decibel in (-600, -400, -200, -140)}
    print(f"{kind.__name__:14} noise at " + ", ".join(f"{decibel} dB: {value:.0e}" for decibel, value in seen.items()))
    ok &= seen[-600] == 0 and seen[-400] < 1e-3 and seen[-200] > 0.1 and seen[-140] > 0.1
sys.exit(0 if ok else "behaviour has changed")
PY
