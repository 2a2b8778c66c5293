"""htdemucs against PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients and training."""

import pytest
import torch
from demucs4 import check_fresh_weights, compare, compare_training
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs

SMALL = {"channels": 8, "nfft": 512, "depth": 2, "t_layers": 3, "t_heads": 2, "use_train_segment": False}
PUBLISHED = {"dconv_mode": 3, "bottom_channels": 512, "t_dropout": 0.02, "segment": 7.8}
CASES = {
    "small": (SMALL, 2, 4, 4096),
    "odd_length": (SMALL, 2, 3, 5001),
    "mono_short": (SMALL, 1, 2, 50),
    "both_residuals_and_bottom": (dict(SMALL, dconv_mode=3, bottom_channels=24), 1, 2, 3333),
    "no_transformer_no_embedding": (dict(SMALL, t_layers=0, freq_emb=0.0), 2, 2, 3000),
    "deep": (dict(SMALL, channels=4, growth=3, nfft=4096, depth=4, norm_starts=1, norm_groups=2, dconv_depth=3,
                  dconv_comp=2, t_hidden_scale=1.5, t_max_period=500.0, t_weight_pos_embed=0.5, context_enc=1,
                  emb_smooth=False), 2, 2, 20001),
    "bands": (dict(SMALL, nfft=2048, depth=3, multi_freqs=[0.2, 0.5], multi_freqs_depth=2), 2, 2, 9001),
}


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    error, gradient_error = compare(tmp_path, "htdemucs", HTDemucs, options, channels, stems, length)
    print(f"{case}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


@pytest.mark.parametrize("options, stems", [({}, 4), (PUBLISHED, 6)], ids=["default", "published"])
def test_the_large_ones(options, stems, tmp_path):
    options = dict(options, use_train_segment=False)
    error, gradient_error = compare(tmp_path, "htdemucs", HTDemucs, options, 2, stems, 44101, batch=1)
    print(f"{options}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


@pytest.mark.parametrize("length", [4410, 3001, 1])
def test_shorter_inputs_are_padded_to_the_segment(length, tmp_path):
    """As demucs separates a song: padded to valid_length() on both sides, trimmed afterwards."""
    options = dict(SMALL, use_train_segment=True, segment=0.1)
    def separate(model, mix):
        with torch.enable_grad():
            missing = model.valid_length(length) - length
            padded = torch.nn.functional.pad(mix, (missing // 2, missing - missing // 2))
            return model(padded)[..., missing // 2:missing // 2 + length]
    error, gradient_error = compare(tmp_path, "htdemucs", HTDemucs, options, 2, 2, length, separate=separate)
    assert error <= 1e-5
    assert gradient_error <= 1e-4


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.05), ("adam", 1e-3)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    options = dict(SMALL, use_train_segment=True, segment=0.1, dconv_mode=3, bottom_channels=16)
    error, losses = compare_training(tmp_path, "htdemucs", HTDemucs, options, optimizer, rate, length=5001)
    print(f"{optimizer}: losses {losses[0]:.4f} to {losses[-1]:.4f}, largest difference {error:.1e}")
    assert abs(losses[0] - losses[-1]) > 1e-3
    assert error <= 1e-4


def test_fresh_weights_have_the_original_names_shapes_and_spread(tmp_path):
    check_fresh_weights(tmp_path, "htdemucs", HTDemucs,
                        dict(SMALL, channels=16, dconv_mode=3, bottom_channels=24))
