"""Runs a model of ours for the comparisons: weights and audio go in by safetensors files, estimates and gradients come out."""

import json
import os
import struct
import subprocess

import numpy as np
import torch

PROBE = os.path.join(os.environ["STEMSMITH_BIN_DIR"], "model_probe")



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
        kind = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
        tensors[name] = torch.from_numpy(np.frombuffer(content[begin:end], kind).reshape(entry["shape"]).copy())
    return tensors


def probe(folder, model, options, stems, channels, weights, inputs):
    """Runs our model `model` with `options`; returns the tensors of model_probe's output."""
    lines = [f"stems: [{', '.join(stems)}]", f"channels: {channels}", "model:", f"  name: {model}"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in options.items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    write_safetensors(folder / "input.safetensors", inputs)
    weights_path = "-"
    if weights is not None:
        weights_path = folder / "weights.safetensors"
        write_safetensors(weights_path, weights)
    subprocess.run([PROBE, folder / "config.yaml", weights_path, folder / "input.safetensors",
                    folder / "output.safetensors"], check=True)
    return read_safetensors(folder / "output.safetensors")


def fresh_state(output):
    """The weights that our model had, by name."""
    return {name[len("state."):]: tensor for name, tensor in output.items() if name.startswith("state.")}


def errors(output, expected, gradients):
    """Largest difference of the estimates by their peak, and of the gradients by their norm."""
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients.values()))
    difference = torch.sqrt(sum((output[f"gradient.{name}"] - gradient).square().sum()
                                for name, gradient in gradients.items()))
    peak = expected.abs().max()
    return float((output["estimates"] - expected).abs().max() / peak), float(difference / norm)
