"""bs_roformer and mel_band_roformer against unblend 1.0.0, whose classes have options that no other package has: mask networks of
another width, sums of earlier blocks before a block, and a lowest bin that is left out."""

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training
from peer_modules import module_of

torch.set_num_threads(1)
pytestmark = pytest.mark.peers
PEER = module_of("unblend", "unblend.roformer")
BLOCK = {"dim": 32, "depth": 3, "time_transformer_depth": 1, "freq_transformer_depth": 1, "dim_head": 16, "heads": 4}
BS = dict(BLOCK, freqs_per_bands=(2,) * 10 + (5,) * 5 + (20, 64), stft_n_fft=256, stft_win_length=256, stft_hop_length=64)
MEL = dict(BLOCK, num_bands=20, stft_n_fft=512, stft_win_length=512, stft_hop_length=128, attn_dropout=0.0, ff_dropout=0.0,
           match_input_audio_length=True)
KINDS = {"bs": ("bs_roformer", PEER.BSRoformer, BS), "mel": ("mel_band_roformer", PEER.MelBandRoformer, MEL)}
OPTIONS = {
    "plain": {},
    "narrow_masks": {"mlp_expansion_factor": 2, "mask_estimator_depth": 2},
    "wide_masks": {"mlp_expansion_factor": 5, "mask_estimator_depth": 3},
    "skip_connection": {"skip_connection": True},
    "skip_connection_deep": {"skip_connection": True, "depth": 4, "time_transformer_depth": 2, "linear_transformer_depth": 1},
    "lowest_bin_kept": {"zero_dc": False},
}


def make(kind, options, stems):
    torch.manual_seed(1)
    model = kind(stereo=True, num_stems=stems, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def forward(model, mix):
    estimates = model(mix)
    return estimates if estimates.ndim == 4 else estimates.unsqueeze(1)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_estimates_and_gradients(kind, options, tmp_path):
    name, peer, small = KINDS[kind]
    options = small | {"zero_dc": True} | OPTIONS[options]
    check_estimates_and_gradients(tmp_path, name, options, make(peer, options, 2), forward, 2, 2, 5003)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.5), ("adam", 1e-3)])
def test_training_goes_the_same_way(kind, optimizer, rate, tmp_path):
    name, peer, small = KINDS[kind]
    options = small | {"skip_connection": True, "mlp_expansion_factor": 2}
    check_training(tmp_path, name, options, make(peer, options, 2), forward, optimizer, rate, length=3001)
