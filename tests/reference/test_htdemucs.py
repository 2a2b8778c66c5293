"""htdemucs against PyPI demucs 4.1.0: same weights, same audio, same estimates, gradients and training."""

import pytest
import torch
from demucs4 import compared, fresh, trained
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

def padded(model, mix):
    """As demucs separates a song: padded to valid_length() on both sides, trimmed afterwards."""
    length = mix.shape[-1]
    missing = model.valid_length(length) - length
    whole = torch.nn.functional.pad(mix, (missing // 2, missing - missing // 2))
    return model(whole)[..., missing // 2:missing // 2 + length]


SEGMENT = dict(SMALL, use_train_segment=True, segment=0.1)
LARGE = {
    "default": ({"use_train_segment": False}, 2, 4, 44101),
    "published": (dict(PUBLISHED, use_train_segment=False), 2, 6, 44101),
}

test_estimates_and_gradients = compared("htdemucs", HTDemucs, CASES)
test_default_sizes = pytest.mark.slow(compared("htdemucs", HTDemucs, LARGE, batch=1))
test_shorter_inputs_are_padded_to_the_segment = compared(
    "htdemucs", HTDemucs, {str(length): (SEGMENT, 2, 2, length) for length in (4410, 3001, 1)}, separate=padded)
test_training_goes_the_same_way = trained(
    "htdemucs", HTDemucs, dict(SEGMENT, dconv_mode=3, bottom_channels=16), {"sgd": 0.5, "adam": 1e-3}, length=4410)
test_fresh_weights_have_the_original_names_shapes_and_spread = fresh(
    "htdemucs", HTDemucs, dict(SMALL, channels=16, dconv_mode=3, bottom_channels=24))
