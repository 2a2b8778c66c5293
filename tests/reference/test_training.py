"""`stemsmith train` against the same ten steps in Python: same weights, same batches of the same cache, same losses.

The models are demucs 4's HTDemucs and the U-Net on waves that test_wave_unet.py writes in torch.
"""

import json

import h5py
import numpy as np
import pytest
import soundfile
import torch
import demucs4  # noqa: F401  (makes the package findable, and sets one thread)
from demucs.htdemucs import HTDemucs
from model_probe import read_safetensors, write_safetensors
from programs import run
from test_wave_unet import WaveUnet

RATE, STEPS = 8000, 10
STEMS = ["bass", "drums", "vocals"]
HTDEMUCS = {"channels": 8, "nfft": 512, "depth": 2, "t_layers": 3, "t_heads": 2, "dconv_mode": 3, "bottom_channels": 16}
UNET = {"channels": 6, "depth": 4, "kernel_size": 5}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Three songs of noise in bands, each stem with its own, prepared as float32."""
    root = tmp_path_factory.mktemp("songs")
    random = np.random.default_rng(8)
    for song in range(3):
        for stem, name in enumerate(STEMS):
            noise = random.standard_normal((4 * RATE, 2))
            # Sums of noise are low, differences high.
            noise = [np.cumsum(noise, 0), noise, np.diff(noise, axis=0, prepend=0)][stem]
            folder = root / "songs" / f"song{song}"
            folder.mkdir(parents=True, exist_ok=True)
            audio = 0.3 * noise / np.abs(noise).max()
            soundfile.write(folder / f"{name}.wav", audio, RATE, subtype="FLOAT")
    run("stemsmith", "prepare", "folders", root / "songs", "--out", root / "cache.h5", "--format", "float32",
        "--sample-rate", RATE, "--quiet")
    return root / "cache.h5"


def stems_of(cache):
    with h5py.File(cache) as file:
        return json.loads(file["index"][()])["stems"]


def train(folder, cache, name, config):
    """A run of ours: its losses, the batches of its steps, and the weights that it ended with."""
    config = {"dataset": {"cache": str(cache), "segment_seconds": 0.5}, "augment": [],
              "validate": {"every_steps": 0}, "checkpoint": {"every_steps": 0}} | config
    config["train"] = {"steps": STEPS, "batch_size": 3, "seed": 5, "log_every_steps": 1}
    (folder / f"{name}.yaml").write_text(json.dumps(config))
    run("stemsmith", "train", folder / f"{name}.yaml", "--run", folder / name, "--device", "cpu", "--threads", 1,
        "--quiet")
    checkpoint = read_safetensors(folder / name / "checkpoints" / "last.safetensors")
    weights = {key: tensor for key, tensor in checkpoint.items() if not key.startswith("training.")}
    records = map(json.loads, (folder / name / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["event"] == "train"], weights


def compare(folder, cache, model_config, make_model, loss, formula, optimizer, make_optimizer, schedule=None):
    """Largest relative differences of losses, and of the weights' moves by their common norm."""
    config = {"model": model_config, "loss": loss, "optimizer": optimizer, "gradient_clip": 3.0}
    # Without a learning rate the weights stay as they were made; running statistics do not count in training.
    _, start = train(folder, cache, "start", config | {"optimizer": {"name": "sgd", "lr": 0.0}})
    records, end = train(folder, cache, "run", config | ({"schedule": schedule} if schedule else {}))

    frames = RATE // 2
    write_safetensors(folder / "input.safetensors",
                      {"steps": torch.tensor([float(STEPS)]), "segment_frames": torch.tensor([float(frames)])})
    run("training_probe", folder / "run" / "config.yaml", folder / "input.safetensors", folder / "batches.safetensors")
    batches = read_safetensors(folder / "batches.safetensors")
    check_places(cache, batches["targets"])

    model = make_model(len(STEMS))
    model.load_state_dict(start)
    model.train()
    steps_taken = make_optimizer(model)
    losses = []
    for step in range(STEPS):
        for group in steps_taken.param_groups:
            group["lr"] = records[step]["learning_rate"] * group.get("factor", 1.0)
        steps_taken.zero_grad()
        value = formula(model(batches["mixes"][step]), batches["targets"][step])
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        steps_taken.step()
        losses.append(value.item())
    differences = [abs(record["loss"] - value) / abs(value) for record, value in zip(records, losses, strict=True)]
    moves = torch.cat([(parameter.detach() - start[name]).flatten() for name, parameter in model.named_parameters()])
    ours = torch.cat([(end[name] - start[name]).flatten() for name, _ in model.named_parameters()])
    print(f"losses {losses[0]:.5f} to {losses[-1]:.5f}, largest difference {max(differences):.1e}; "
          f"weights after {STEPS} steps {float((ours - moves).norm() / moves.norm()):.1e} of their way")
    assert abs(losses[0] - losses[-1]) > 1e-3 * abs(losses[0])
    return max(differences), float((ours - moves).norm() / moves.norm())


def check_places(cache, targets):
    """Every sample is a stretch of a song in the cache, as stored."""
    with h5py.File(cache) as file:
        songs = [file[f"tracks/song{i}/audio"][()] for i in range(3)]
    for sample in targets.flatten(0, 1).numpy():
        rows = sample.transpose(2, 0, 1).reshape(sample.shape[-1], -1)  # [T, S · C]
        places = [(song, place) for song in songs for place in np.flatnonzero((song[:, :2] == rows[0, :2]).all(1))]
        assert any(np.array_equal(song[place:place + len(rows)], rows) for song, place in places)


def test_htdemucs(cache, tmp_path):
    options = dict(HTDEMUCS, segment=0.5)
    def make_model(_):
        return HTDemucs(stems_of(cache), audio_channels=2, samplerate=RATE, **options)
    loss_difference, _ = compare(
        tmp_path, cache, {"name": "htdemucs"} | options, make_model, [{"name": "l1"}], torch.nn.functional.l1_loss,
        {"name": "adam", "lr": 1e-3}, lambda model: torch.optim.Adam(model.parameters()),
        {"name": "cosine", "warmup_steps": 3})
    assert loss_difference <= 1e-4


def test_unet(cache, tmp_path):
    def formula(x, y):
        weights = torch.tensor([2.0 if stem == "vocals" else 1.0 for stem in stems_of(cache)])
        errors = (x - y).square().mean((0, 2, 3))
        return 100 * (errors * weights).sum() / weights.sum()
    def make_optimizer(model):
        groups = [{"params": [p for n, p in model.named_parameters() if n.startswith("encoder.")], "factor": 0.3},
                  {"params": [p for n, p in model.named_parameters() if not n.startswith("encoder.")]}]
        return torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True)
    loss_difference, weight_difference = compare(
        tmp_path, cache, {"name": "wave_unet", "dropout": 0.0} | UNET, lambda stems: WaveUnet(stems, 2, **UNET),
        [{"name": "mse", "weight": 100.0, "stem_weights": {"vocals": 2.0}}], formula,
        {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True,
         "groups": [{"match": "encoder.*", "lr_factor": 0.3}]}, make_optimizer)
    assert loss_difference <= 1e-4
    assert weight_difference <= 1e-3
