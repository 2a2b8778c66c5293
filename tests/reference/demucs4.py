"""What the comparisons with PyPI demucs 4 have in common: models with random weights, and ours beside them.

Fresh weights would hide much: a residual branch adds next to nothing at first. Every tensor gets some noise.
"""

import os
import sys

import torch
from model_probe import errors, fresh_state, probe

sys.path.insert(0, os.environ["STEMSMITH_DEMUCS4"])

# Threads gain nothing on small tensors, and lose much where others run.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


def make(klass, options, channels, stem_count, noise=0.03):
    torch.manual_seed(1)
    model = klass([f"stem{i}" for i in range(stem_count)], audio_channels=channels, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += noise * torch.randn_like(parameter)
    return model


def compare(folder, name, klass, options, channels, stem_count, length, batch=2, separate=lambda model, mix: model(mix)):
    """Largest differences of estimates and gradients between the original and our model `name`."""
    model = make(klass, options, channels, stem_count)
    mix = torch.randn(batch, channels, length) * 0.2 + 0.01
    upstream = torch.randn(batch, stem_count, channels, length)
    expected = separate(model, mix)
    (expected * upstream).sum().backward()
    output = probe(folder, name, options, model.sources, channels, model.state_dict(),
                   {"mix": mix, "upstream": upstream})
    assert expected.abs().max() > 1e-3
    return errors(output, expected.detach(), {key: p.grad for key, p in model.named_parameters()})


def compare_training(folder, name, klass, options, optimizer, rate, length, steps=10):
    """Largest relative difference of the losses over some steps; the losses themselves."""
    model = make(klass, options, channels=2, stem_count=2)
    weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    mixes = 0.3 * torch.randn(steps, 2, 2, length)
    targets = 0.2 * torch.randn(steps, 2, 2, 2, length)
    model.train()
    steps_taken = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](model.parameters(), rate)
    losses = []
    for mix, target in zip(mixes, targets):
        steps_taken.zero_grad()
        loss = torch.nn.functional.l1_loss(model(mix), target)
        loss.backward()
        steps_taken.step()
        losses.append(loss.detach())
    output = probe(folder, name, options, model.sources, 2, weights,
                   {"mixes": mixes, "targets": targets, optimizer: torch.tensor(rate)})
    losses = torch.stack(losses)
    return float(((output["losses"] - losses) / losses).abs().max()), losses


def check_fresh_weights(folder, name, klass, options):
    """Names, shapes and spread of the weights that our model draws."""
    torch.manual_seed(2)
    original = klass(["a", "b"], **options).state_dict()
    ours = fresh_state(probe(folder, name, options, ["a", "b"], 2, None, {"mix": torch.zeros(1, 2, 1000)}))
    assert ours.keys() == original.keys()
    for key, tensor in original.items():
        assert ours[key].shape == tensor.shape, key
        # Of many draws the deviation is near its expectation; of constants it is 0 in both. The embedding is a random
        # walk: a single draw.
        if tensor.numel() >= 256 and "freq_emb" not in key:
            assert abs(ours[key].std() - tensor.std()) <= 0.15 * tensor.std(), key
            assert abs(ours[key].mean() - tensor.mean()) <= 6 * tensor.std() / tensor.numel() ** 0.5 + 1e-6, key
