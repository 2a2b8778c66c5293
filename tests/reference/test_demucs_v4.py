"""demucs against the waveform class of PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients, training."""

import pytest
from demucs4 import check_fresh_weights, compare, compare_training
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


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    error, gradient_error = compare(tmp_path, "demucs", Demucs, options, channels, stems, length)
    print(f"{case}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


def test_the_default_size(tmp_path):
    error, gradient_error = compare(tmp_path, "demucs", Demucs, {}, 2, 4, 22051, batch=1)
    print(f"estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


@pytest.mark.parametrize("optimizer, rate", [("sgd", 1.0), ("adam", 1e-2)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    error, losses = compare_training(tmp_path, "demucs", Demucs, SMALL, optimizer, rate, length=3001)
    print(f"{optimizer}: losses {losses[0]:.4f} to {losses[-1]:.4f}, largest difference {error:.1e}")
    assert abs(losses[0] - losses[-1]) > 1e-3
    assert error <= 1e-4


def test_fresh_weights_have_the_original_names_shapes_and_spread(tmp_path):
    check_fresh_weights(tmp_path, "demucs", Demucs, dict(SMALL, channels=16, lstm_layers=2))
