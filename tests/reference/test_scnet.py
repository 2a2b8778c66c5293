"""scnet and scnet_masked against the paper's layers in PyTorch: same weights, same audio, same estimates and gradients.

The network is built here from its table of layers (arXiv:2401.13276, section 3, with the figures of the published
configuration). The peers' test compares the same models with a package that separates with published weights.
"""

import math

import pytest
import torch
from model_probe import (check_estimates_and_gradients, check_training, fresh_state, music, probe, relative_error)
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def named(**children):
    return nn.ModuleDict(children)


class Scnet(nn.Module):
    def __init__(self, stems, audio_channels, masked=False, dims=(4, 32, 64, 128), nfft=4096, hop_size=1024, win_size=4096,
                 normalized=True, band_SR=(.175, .392, .433), band_stride=(1, 4, 16), band_kernel=(3, 4, 16),
                 conv_depths=(3, 2, 1), compress=4, conv_kernel=3, num_dplayer=6, expand=1):
        super().__init__()
        self.stems, self.channels, self.hop, self.shares = stems, audio_channels, hop_size, band_SR
        self.stride, self.kernel, self.masked = band_stride, band_kernel, masked
        window = torch.hann_window(win_size) if masked else torch.ones(win_size)
        self.stft = {"n_fft": nfft, "hop_length": hop_size, "win_length": win_size, "window": window,
                     "normalized": normalized}
        levels = list(zip(dims, dims[1:]))
        self.encoder = nn.ModuleList(named(
            SDlayer=named(convs=nn.ModuleList(nn.Conv2d(a, b, (k, 1), (s, 1)) for k, s in zip(band_kernel, band_stride))),
            conv_modules=nn.ModuleList(named(layers=nn.ModuleList(
                self.branch(b, int(b / compress), conv_kernel) for _ in range(depth))) for depth in conv_depths),
            globalconv=nn.Conv2d(b, b, 3, padding=1)) for a, b in levels)
        self.decoder = nn.ModuleList(nn.ModuleList([
            named(conv=nn.Conv2d(2 * b, 2 * b, 3, padding=1)),
            named(convtrs=nn.ModuleList(nn.ConvTranspose2d(b, a if index else a * stems, (k, 1), (s, 1))
                                        for k, s in zip(band_kernel, band_stride)))])
            for index, (a, b) in reversed(list(enumerate(levels))))
        widths = [dims[-1] * (2 if i % 2 else 1) for i in range(num_dplayer)]
        self.separation_net = named(dp_modules=nn.ModuleList(named(
            lstm_layers=nn.ModuleList(nn.LSTM(w, w * expand, bidirectional=True) for _ in range(2)),
            linear_layers=nn.ModuleList(nn.Linear(2 * w * expand, w) for _ in range(2)),
            norm_layers=nn.ModuleList(nn.GroupNorm(1, w) for _ in range(2))) for w in widths))
        if masked:
            out = dims[0] * stems
            self.pos_embed_f = nn.Parameter(0.3 * torch.randn(1, dims[0], nfft // 2 + 1, 1))
            self.mask_layer = nn.Sequential(nn.Conv2d(out, 64, 3, padding=1), nn.GELU(), nn.Conv2d(64, out, 1), nn.Tanh())

    @staticmethod
    def branch(width, waist, kernel):
        pad = kernel // 2
        return nn.Sequential(nn.GroupNorm(1, width), nn.Conv1d(width, 2 * waist, kernel, padding=pad), nn.GLU(1),
                             nn.Conv1d(waist, waist, kernel, padding=pad, groups=waist), nn.GroupNorm(1, waist), nn.SiLU(),
                             nn.Conv1d(waist, width, 1))

    def down(self, level, x):
        """What goes on to the next level, the skip, and how many bins each band had before and after."""
        bins = x.shape[2]
        ends = [math.ceil(bins * self.shares[0]), math.ceil(bins * (self.shares[0] + self.shares[1])), bins]
        bands, sizes = [], []
        for conv, module, stride, kernel, start, end in zip(level["SDlayer"]["convs"], level["conv_modules"], self.stride,
                                                            self.kernel, [0, *ends], ends):
            band = x[:, :, start:end]
            extra = kernel - 1 if stride == 1 else -(end - start) % stride
            y = conv(F.pad(band, (0, 0, extra // 2, extra - extra // 2)))
            rows = []
            for row in y.unbind(2):
                for layer in module["layers"]:
                    row = row + layer(row)
                rows.append(row)
            bands.append(F.gelu(torch.stack(rows, 2)))
            sizes.append((end - start, y.shape[2]))
        skip = torch.cat(bands, 2)
        return level["globalconv"](skip), skip, sizes

    @staticmethod
    def up(level, x, skip, sizes):
        x = x + skip
        x = F.glu(level[0]["conv"](torch.cat([x, x], 1)), 1)
        bands = []
        for convtr, (before, after) in zip(level[1]["convtrs"], sizes):
            band, x = x[:, :, :after], x[:, :, after:]
            band = convtr(band)
            start = abs(before - band.shape[2]) // 2
            bands.append(band[:, :, start:start + before])
        return torch.cat(bands, 2)

    @staticmethod
    def dual_path(parts, x):
        for axis, lstm, linear, norm in zip((2, 3), parts["lstm_layers"], parts["linear_layers"], parts["norm_layers"]):
            steps = norm(x).movedim(axis, 0).movedim(2, -1)  # steps, batch, the other axis, channels
            y = linear(lstm(steps.flatten(1, 2))[0]).reshape(steps.shape)
            x = x + y.movedim(-1, 2).movedim(0, axis)
        return x

    def forward(self, mix):
        length, hop = mix.shape[-1], self.hop
        padded = (length // hop + 1) * hop  # at least one sample more
        padded += hop if padded // hop % 2 == 0 else 0  # so that the number of frames is even
        spectrum = torch.stft(F.pad(mix, (0, padded - length)).flatten(0, 1), **self.stft, return_complex=True)
        spectrum = spectrum.unflatten(0, mix.shape[:2])  # [B, C, F, N]
        x = torch.stack([spectrum.real, spectrum.imag], 2).flatten(1, 2)
        x = x + self.pos_embed_f if self.masked else x
        passed = []
        for level in self.encoder:
            x, *kept = self.down(level, x)
            passed.append(kept)
        for index, parts in enumerate(self.separation_net["dp_modules"]):
            x = self.dual_path(parts, x)
            if index % 2:
                x = torch.fft.irfft(torch.complex(*x.chunk(2, 1)), norm="ortho")
            else:
                x = torch.fft.rfft(x, norm="ortho")
                x = torch.cat([x.real, x.imag], 1)
        for level, (skip, sizes) in zip(self.decoder, reversed(passed)):
            x = self.up(level, x, skip, sizes)
        x = self.mask_layer(x) if self.masked else x
        x = x.unflatten(1, (self.stems, self.channels, 2))
        x = torch.complex(x[:, :, :, 0], x[:, :, :, 1])
        x = x * spectrum.unsqueeze(1) if self.masked else x
        waves = torch.istft(x.flatten(0, 2), **self.stft)
        return waves.unflatten(0, x.shape[:3])[..., :length]


SMALL = {"dims": [4, 8, 16], "nfft": 512, "hop_size": 128, "win_size": 512, "num_dplayer": 2}
MONO = dict(SMALL, dims=[2, 8, 12])
CASES = {
    "small": (SMALL, 2, 4, 6000),
    "whole_hops": (SMALL, 2, 2, 5120),
    "mono_odd_length": (MONO, 1, 3, 4999),
    "shortest": (SMALL, 2, 1, 256),
    "otherwise": (dict(SMALL, normalized=False, win_size=400, hop_size=100, band_SR=[.23, .37, .4], band_stride=[1, 4, 4],
                       band_kernel=[3, 4, 4], conv_depths=[1, 2, 1], compress=2, conv_kernel=5, expand=2), 2, 2, 5003),
    "four_dual_paths": (dict(SMALL, num_dplayer=4, dims=[4, 4, 8, 8]), 2, 2, 4000),
}
MASKED = {name: case for name, case in CASES.items() if name != "otherwise"}
ALL = [(False, name) for name in CASES] + [(True, name) for name in MASKED]


def make(masked, options, channels, stems):
    torch.manual_seed(1)
    model = Scnet(stems, channels, masked, **options).eval()
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


def row(masked):
    return "scnet_masked" if masked else "scnet"


def forward(model, mix):
    return model(mix)


@pytest.mark.parametrize("masked, case", ALL, ids=[f"{row(masked)}-{case}" for masked, case in ALL])
def test_estimates_and_gradients(masked, case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, row(masked), options, make(masked, options, channels, stems), forward, channels,
                                  stems, length)


@pytest.mark.parametrize("masked", [False, True], ids=row)
def test_silence_behind_noise(masked, tmp_path):
    """The masked one is silent where the mixture is; both give what PyTorch gives."""
    model = make(masked, SMALL, 2, 3)
    mix = music(1, 2, 9000)
    mix[..., 4000:] = 0
    output = probe(tmp_path, row(masked), SMALL, ["a", "b", "c"], 2, model.state_dict(), {"mix": mix})
    with torch.no_grad():
        expected = model(mix)
    assert relative_error(output["estimates"], expected) <= 1e-5
    if masked:
        assert output["estimates"][..., 4000 + SMALL["nfft"]:].abs().max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True], ids=row)
def test_default_size(masked, tmp_path):
    check_estimates_and_gradients(tmp_path, row(masked), {}, make(masked, {}, 2, 4), forward, 2, 4, 100001, batch=1)


@pytest.mark.parametrize("masked", [False, True], ids=row)
@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.3), ("adam", 1e-3)])
def test_training_goes_the_same_way(masked, optimizer, rate, tmp_path):
    check_training(tmp_path, row(masked), SMALL, make(masked, SMALL, 2, 2), forward, optimizer, rate, length=4001)


@pytest.mark.parametrize("masked", [False, True], ids=row)
def test_our_weights_in_python(masked, tmp_path):
    mix = torch.randn(1, 2, 5001)
    output = probe(tmp_path, row(masked), SMALL, ["a", "b"], 2, None, {"mix": mix})
    model, state = make(masked, SMALL, 2, 2), fresh_state(output)
    assert {name: tensor.shape for name, tensor in state.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    with torch.no_grad():
        assert relative_error(output["estimates"], model(mix)) <= 1e-5
