"""wave_unet against the same layers in Python: same weights, same audio, same estimates and gradients.

The network has no original to compare with: it is built here from its table of layers.
"""

import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, fresh_state, probe
from torch import nn

torch.set_num_threads(1)


class WaveUnet(nn.Module):
    def __init__(self, stems, audio_channels, channels=16, growth=2, max_channels=512, depth=6, kernel_size=15,
                 mask="tanh", **dropout):
        super().__init__()
        widths = [max(1, round(min(channels * growth**level, max_channels))) for level in range(depth)]
        padding, extra = (kernel_size - 1) // 2, kernel_size % 2
        self.stems, self.mask, self.depth = stems, mask, depth
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            conv = nn.Conv1d(widths[level - 1] if level else audio_channels, width, kernel_size, stride=2,
                             padding=padding, bias=False)
            self.encoder.append(nn.ModuleDict({"conv": conv, "norm": nn.BatchNorm1d(width)}))
        for level in reversed(range(depth)):
            out = widths[level - 1] if level else stems * audio_channels
            conv = nn.ConvTranspose1d(widths[level] * (1 if level == depth - 1 else 2), out, kernel_size, stride=2,
                                      padding=padding, output_padding=extra, bias=level == 0)
            self.decoder.append(nn.ModuleDict({"conv": conv} | ({"norm": nn.BatchNorm1d(out)} if level else {})))

    def forward(self, mix):
        length = mix.shape[-1]
        surplus = -length % 2**self.depth
        padded = x = nn.functional.pad(mix, (surplus // 2, surplus - surplus // 2))
        skips = []
        for level in self.encoder:
            x = nn.functional.leaky_relu(level["norm"](level["conv"](x)), 0.2)
            skips.append(x)
        for index, level in enumerate(self.decoder):
            if index:
                x = torch.cat([x, skips[-1 - index]], 1)
            x = level["conv"](x)
            if "norm" in level:
                x = torch.relu(level["norm"](x))
        x = x.unflatten(1, (self.stems, -1))
        if self.mask != "none":
            gate = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "softmax": lambda y: torch.softmax(y, 1)}[self.mask]
            x = gate(x) * padded.unsqueeze(1)
        return x[..., surplus // 2:surplus // 2 + length]


SMALL = {"channels": 4, "depth": 3, "kernel_size": 5}
CASES = {
    "small": (SMALL, 2, 4, 4000),
    "mono_odd_length": (SMALL, 1, 3, 4999),
    "one_frame": (SMALL, 2, 2, 1),
    "even_kernel_sigmoid": (dict(SMALL, kernel_size=8, mask="sigmoid"), 2, 1, 3001),
    "softmax_narrow": (dict(SMALL, growth=1.5, max_channels=6, depth=4, mask="softmax"), 2, 3, 2777),
    "waves": (dict(SMALL, mask="none", dropout=0.0), 2, 2, 2048),
}


def forward(model, mix):
    return model(mix)


def spread_statistics(model):
    for level in [*model.encoder, *model.decoder]:
        if "norm" in level:
            norm = level["norm"]
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
            norm.running_mean.uniform_(-0.1, 0.1)
            norm.running_var.uniform_(0.5, 1.5)


def make(options, channels, stem_count):
    torch.manual_seed(1)
    model = WaveUnet(stem_count, channels, **options).eval()
    spread_statistics(model)
    return model


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stems, length = CASES[case]
    check_estimates_and_gradients(tmp_path, "wave_unet", options, make(options, channels, stems), forward, channels,
                                  stems, length)


@pytest.mark.slow
def test_default_size(tmp_path):
    check_estimates_and_gradients(tmp_path, "wave_unet", {}, make({}, 2, 4), forward, 2, 4, 44101)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 1.0), ("adam", 1e-3)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    options = dict(SMALL, dropout=0.0)
    check_training(tmp_path, "wave_unet", options, make(options, 2, 2), forward, optimizer, rate, length=3001)


def test_our_weights_in_python(tmp_path):
    stems = ["a", "b"]
    mix = torch.randn(1, 2, 9001)
    output = probe(tmp_path, "wave_unet", {}, stems, 2, None, {"mix": mix})
    model = WaveUnet(2, 2).eval()
    state = fresh_state(output)
    assert {name: tensor.shape for name, tensor in state.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    with torch.no_grad():
        expected = model(mix)
    assert (output["estimates"] - expected).abs().max() <= 1e-5 * expected.abs().max()
