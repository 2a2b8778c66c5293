"""What the comparisons with PyPI demucs 4 have in common: models with random weights, and ours beside them.

Fresh weights would hide much: a residual branch adds next to nothing at first. Every tensor gets some noise.
"""

import os
import sys

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, fresh_state, probe

sys.path.insert(0, os.environ["STEMSMITH_DEMUCS4"])

# Threads gain nothing on small tensors, and lose much where others run.
torch.set_num_threads(1)


def make(klass, options, channels, stem_count, noise=0.03):
    torch.manual_seed(1)
    model = klass([f"stem{i}" for i in range(stem_count)], audio_channels=channels, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += noise * torch.randn_like(parameter)
    return model


def forward(model, mix):
    return model(mix)


def compared(name, klass, cases, batch=2, separate=forward):
    """A test of estimates and gradients: `cases` are (options, channels, stems, frames) by their names."""

    @pytest.mark.parametrize("case", cases)
    def test(case, tmp_path):
        options, channels, stems, length = cases[case]
        check_estimates_and_gradients(tmp_path, name, options, make(klass, options, channels, stems), separate,
                                      channels, stems, length, batch)

    return test


def trained(name, klass, options, rates, length):
    """A test that the losses of ten steps are the same with each optimiser of `rates`."""

    @pytest.mark.parametrize("optimizer", rates)
    def test(optimizer, tmp_path):
        check_training(tmp_path, name, options, make(klass, options, 2, 2), forward, optimizer, rates[optimizer], length)

    return test


def fresh(name, klass, *configurations):
    """A test of names, shapes and spread of the weights that our model draws."""

    def test(tmp_path):
        for options in configurations:
            torch.manual_seed(2)
            original = klass(["a", "b"], **options).state_dict()
            ours = fresh_state(probe(tmp_path, name, options, ["a", "b"], 2, None, {"mix": torch.zeros(1, 2, 1000)}))
            assert ours.keys() == original.keys()
            for key, tensor in original.items():
                assert ours[key].shape == tensor.shape, key
                # Of many draws the deviation is near its expectation; of constants it is 0 in both. The embedding is
                # a random walk: a single draw.
                if tensor.numel() >= 256 and "freq_emb" not in key:
                    assert abs(ours[key].std() - tensor.std()) <= 0.15 * tensor.std(), key
                    assert abs(ours[key].mean() - tensor.mean()) <= 6 * tensor.std() / tensor.numel() ** 0.5 + 1e-6, key

    return test
