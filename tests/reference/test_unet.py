"""unet against the papers' layers in PyTorch: same weights, same audio, same estimates, gradients and training.

The U-Nets of Jansson et al. 2017 (ISMIR) and of Spleeter, of Oh et al. 2018 (arXiv:1810.11520), with residual blocks
(arXiv:1711.10684), attention gates (arXiv:1804.03999) and a recurrent bottleneck have no PyTorch package to compare with:
they are built here from their tables of layers.
"""

import math

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
RATE = 44100


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = (nn.BatchNorm2d(width) for _ in range(2))

    def forward(self, x):
        y = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        return F.leaky_relu(x + self.norm2(self.conv2(y)), 0.2)


class Gate(nn.Module):
    """Additive attention: one coefficient per bin and frame."""

    def __init__(self, width):
        super().__init__()
        self.skip, self.gate = (nn.Conv2d(width, width // 2, 1) for _ in range(2))
        self.mask = nn.Conv2d(width // 2, 1, 1)

    def forward(self, skip, gate):
        return skip * torch.sigmoid(self.mask(torch.relu(self.skip(skip) + self.gate(gate))))


class Recurrent(nn.Module):
    """A bidirectional LSTM along time over all bins and channels of the innermost level."""

    def __init__(self, width, bins, hidden):
        super().__init__()
        self.narrow, self.widen = nn.Conv1d(width * bins, hidden, 1), nn.Conv1d(hidden, width * bins, 1)
        self.blstm = nn.ModuleDict({"lstm": nn.LSTM(hidden, hidden, bidirectional=True, batch_first=True),
                                    "linear": nn.Linear(2 * hidden, hidden)})

    def forward(self, x):
        steps, _ = self.blstm["lstm"](self.narrow(x.flatten(1, 2)).transpose(1, 2))
        return x + self.widen(self.blstm["linear"](steps).transpose(1, 2)).reshape(x.shape)


class Unet(nn.Module):
    """Encoder: convolutions of stride 2, batch norm, LeakyReLU 0.2. Decoder: transposed ones, batch norm, ReLU, dropout
    in the first three, each but the first with its skip beside it. The last level's numbers make the masks."""

    def __init__(self, stems, audio_channels, n_fft=4096, hop=1024, bandwidth_hz=16000, channels=16, growth=2,
                 max_channels=512, depth=5, mask="softmax", input="log", kernel_size=4, position=True, residual=False,
                 attention=False, dropout=0.0, bottleneck="none", bottleneck_width=256):
        super().__init__()
        self.n_fft, self.hop, self.depth, self.mask, self.log = n_fft, hop, depth, mask, input == "log"
        self.stems, self.all_bins, step = stems, n_fft // 2 + 1, 2**depth
        bins = self.bins = min(math.ceil(bandwidth_hz * n_fft / RATE / step), self.all_bins // step) * step
        widths = [min(channels * growth**level, max_channels) for level in range(depth)]
        outputs = stems * audio_channels
        self.input_scale, self.input_bias = (nn.Parameter(torch.randn(1, audio_channels, bins, 1) * 0.1 + 0.5)
                                             for _ in range(2))
        self.output_scale, self.output_bias = (nn.Parameter(torch.randn(1, outputs, bins, 1) * 0.1 + at)
                                               for at in (1.0, 0.0))
        shape = {"kernel_size": kernel_size, "stride": 2, "padding": (kernel_size - 1) // 2, "bias": False}
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            parts = nn.ModuleDict({"conv": nn.Conv2d(widths[level - 1] if level else audio_channels, width, **shape),
                                   "norm": nn.BatchNorm2d(width)})
            if position:
                parts.register_parameter("position", nn.Parameter(0.1 * torch.randn(1, width, bins >> level + 1, 1)))
            if residual:
                parts["residual"] = Residual(width)
            self.encoder.append(parts)
        for level in reversed(range(depth)):
            out = widths[level - 1] if level else outputs
            parts = nn.ModuleDict({"conv": nn.ConvTranspose2d(
                widths[level] * (1 if level == depth - 1 else 2), out, output_padding=kernel_size % 2, **shape)})
            if level:
                parts["norm"] = nn.BatchNorm2d(out)
                if residual:
                    parts["residual"] = Residual(out)
                if dropout and depth - 1 - level < 3:
                    parts["dropout"] = nn.Dropout(dropout)
            self.decoder.append(parts)
        if attention:
            self.gates = nn.ModuleList(Gate(width) for width in reversed(widths[:-1]))
        if bottleneck == "blstm":
            self.bottleneck = Recurrent(widths[-1], bins >> depth, bottleneck_width)

    def network(self, x):
        x = torch.log(x + 1e-3) if self.log else x
        x = x * self.input_scale + self.input_bias
        skips = []
        for parts in self.encoder:
            x = parts["norm"](parts["conv"](x))
            if hasattr(parts, "position"):
                x = x + parts.position
            x = F.leaky_relu(x, 0.2)
            x = parts["residual"](x) if "residual" in parts else x
            skips.append(x)
        x = self.bottleneck(x) if hasattr(self, "bottleneck") else x
        for index, parts in enumerate(self.decoder):
            if index:
                skip = skips[-1 - index]
                x = torch.cat([x, self.gates[index - 1](skip, x) if hasattr(self, "gates") else skip], 1)
            x = parts["conv"](x)
            if "norm" in parts:
                x = torch.relu(parts["norm"](x))
            for part in ("residual", "dropout"):
                x = parts[part](x) if part in parts else x
        return x * self.output_scale + self.output_bias

    def forward(self, mix):
        length, multiple = mix.shape[-1], self.hop * 2**self.depth
        surplus = -length % multiple
        padded = F.pad(mix, (surplus // 2, surplus - surplus // 2))
        window = torch.hann_window(self.n_fft)
        spectrum = torch.stft(padded.flatten(0, 1), self.n_fft, self.hop, window=window, center=True,
                              pad_mode="constant", return_complex=True).unflatten(0, mix.shape[:2])  # [B, C, F, N + 1]
        # The frame at the very end is taken for its neighbour, so that the number of frames halves evenly.
        magnitude = torch.sqrt(spectrum[:, :, :self.bins, :-1].abs()**2 + 1e-12)
        mean = magnitude.mean((1, 2, 3), keepdim=True)
        y = self.network(magnitude / mean)
        y = torch.cat([y, y[..., -1:]], -1)
        unseen = self.all_bins - self.bins
        if self.mask == "none":
            estimates = F.pad(torch.relu(y) * mean, (0, 0, 0, unseen)).unflatten(1, (self.stems, -1))
            masks = estimates / torch.sqrt(spectrum.abs()**2 + 1e-12).unsqueeze(1)
        else:
            y = torch.cat([y, y[:, :, -1:].expand(-1, -1, unseen, -1)], 2).unflatten(1, (self.stems, -1))
            masks = torch.softmax(y, 1) if self.mask == "softmax" else torch.sigmoid(y)
            if self.mask == "ratio":
                masks = masks / (masks.sum(1, keepdim=True) + 1e-6)
        waves = torch.istft((masks * spectrum.unsqueeze(1)).flatten(0, 2), self.n_fft, self.hop, window=window,
                            center=True, length=padded.shape[-1])
        return waves.unflatten(0, masks.shape[:3])[..., surplus // 2:surplus // 2 + length]


# The papers' own numbers, as in configs/models/.
JANSSON = {"n_fft": 4096, "hop": 1024, "bandwidth_hz": 11000, "channels": 16, "max_channels": 512, "depth": 6,
           "mask": "ratio", "input": "linear", "kernel_size": 5, "position": False, "dropout": 0.5}
OH = dict(JANSSON, n_fft=2048, hop=512, bandwidth_hz=22050, mask="none")
SMALL = {"n_fft": 256, "hop": 64, "channels": 4, "depth": 3}
CASES = {
    "light": (SMALL, 2, 4, 4001),
    "sigmoid_mono": (dict(SMALL, mask="sigmoid"), 1, 1, 2777),
    "short": (SMALL, 2, 2, 7),
    "masking": (dict(JANSSON, n_fft=512, hop=128, channels=4, max_channels=16, depth=4), 2, 4, 9001),
    "masking_mono": (dict(JANSSON, n_fft=512, hop=128, channels=4, depth=3, mask="sigmoid"), 1, 1, 8000),
    "spectrogram_channels": (dict(OH, n_fft=256, hop=64, channels=4, depth=4), 2, 3, 5001),
    "residual_attention": (dict(SMALL, residual=True, attention=True), 2, 3, 3001),
    "attention_linear": (dict(SMALL, attention=True, input="linear", growth=3), 1, 2, 3000),
    "blstm": (dict(SMALL, bottleneck="blstm", bottleneck_width=8, mask="sigmoid"), 2, 2, 4003),
}
LARGE = {
    "default": ({}, 2, 4, 65537),
    "jansson": (JANSSON, 2, 4, 65537),
    "oh": (OH, 2, 4, 65537),
    "residual_attention": ({"residual": True, "attention": True}, 2, 4, 65537),
    "blstm": ({"bottleneck": "blstm", "mask": "sigmoid"}, 2, 4, 65537),
}


def make(options, channels, stem_count):
    torch.manual_seed(1)
    model = Unet(stem_count, channels, **options).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def forward(model, mix):
    return model(mix)


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, "unet", options, make(options, channels, stems), forward, channels, stems,
                                  length)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_default_sizes(case, tmp_path):
    options, channels, stems, length = LARGE[case]
    check_estimates_and_gradients(tmp_path, "unet", options, make(options, channels, stems), forward, channels, stems,
                                  length)


# Masks are behind a sigmoid or a softmax, and so move slowly.
LEARNERS = {
    "masks": (dict(SMALL, attention=True, bottleneck="blstm", bottleneck_width=8), {"sgd": 10.0, "adam": 1e-3}),
    "magnitudes": (dict(SMALL, kernel_size=5, input="linear", mask="none", residual=True), {"sgd": 1.0, "adam": 1e-3}),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", LEARNERS)
def test_training_goes_the_same_way(name, optimizer, tmp_path):
    options, rates = LEARNERS[name]
    check_training(tmp_path, "unet", options, make(options, 2, 2), forward, optimizer, rates[optimizer], length=4001)
