"""mdx23c against the paper's layers in PyTorch: same weights, same audio, same estimates and gradients.

The network is built here from its description (arXiv:2306.09382: TFC-TDF v3). The peers' test compares the same model with
a package that separates with published weights.
"""

import pytest
import torch
from model_probe import (check_estimates_and_gradients, check_training, fresh_state, music, probe, relative_error)
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
NORMS = {"BatchNorm": nn.BatchNorm2d, "InstanceNorm": lambda c: nn.InstanceNorm2d(c, affine=True),
         "GroupNorm2": lambda c: nn.GroupNorm(2, c), "none": lambda c: nn.Identity()}
ACTS = {"gelu": nn.GELU, "relu": nn.ReLU, "elu0.7": lambda: nn.ELU(0.7)}


class Mdx23c(nn.Module):
    def __init__(self, stems, audio_channels, n_fft=8192, hop_length=1024, dim_f=4096, act="gelu", norm="InstanceNorm",
                 bottleneck_factor=4, growth=128, num_channels=128, num_blocks_per_scale=2, num_scales=5, num_subbands=4,
                 scale=(2, 2)):
        super().__init__()
        self.stems, self.channels, self.n_fft, self.hop = stems, audio_channels, n_fft, hop_length
        self.bins, self.bands, self.multiple = dim_f, num_subbands, scale[0]**num_scales
        parts, scale = 2 * audio_channels * num_subbands, tuple(scale)

        def then(width, *layers):
            return nn.Sequential(*(part for layer in layers for part in (NORMS[norm](width), ACTS[act](), layer)))

        def block(a, b, bins):
            waist = bins // bottleneck_factor
            return nn.ModuleDict({
                "tfc1": then(a, nn.Conv2d(a, b, 3, padding=1, bias=False)),
                "tdf": then(b, nn.Linear(bins, waist, bias=False), nn.Linear(waist, bins, bias=False)),
                "tfc2": then(b, nn.Conv2d(b, b, 3, padding=1, bias=False)),
                "shortcut": nn.Conv2d(a, b, 1, bias=False)})

        def blocks(a, b, bins):
            return nn.ModuleDict({"blocks": nn.ModuleList(block(a if i == 0 else b, b, bins)
                                                          for i in range(num_blocks_per_scale))})

        sizes = [(num_channels + i * growth, dim_f // num_subbands // scale[1]**i) for i in range(num_scales + 1)]
        self.first_conv = nn.Conv2d(parts, num_channels, 1, bias=False)
        self.encoder_blocks = nn.ModuleList(nn.ModuleDict({
            "tfc_tdf": blocks(c, c, f),
            "downscale": nn.ModuleDict({"conv": then(c, nn.Conv2d(c, c + growth, scale, scale, bias=False))})})
            for c, f in sizes[:-1])
        self.bottleneck_block = blocks(sizes[-1][0], *sizes[-1])
        self.decoder_blocks = nn.ModuleList(nn.ModuleDict({
            "upscale": nn.ModuleDict({"conv": then(c + growth, nn.ConvTranspose2d(c + growth, c, scale, scale, bias=False))}),
            "tfc_tdf": blocks(2 * c, c, f)}) for c, f in reversed(sizes[:-1]))
        self.final_conv = nn.Sequential(nn.Conv2d(num_channels + parts, num_channels, 1, bias=False), ACTS[act](),
                                        nn.Conv2d(num_channels, stems * parts, 1, bias=False))

    @staticmethod
    def through(blocks, x):
        for block in blocks["blocks"]:
            y = block["tfc1"](x)
            y = y + block["tdf"](y)
            x = block["tfc2"](y) + block["shortcut"](x)
        return x

    def network(self, x):
        skips = []
        for level in self.encoder_blocks:
            x = self.through(level["tfc_tdf"], x)
            skips.append(x)
            x = level["downscale"]["conv"](x)
        x = self.through(self.bottleneck_block, x)
        for level, skip in zip(self.decoder_blocks, reversed(skips)):
            x = self.through(level["tfc_tdf"], torch.cat([level["upscale"]["conv"](x), skip], 1))
        return x

    def forward(self, mix):
        # To a number of STFT frames that all levels divide, and enough to reflect.
        length, step = mix.shape[-1], self.hop * self.multiple
        padded = step - self.hop
        while padded < length or padded <= self.n_fft // 2:
            padded += step
        left = (padded - length) // 2
        waves = F.pad(mix, (left, padded - length - left)).flatten(0, 1)
        transform = {"n_fft": self.n_fft, "hop_length": self.hop, "window": torch.hann_window(self.n_fft)}
        spectrum = torch.stft(waves, **transform, return_complex=True).unflatten(0, mix.shape[:2])[:, :, :self.bins]
        bands = torch.stack([spectrum.real, spectrum.imag], 2)  # [B, C, 2, F, N]
        bands = bands.unflatten(3, (self.bands, -1)).flatten(1, 3)
        seen = self.first_conv(bands)
        x = self.network(seen.mT).mT * seen
        y = self.final_conv(torch.cat([bands, x], 1))
        y = y.unflatten(1, (self.stems, self.channels, 2, self.bands)).flatten(4, 5)
        y = F.pad(torch.complex(y[:, :, :, 0], y[:, :, :, 1]), (0, 0, 0, self.n_fft // 2 + 1 - self.bins))
        estimates = torch.istft(y.flatten(0, 2), **transform).unflatten(0, y.shape[:3])
        return estimates[..., left:left + length]


SMALL = {"n_fft": 512, "hop_length": 128, "dim_f": 192, "num_channels": 8, "growth": 4, "num_blocks_per_scale": 2,
         "num_scales": 2, "num_subbands": 2}
CASES = {
    "small": (SMALL, 2, 4, 6000),
    "batch_norm_relu": (dict(SMALL, norm="BatchNorm", act="relu"), 2, 2, 4999),
    "group_norm_elu_mono": (dict(SMALL, norm="GroupNorm2", act="elu0.7"), 1, 3, 5001),
    "no_norm": (dict(SMALL, norm="none", dim_f=256, num_blocks_per_scale=1), 2, 1, 3968),
    "shortest": (SMALL, 2, 2, 1),
    "other_scales": (dict(SMALL, scale=[1, 4], bottleneck_factor=2, num_subbands=4), 2, 2, 4001),
}


def make(options, channels, stems):
    torch.manual_seed(1)
    model = Mdx23c(stems, channels, **options).eval()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def forward(model, mix):
    return model(mix)


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, "mdx23c", options, make(options, channels, stems), forward, channels, stems,
                                  length)


def test_silence_behind_noise(tmp_path):
    """No layer adds to a spectrum of zeros: silence stays silent, however loud what comes before it."""
    model = make(SMALL, 2, 3)
    mix = music(1, 2, 9000)
    mix[..., 4000:] = 0
    output = probe(tmp_path, "mdx23c", SMALL, ["a", "b", "c"], 2, model.state_dict(), {"mix": mix})
    with torch.no_grad():
        expected = model(mix)
    assert relative_error(output["estimates"], expected) <= 1e-5
    assert output["estimates"][..., 4000 + SMALL["n_fft"]:].abs().max() == 0


@pytest.mark.slow
def test_default_levels(tmp_path):
    options = {"num_channels": 32, "growth": 16}
    check_estimates_and_gradients(tmp_path, "mdx23c", options, make(options, 2, 4), forward, 2, 4, 40001, batch=1)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 3.0), ("adam", 1e-3)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    check_training(tmp_path, "mdx23c", SMALL, make(SMALL, 2, 2), forward, optimizer, rate, length=4001)


def test_our_weights_in_python(tmp_path):
    mix = torch.randn(1, 2, 5001)
    output = probe(tmp_path, "mdx23c", SMALL, ["a", "b"], 2, None, {"mix": mix})
    model, state = make(SMALL, 2, 2), fresh_state(output)
    assert {name: tensor.shape for name, tensor in state.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    with torch.no_grad():
        assert relative_error(output["estimates"], model(mix)) <= 1e-5
