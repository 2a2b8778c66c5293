"""hdemucs against PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients and training."""

import pytest
from demucs4 import check_fresh_weights, compare, compare_training
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


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    error, gradient_error = compare(tmp_path, "hdemucs", HDemucs, options, channels, stems, length)
    print(f"{case}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


def test_the_default_size(tmp_path):
    error, gradient_error = compare(tmp_path, "hdemucs", HDemucs, {}, 2, 4, 44101, batch=1)
    print(f"estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


@pytest.mark.parametrize("optimizer, rate", [("sgd", 1.0), ("adam", 1e-3)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    error, losses = compare_training(tmp_path, "hdemucs", HDemucs, SMALL, optimizer, rate, length=2001)
    print(f"{optimizer}: losses {losses[0]:.4f} to {losses[-1]:.4f}, largest difference {error:.1e}")
    assert abs(losses[0] - losses[-1]) > 1e-3
    assert error <= 1e-4


def test_fresh_weights_have_the_original_names_shapes_and_spread(tmp_path):
    check_fresh_weights(tmp_path, "hdemucs", HDemucs, dict(SMALL, channels=32))
    check_fresh_weights(tmp_path, "hdemucs", HDemucs, BANDS)
