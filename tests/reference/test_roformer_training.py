"""The loss that RoFormers are trained with, against the one inside PyPI BS-RoFormer's models."""

from unittest.mock import patch

import pytest
import torch
from roformers import original
from test_objective import LEVELS, STEMS, audio, probe

MODEL = dict(dim=8, depth=1, stereo=True, num_stems=3, time_transformer_depth=1, freq_transformer_depth=1, heads=1,
             dim_head=4, freqs_per_bands=(512, 513), dim_freqs_in=1025)
CASES = {
    "defaults": ({}, [{"name": "l1"}, {"name": "multi_resolution_complex_stft"}]),
    "other_sizes": (dict(multi_stft_resolutions_window_sizes=(2500, 600), multi_stft_hop_size=100,
                         multi_stft_resolution_loss_weight=0.3),
                    [{"name": "l1"}, {"name": "multi_resolution_complex_stft", "windows": [2500, 600], "hop": 100,
                                      "weight": 0.3}]),
}


@pytest.mark.parametrize("case", CASES)
def test_loss_of_the_package(case, tmp_path):
    options, loss = CASES[case]
    model = original("0.3.10")().BSRoformer(**MODEL, **options)
    estimates, targets = audio()
    # Its forward gives a loss where it is shown targets; what it compares with them comes out of its inverse STFT.
    with patch.object(torch, "istft", lambda *_, **__: estimates.flatten(0, 2)):
        expected = model(targets.sum(1), target=targets)
    expected.backward()
    output = probe(tmp_path, {"stems": STEMS, "stem_levels": LEVELS, "loss": loss},
                   {"estimates": estimates.detach(), "targets": targets})
    error = float((output["loss"][0] - expected.detach()).abs() / expected.detach())
    gradient_error = float((output["gradient"] - estimates.grad).norm() / estimates.grad.norm())
    print(f"{case}: {float(expected.detach()):.5f}, difference {error:.1e}, gradient {gradient_error:.1e} of its norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4
