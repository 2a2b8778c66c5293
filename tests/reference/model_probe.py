"""Runs models of ours for the comparisons: weights and audio go in by safetensors files, estimates and gradients come out."""

import functools
import json
import os
import struct
import subprocess
import tempfile

import numpy as np
import soundfile
import torch
from programs import BIN, run


def write_safetensors(path, tensors):
    header, data = {}, []
    offset = 0
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor.detach().numpy().astype("<f4")).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def read_safetensors(path):
    content = path.read_bytes()
    (size,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        kind = {"F32": "<f4", "I64": "<i8", "U8": "u1"}[entry["dtype"]]
        tensors[name] = torch.from_numpy(np.frombuffer(content[begin:end], kind).reshape(entry["shape"]).copy())
    return tensors


@functools.cache
def process():
    return subprocess.Popen([os.path.join(BIN, "model_probe")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def write_config(path, model, options, stems, channels):
    lines = [f"stems: [{', '.join(stems)}]", f"channels: {channels}", "model:", f"  name: {model}"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in options.items()]
    path.write_text("\n".join(lines) + "\n")


def probe(folder, model, options, stems, channels, weights, inputs):
    """Runs our model `model` with `options`; returns the tensors of model_probe's output. `weights` are tensors by name,
    a file of them, or None for fresh ones."""
    write_config(folder / "config.yaml", model, options, stems, channels)
    write_safetensors(folder / "input.safetensors", inputs)
    weights_path = "-"
    if isinstance(weights, os.PathLike):
        weights_path = weights
    elif weights is not None:
        weights_path = folder / "weights.safetensors"
        write_safetensors(weights_path, weights)
    job = [folder / "config.yaml", weights_path, folder / "input.safetensors", folder / "output.safetensors"]
    process().stdin.write("\t".join(map(str, job)) + "\n")
    process().stdin.flush()
    answer = process().stdout.readline()
    assert answer == "done\n", answer
    return read_safetensors(folder / "output.safetensors")


def fresh_state(output):
    """The weights that our model had, by name."""
    return {name[len("state."):]: tensor for name, tensor in output.items() if name.startswith("state.")}


@functools.cache
def song():
    """The mixture of one of the built-in songs, [2, frames] at 44100 Hz, from its first sound on."""
    with tempfile.TemporaryDirectory() as folder:
        run("stemsmith", "synth", folder, "--layout", "musdb18hq", "--songs", 3, "--seconds", 5, "--seed", 11, "--quiet")
        audio, _ = soundfile.read(next(iter(sorted(os.scandir(folder + "/test"), key=lambda entry: entry.name))).path +
                                  "/mixture.wav", dtype="float32")
    audio = torch.from_numpy(audio.T.copy())
    return audio[:, int((audio.abs().sum(0) > 0.05).float().argmax()):]


def music(batch, channels, length):
    """What models are tried on, [batch, channels, length]: noise, and in the last item an excerpt of a song."""
    mix = torch.randn(batch, channels, length) * 0.2 + 0.01
    start = (song().shape[-1] - length) // 2
    assert start >= 0 and channels <= 2
    mix[-1] = song()[:channels, start:start + length]
    assert length < 1000 or mix[-1].abs().max() > 0.05
    return mix


def relative_error(actual, expected):
    """Largest difference by the peak; of the items [B, …] the worst."""
    peaks = expected.abs().flatten(1).amax(1)
    return float(((actual - expected).abs().flatten(1).amax(1) / peaks.clamp_min(1e-6)).max())


def errors(output, expected, gradients):
    """Largest difference of the estimates by their peak, and of the gradients by their norm."""
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients.values()))
    difference = torch.sqrt(sum((output[f"gradient.{name}"] - gradient).square().sum()
                                for name, gradient in gradients.items()))
    return relative_error(output["estimates"], expected), float(difference / norm)


def check_estimates_and_gradients(folder, name, options, model, separate, channels, stem_count, length, batch=2):
    """Our model `name` with the weights of a PyTorch module, which `separate` calls: the same within the tolerances."""
    mix = music(batch, channels, length)
    upstream = torch.randn(batch, stem_count, channels, length)
    expected = separate(model, mix)
    (expected * upstream).sum().backward()
    output = probe(folder, name, options, [f"stem{i}" for i in range(stem_count)], channels, model.state_dict(),
                   {"mix": mix, "upstream": upstream})
    error, gradient_error = errors(output, expected.detach(), {key: p.grad for key, p in model.named_parameters() if p.requires_grad})
    print(f"{name} {folder.name}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
    assert expected.abs().max() > 1e-3
    assert error <= 1e-5
    assert gradient_error <= 1e-4


def check_training(folder, name, options, model, separate, optimizer, rate, length, steps=10, weights=None):
    """Ten steps on two stereo stems: both have the same losses. `weights` of what ours knows by other names or not."""
    weights = {key: tensor.clone() for key, tensor in (weights or model.state_dict()).items()}
    mixes = torch.stack([music(2, 2, length) for _ in range(steps)])
    shares = torch.tensor([0.8, 0.1])[:, None, None]
    targets = shares * mixes.unsqueeze(2) + 0.02 * torch.randn(steps, 2, 2, 2, length)
    mixes[-1], targets[-1] = mixes[0], targets[0]  # so that the first and the last loss tell whether anything was learnt
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    steps_taken = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](parameters, rate)
    losses = []
    for mix, target in zip(mixes, targets):
        steps_taken.zero_grad()
        loss = torch.nn.functional.l1_loss(separate(model, mix), target)
        loss.backward()
        steps_taken.step()
        losses.append(loss.detach())
    output = probe(folder, name, options, ["stem0", "stem1"], 2, weights,
                   {"mixes": mixes, "targets": targets, optimizer: torch.tensor(rate)})
    losses = torch.stack(losses)
    error = float(((output["losses"] - losses) / losses).abs().max())
    print(f"{name} {optimizer}: losses {losses[0]:.4f} to {losses[-1]:.4f}, largest difference {error:.1e}")
    assert abs(losses[0] - losses[-1]) > 1e-3
    assert error <= 1e-4
