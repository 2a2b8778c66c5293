"""hdemucs against PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients and training."""

import pytest
from demucs4 import compared, fresh, trained
from demucs.hdemucs import HDemucs

# 64 frames per window: two levels along frequency, one where the branches join, two along time.
SMALL = {"channels": 16, "nfft": 64, "depth": 4, "norm_starts": 1, "dconv_attn": 2, "dconv_lstm": 2}
BANDS = {"channels": 8, "nfft": 1024, "norm_starts": 2, "multi_freqs": [0.1, 0.3], "multi_freqs_depth": 2}
CASES = {
    "small": (SMALL, 2, 4, 2048),
    "odd_length": (SMALL, 2, 3, 2001),
    # More than 200 steps behind the join: the LSTMs work in spans.
    "spans": (SMALL, 2, 2, 4801),
    "mono_short": (SMALL, 1, 2, 50),
    # The published mdx and mdx_extra hold models of each of these kinds.
    "magnitudes_old_padding": (dict(SMALL, cac=False, hybrid_old=True), 2, 2, 3001),
    "magnitudes": (dict(SMALL, cac=False, norm_starts=999), 1, 3, 3001),
    "bands": (BANDS, 2, 2, 9001),
    "both_residuals": (dict(SMALL, dconv_mode=3, channels_time=8, context=2, context_enc=1, time_stride=4), 2, 2, 3000),
    "no_residuals": (dict(SMALL, dconv_mode=0, rewrite=False, freq_emb=0.0, rescale=0.0), 2, 2, 3000),
}

test_estimates_and_gradients = compared("hdemucs", HDemucs, CASES)
test_default_size = pytest.mark.slow(compared("hdemucs", HDemucs, {"default": ({}, 2, 4, 44101)}, batch=1))
test_training_goes_the_same_way = trained("hdemucs", HDemucs, SMALL, {"sgd": 1.0, "adam": 1e-3}, length=2001)
test_fresh_weights_have_the_original_names_shapes_and_spread = fresh(
    "hdemucs", HDemucs, dict(SMALL, channels=32), BANDS)
