"""mdx23c against audio-separator 0.47.1, which takes lengths that need no padding, and two channels."""

from types import SimpleNamespace

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, music, probe, relative_error
from peer_modules import module_of
from test_mdx23c import SMALL, forward

torch.set_num_threads(1)
pytestmark = pytest.mark.peers
PEER = module_of("audio-separator", "audio_separator.separator.uvr_lib_v5.tfc_tdf_v3")
DEFAULT = {"n_fft": 8192, "hop_length": 1024, "dim_f": 4096, "act": "gelu", "norm": "InstanceNorm", "bottleneck_factor": 4,
           "growth": 128, "num_channels": 128, "num_blocks_per_scale": 2, "num_scales": 5, "num_subbands": 4, "scale": [2, 2]}
# Of 15 hops: 16 STFT frames.
CASES = {
    "small": (SMALL, 4, 128 * 15),
    "batch_norm_relu": (dict(SMALL, norm="BatchNorm", act="relu"), 2, 128 * 15),
    "group_norm_elu": (dict(SMALL, norm="GroupNorm2", act="elu0.7"), 3, 128 * 31),
    "other_scales": (dict(SMALL, scale=[1, 4], bottleneck_factor=2, num_subbands=4), 2, 128 * 22),
}


def make(options, stems):
    torch.manual_seed(1)
    options = DEFAULT | options
    config = SimpleNamespace(
        audio=SimpleNamespace(num_channels=2, **{key: options[key] for key in ("n_fft", "hop_length", "dim_f")}),
        model=SimpleNamespace(**options),
        training=SimpleNamespace(target_instrument=None, instruments=[f"stem{i}" for i in range(stems)]))
    model = PEER.TFC_TDF_net(config, "cpu").eval()
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.InstanceNorm2d, torch.nn.GroupNorm)):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, "mdx23c", options, make(options, stems), forward, 2, stems, length)


def test_silence_behind_noise(tmp_path):
    model = make(SMALL, 3)
    mix = music(1, 2, 128 * 71)
    mix[..., 4000:] = 0
    output = probe(tmp_path, "mdx23c", SMALL, ["a", "b", "c"], 2, model.state_dict(), {"mix": mix})
    with torch.no_grad():
        assert relative_error(output["estimates"], model(mix)) <= 1e-5


def test_levels_as_published(tmp_path):
    options = {"num_channels": 32, "growth": 32}
    check_estimates_and_gradients(tmp_path, "mdx23c", options, make(options, 4), forward, 2, 4, 1024 * 31, batch=1)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 3.0), ("adam", 1e-3)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    check_training(tmp_path, "mdx23c", SMALL, make(SMALL, 2), forward, optimizer, rate, length=128 * 31)
