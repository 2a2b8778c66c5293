"""demucs against the waveform class of PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients, training."""

import pytest
from demucs4 import compared, fresh, trained
from demucs.demucs import Demucs

SMALL = {"channels": 8, "depth": 3, "norm_starts": 1, "dconv_attn": 1, "dconv_lstm": 1}
CASES = {
    "small": (SMALL, 2, 4, 4001),
    "mono": (SMALL, 1, 3, 3000),
    "short": (SMALL, 2, 2, 7),
    # More than 200 steps in the last levels: the LSTMs work in spans.
    "spans": (dict(SMALL, resample=False), 2, 2, 9001),
    # As the published mdx.
    "without_rewrite": (dict(SMALL, rewrite=False), 2, 2, 3334),
    "not_normalized": (dict(SMALL, normalize=False, lstm_layers=2), 2, 2, 3333),
    "relu_both_residuals": (dict(SMALL, gelu=False, glu=False, dconv_mode=3), 2, 2, 2999),
    "other_shapes": ({"channels": 8, "depth": 4, "kernel_size": 6, "stride": 2, "context": 2, "growth": 1.5,
                      "dconv_mode": 0, "rescale": 0.0, "norm_starts": 9}, 2, 2, 4097),
}

test_estimates_and_gradients = compared("demucs", Demucs, CASES)
test_default_size = pytest.mark.slow(compared("demucs", Demucs, {"default": ({}, 2, 4, 22051)}, batch=1))
test_training_goes_the_same_way = trained("demucs", Demucs, SMALL, {"sgd": 1.0, "adam": 1e-2}, length=3001)
test_fresh_weights_have_the_original_names_shapes_and_spread = fresh(
    "demucs", Demucs, dict(SMALL, channels=16, lstm_layers=2))
