"""demucs_v2 against PyPI demucs 2.0.3: same weights, same audio, same estimates and gradients.

The weights are drawn in Python, carried over by name in a safetensors file, and both models separate the same audio.
Python pads to valid_length() and trims the centre, as its own apply_model does.
"""

import os
import sys
import types

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, fresh_state, probe

sys.path.insert(0, os.environ["STEMSMITH_DEMUCS2"])
# demucs.utils imports quantizers and progress bars that the model itself never uses.
for name in ("diffq", "tqdm"):
    if name not in sys.modules:
        try:
            __import__(name)
        except ImportError:
            module = types.ModuleType(name)
            module.UniformQuantizer = module.DiffQuantizer = module.tqdm = object
            sys.modules[name] = module

from demucs.model import Demucs  # noqa: E402
from demucs.utils import center_trim  # noqa: E402

torch.set_num_threads(1)


def python_separate(model, mix):
    length = mix.shape[-1]
    surplus = model.valid_length(length) - length
    padded = torch.nn.functional.pad(mix, (surplus // 2, surplus - surplus // 2))
    return center_trim(model(padded), length)


SMALL = {"channels": 8, "depth": 3}
CASES = {
    "small": (SMALL, 2, 4, 4001),
    "small_mono": (SMALL, 1, 3, 5000),
    "one_stem_short": (SMALL, 2, 1, 7),
    "one_frame": (SMALL, 2, 2, 1),
    "normalized": (dict(SMALL, normalize=True), 2, 4, 6003),
    "without_resampling": (dict(SMALL, resample=False), 2, 2, 3333),
    "without_lstm": (dict(SMALL, lstm_layers=0), 2, 2, 3334),
    "relu": (dict(SMALL, glu=False, rescale=0.0), 2, 2, 2999),
    "other_shapes": ({"channels": 6, "depth": 4, "kernel_size": 6, "stride": 2, "context": 5, "growth": 1.5,
                      "lstm_layers": 1}, 2, 2, 4097),
    "default_depth": ({"channels": 4}, 2, 4, 30001),
}
# The original's default is 265 million parameters.
LARGE = {
    "larger": ({"channels": 24, "depth": 5}, 2, 4, 22051),
    "default": ({}, 2, 4, 22051),
}


def make(options, channels, stem_count):
    torch.manual_seed(1)
    return Demucs([f"stem{i}" for i in range(stem_count)], audio_channels=channels, **options).eval()


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, "demucs_v2", options, make(options, channels, stems), python_separate,
                                  channels, stems, length)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_large_sizes(case, tmp_path):
    options, channels, stems, length = LARGE[case]
    check_estimates_and_gradients(tmp_path, "demucs_v2", options, make(options, channels, stems), python_separate,
                                  channels, stems, length, batch=1)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.2), ("adam", 1e-2)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    check_training(tmp_path, "demucs_v2", SMALL, make(SMALL, 2, 2), python_separate, optimizer, rate, length=3001)


def test_fresh_weights_have_the_original_names_shapes_and_spread(tmp_path):
    torch.manual_seed(2)
    stems = ["a", "b"]
    options = {"channels": 16, "depth": 4}
    original = Demucs(stems, **options).state_dict()
    output = probe(tmp_path, "demucs_v2", options, stems, 2, None, {"mix": torch.zeros(1, 2, 1000)})
    ours = fresh_state(output)
    assert ours.keys() == original.keys()
    for name, tensor in original.items():
        assert ours[name].shape == tensor.shape, name
        # Uniform draws of the same range: the largest of many values is near the bound.
        if tensor.numel() >= 256:
            assert ours[name].std() == pytest.approx(tensor.std(), rel=0.15), name
