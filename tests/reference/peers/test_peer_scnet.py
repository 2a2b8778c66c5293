"""scnet and scnet_masked against unblend 1.0.0: same weights, same audio, same estimates and gradients."""

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, music, probe, relative_error
from peer_modules import module_of
from test_scnet import ALL, CASES, SMALL, forward, row

torch.set_num_threads(1)
pytestmark = pytest.mark.peers
PEER = module_of("unblend", "unblend.scnet")
LARGE = {"dims": [4, 64, 128, 256], "band_SR": [.225, .372, .403]}
WIDE = {"dims": [4, 64, 128, 256], "band_SR": [.23, .37, .4], "band_stride": [1, 4, 4], "band_kernel": [3, 4, 4],
        "conv_depths": [3, 3, 3], "num_dplayer": 8}


def make(masked, options, channels, stems):
    torch.manual_seed(1)
    kind = PEER.SCNetMasked if masked else PEER.SCNet
    model = kind(sources=[f"stem{i}" for i in range(stems)], audio_channels=channels, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


@pytest.mark.parametrize("masked, case", ALL, ids=[f"{row(masked)}-{case}" for masked, case in ALL])
def test_estimates_and_gradients(masked, case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, row(masked), options, make(masked, options, channels, stems), forward, channels,
                                  stems, length)


@pytest.mark.parametrize("masked", [False, True], ids=row)
def test_silence_behind_noise(masked, tmp_path):
    model = make(masked, SMALL, 2, 3)
    mix = music(1, 2, 9000)
    mix[..., 4000:] = 0
    output = probe(tmp_path, row(masked), SMALL, ["a", "b", "c"], 2, model.state_dict(), {"mix": mix})
    with torch.no_grad():
        assert relative_error(output["estimates"], model(mix)) <= 1e-5


@pytest.mark.parametrize("masked, options", [(False, {}), (True, {}), (False, LARGE), (False, WIDE)],
                         ids=["default", "masked", "large", "wide"])
def test_as_published(masked, options, tmp_path):
    check_estimates_and_gradients(tmp_path, row(masked), options, make(masked, options, 2, 4), forward, 2, 4, 100001, batch=1)


@pytest.mark.parametrize("masked", [False, True], ids=row)
@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.3), ("adam", 1e-3)])
def test_training_goes_the_same_way(masked, optimizer, rate, tmp_path):
    check_training(tmp_path, row(masked), SMALL, make(masked, SMALL, 2, 2), forward, optimizer, rate, length=4001)
