"""Losses against their formulas in torch, values and gradients; optimisers against torch.optim."""

import json

import pytest
import torch
import torch.nn.functional as F
from model_probe import read_safetensors, write_safetensors
from programs import run

STEMS = ["drums", "bass", "other"]
LEVELS = [0.2, 0.1, 0.05]
torch.set_num_threads(1)


def probe(folder, config, inputs):
    # Every JSON text is YAML.
    (folder / "config.yaml").write_text(json.dumps(config))
    write_safetensors(folder / "input.safetensors", inputs)
    run("training_probe", folder / "config.yaml", folder / "input.safetensors", folder / "output.safetensors")
    return read_safetensors(folder / "output.safetensors")


def audio():
    """Noise of three levels; in the third sample of the batch, the drums' label is wrong."""
    torch.manual_seed(3)
    levels = torch.tensor(LEVELS)[:, None, None]
    targets = torch.randn(5, 3, 2, 6000) * levels
    estimates = targets * 0.7 + 0.4 * torch.randn(5, 3, 2, 6000) * levels
    targets[2, 0] += torch.randn(2, 6000)
    return estimates.requires_grad_(), targets


def stft(x, n_fft, hop, window):
    return torch.stft(x.reshape(-1, x.shape[-1]), n_fft, hop, window, torch.hann_window(window, dtype=x.dtype),
                      return_complex=True).reshape(*x.shape[:-1], n_fft // 2 + 1, -1)


def magnitude(x, n_fft=2048, hop=512):
    return stft(x, n_fft, hop, n_fft).abs()


def convergence(x, y):
    """A value per stem; of each stem over the whole batch."""
    return torch.stack([torch.norm(y[:, s] - x[:, s], p="fro") / torch.norm(y[:, s], p="fro")
                        for s in range(x.shape[1])])


def per_stem(elements):
    return elements.transpose(0, 1).flatten(1).mean(1)


def multi_resolution(estimates, targets, sizes, linear=0.0):
    total = 0
    for n_fft, hop, window in sizes:
        x, y = (torch.sqrt(torch.clamp(z.real**2 + z.imag**2, min=1e-7))
                for z in (stft(estimates, n_fft, hop, window), stft(targets, n_fft, hop, window)))
        total = total + convergence(x, y) + per_stem((torch.log(y) - torch.log(x)).abs())
        total = total + linear * per_stem((y - x).abs())
    return total / len(sizes)


def si_sdr(estimates, targets):
    s = targets - targets.mean(-1, keepdim=True)
    e = estimates - estimates.mean(-1, keepdim=True)
    scaled = (e * s).sum(-1, keepdim=True) / s.square().sum(-1, keepdim=True) * s
    return -per_stem(10 * torch.log10(scaled.square().sum(-1) / (scaled - e).square().sum(-1)))


def trimmed(elements, quantile):
    """[B, S, n]: the values of each stem above their quantile are left out."""
    rows = elements.transpose(0, 1).flatten(1)
    limit = torch.quantile(rows.detach(), quantile, dim=1, keepdim=True)
    return (rows * (rows <= limit)).mean(1)


def squares(x, y):
    return F.mse_loss(x, y, reduction="none")


RESOLUTIONS = [(1024, 120, 600), (2048, 240, 1200), (512, 50, 240)]
LOSSES = {
    "l1": ([{"name": "l1"}], lambda x, y: F.l1_loss(x, y)),
    "mse_magnitudes": ([{"name": "mse", "domain": "magnitude"}], lambda x, y: F.mse_loss(magnitude(x), magnitude(y))),
    "l1_weighted": ([{"name": "l1", "domain": "magnitude", "n_fft": 512, "hop": 100,
                      "stem_weights": {"bass": 2.0, "other": 0.5}}],
                    lambda x, y: per_stem((magnitude(x, 512, 100) - magnitude(y, 512, 100)).abs())
                    @ torch.tensor([1.0, 2.0, 0.5]).double() / 3.5),
    "l1_by_loudness": ([{"name": "l1", "stem_weights": "loudness"}],
                       lambda x, y: per_stem((x - y).abs()) @ torch.tensor([5.0, 10.0, 20.0]).double() / 35.0),
    "mse_and_convergence": ([{"name": "mse", "weight": 0.3, "domain": "magnitude"},
                             {"name": "spectral_convergence", "weight": 2.0}],
                            lambda x, y: 0.3 * F.mse_loss(magnitude(x), magnitude(y))
                            + 2.0 * convergence(magnitude(x), magnitude(y)).mean()),
    "multi_resolution_stft": ([{"name": "multi_resolution_stft"}],
                              lambda x, y: multi_resolution(x, y, RESOLUTIONS).mean()),
    "multi_resolution_linear": ([{"name": "multi_resolution_stft", "n_ffts": [256, 800], "hops": [64, 200],
                                  "windows": [256, 800], "linear_magnitude": 0.7}],
                                lambda x, y: multi_resolution(x, y, [(256, 64, 256), (800, 200, 800)], 0.7).mean()),
    "si_sdr": ([{"name": "si_sdr"}], lambda x, y: si_sdr(x, y).mean()),
    "trimmed_samples": ([{"name": "trimmed_mse", "quantile": 0.85}],
                        lambda x, y: trimmed(squares(x, y).mean((-1, -2)), 0.85).mean()),
    "trimmed_elements": ([{"name": "trimmed_mse", "quantile": 0.9, "per": "element", "domain": "magnitude"}],
                         lambda x, y: trimmed(squares(magnitude(x), magnitude(y)).flatten(2), 0.9).mean()),
}


@pytest.mark.parametrize("case", LOSSES)
def test_value_and_gradient(case, tmp_path):
    config, formula = LOSSES[case]
    estimates, targets = audio()
    # In float64: torch's own norms of millions of float32 are off by up to 1e-3.
    expected = formula(estimates.double(), targets.double())
    expected.backward()
    output = probe(tmp_path, {"stems": STEMS, "stem_levels": LEVELS, "loss": config},
                 {"estimates": estimates.detach(), "targets": targets})
    error = float((output["loss"][0] - expected.detach()).abs() / expected.detach().abs())
    gradient_error = float((output["gradient"] - estimates.grad).norm() / estimates.grad.norm())
    print(f"{case}: {float(expected.detach()):.5f}, difference {error:.1e}, gradient {gradient_error:.1e} of its norm")
    assert error <= 1e-5
    # |ln Y − ln X| turns its sign at 0: where it is nearly 0, float32 and float64 differ.
    assert gradient_error <= (1e-3 if "multi" in case else 1e-5)


OPTIMIZERS = {
    "adam": ({"name": "adam", "betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.1},
             lambda groups: torch.optim.Adam(groups, 0.01, (0.8, 0.99), 1e-6, weight_decay=0.1)),
    "adamw": ({"name": "adamw"}, lambda groups: torch.optim.AdamW(groups, 0.01)),
    "sgd": ({"name": "sgd", "weight_decay": 0.1}, lambda groups: torch.optim.SGD(groups, 0.01, weight_decay=0.1)),
    "momentum": ({"name": "sgd", "momentum": 0.9},
                 lambda groups: torch.optim.SGD(groups, 0.01, momentum=0.9)),
    "nesterov": ({"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
                 lambda groups: torch.optim.SGD(groups, 0.01, momentum=0.9, nesterov=True, weight_decay=0.1)),
}


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_ten_steps(case, grouped, tmp_path):
    config, make = OPTIMIZERS[case]
    torch.manual_seed(4)
    shapes = {"encoder.0.weight": (6, 3, 5), "encoder.0.bias": (6,), "decoder.weight": (4, 7)}
    start = {name: torch.randn(shape) for name, shape in shapes.items()}
    gradients = {name: torch.randn(10, *shape) for name, shape in shapes.items()}
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
    config = dict(config, lr=0.01)
    groups = [{"params": [parameter]} for parameter in parameters.values()]
    if grouped:
        config.update(decay_norms_and_biases=False, groups=[{"match": "encoder.*", "lr_factor": 0.1}])
        groups[0]["lr"] = groups[1]["lr"] = 0.001
        groups[1]["weight_decay"] = 0.0
    optimizer = make(groups)
    for step in range(10):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].clone()
        optimizer.step()
    inputs = {f"parameter.{name}": tensor for name, tensor in start.items()}
    inputs.update({f"gradients.{name}": tensor for name, tensor in gradients.items()})
    output = probe(tmp_path, {"optimizer": config}, inputs)
    for name, parameter in parameters.items():
        moved = (parameter - start[name]).norm()
        difference = (output[f"parameter.{name}"] - parameter).norm()
        assert moved > 1e-4
        assert difference <= 1e-5 * moved + 1e-6, name


@pytest.mark.parametrize("bfloat16", [False, True])
def test_muon(bfloat16, tmp_path, monkeypatch):
    """torch.optim.Muon makes steps orthogonal in bfloat16, ours in float32: with its conversion left out both agree."""
    if not bfloat16:
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    torch.manual_seed(5)
    shapes = {"wide": (6, 20), "tall": (24, 5), "square": (8, 8), "bias": (6,), "head": (3, 4)}
    start = {name: torch.randn(shape) for name, shape in shapes.items()}
    gradients = {name: torch.randn(10, *shape) for name, shape in shapes.items()}
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
    hidden = [parameters[name] for name in ("wide", "tall", "square")]
    rest = [parameters[name] for name in ("bias", "head")]
    optimizers = [torch.optim.Muon(hidden, 0.01, 0.05, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
                  torch.optim.AdamW(rest, 0.01, weight_decay=0.05)]
    for step in range(10):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].clone()
        for optimizer in optimizers:
            optimizer.step()
    inputs = {f"parameter.{name}": tensor for name, tensor in start.items()}
    inputs.update({f"gradients.{name}": tensor for name, tensor in gradients.items()})
    config = {"name": "muon", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.05, "adamw": ["head"]}
    output = probe(tmp_path, {"optimizer": config}, inputs)
    for name, parameter in parameters.items():
        moved = (parameter - start[name]).norm()
        difference = float(((output[f"parameter.{name}"] - parameter).norm() / moved).detach())
        print(f"{name}: {difference:.1e} of the way")
        assert difference <= (3e-2 if bfloat16 else 1e-5), name
