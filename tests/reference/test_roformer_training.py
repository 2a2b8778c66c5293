"""Training of RoFormers against PyPI BS-RoFormer: its loss, and its model with weights that adapters are merged into."""

import json
from unittest.mock import patch

import onnxruntime
import pytest
import torch
from model_probe import read_safetensors
from programs import run
from roformers import original, separate
from test_objective import LEVELS, STEMS, audio, probe
from test_training import cache, stems_of  # noqa: F401  (a fixture)

MODEL = dict(dim=8, depth=1, stereo=True, num_stems=3, time_transformer_depth=1, freq_transformer_depth=1, heads=1,
             dim_head=4, freqs_per_bands=(512, 513), dim_freqs_in=1025)
CASES = {
    "defaults": ({}, [{"name": "l1"}, {"name": "multi_resolution_complex_stft"}]),
    "other_sizes": (dict(multi_stft_resolutions_window_sizes=(2500, 600), multi_stft_hop_size=100,
                         multi_stft_resolution_loss_weight=0.3),
                    [{"name": "l1"}, {"name": "multi_resolution_complex_stft", "windows": [2500, 600], "hop": 100,
                                      "weight": 0.3}]),
}


@pytest.mark.parametrize("case", CASES)
def test_loss_of_the_package(case, tmp_path):
    options, loss = CASES[case]
    model = original("0.3.10")().BSRoformer(**MODEL, **options)
    estimates, targets = audio()
    # Its forward gives a loss where it is shown targets; what it compares with them comes out of its inverse STFT.
    with patch.object(torch, "istft", lambda *_, **__: estimates.flatten(0, 2)):
        expected = model(targets.sum(1), target=targets)
    expected.backward()
    output = probe(tmp_path, {"stems": STEMS, "stem_levels": LEVELS, "loss": loss},
                   {"estimates": estimates.detach(), "targets": targets})
    error = float((output["loss"][0] - expected.detach()).abs() / expected.detach())
    gradient_error = float((output["gradient"] - estimates.grad).norm() / estimates.grad.norm())
    print(f"{case}: {float(expected.detach()):.5f}, difference {error:.1e}, gradient {gradient_error:.1e} of its norm")
    assert error <= 1e-5
    assert gradient_error <= 1e-4


def test_adapters_merged_by_hand(cache, tmp_path):  # noqa: F811
    """The base and the file of adapters, put together in Python, separate as the exported model does."""
    options = dict(dim=16, depth=2, time_transformer_depth=1, freq_transformer_depth=1, heads=2, dim_head=8,
                   stft_n_fft=256, stft_hop_length=64, stft_win_length=256, freqs_per_bands=[9, 40, 80])
    base = {"dataset": {"cache": str(cache), "segment_seconds": 0.5}, "augment": [],
            "train": {"steps": 2, "batch_size": 2}, "validate": {"every_steps": 0},
            "model": {"name": "bs_roformer", "zero_dc": False, **options}}
    tuned = {key: value for key, value in base.items() if key != "model"} | {
        "init": {"file": str(tmp_path / "base")}, "optimizer": {"name": "adamw", "lr": 0.02},
        "lora": {"rank": 2, "alpha": 5, "targets": ["*.to_qkv", "*.to_out.0", "mask_estimators.*"]},
        "train": {"steps": 6, "batch_size": 2}}
    for name, config in {"base": base, "tuned": tuned}.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(config))
        run("stemsmith", "train", tmp_path / f"{name}.yaml", "--run", tmp_path / name, "--device", "cpu", "--threads", 1,
            "--quiet")
    run("stemsmith", "export", tmp_path / "tuned", "--out", tmp_path / "out", "--format", "lora,onnx", "--quiet")

    weights = {name: tensor for name, tensor in read_safetensors(tmp_path / "base/checkpoints/last.safetensors").items()
               if not name.startswith("training.")}
    adapters = read_safetensors(tmp_path / "out/lora.safetensors")
    layers = {name.removesuffix(".lora_A") for name in adapters if name.endswith(".lora_A")}
    assert len(layers) * 2 == len(adapters) and any("mask_estimators.2" in layer for layer in layers)
    for layer in layers:
        change = 5 / 2 * adapters[f"{layer}.lora_B"] @ adapters[f"{layer}.lora_A"]
        assert change.abs().max() > 1e-3
        weights[f"{layer}.weight"] += change
    options["freqs_per_bands"] = tuple(options["freqs_per_bands"])
    model = original("0.3.10")().BSRoformer(stereo=True, num_stems=len(stems_of(cache)), dim_freqs_in=129, **options)
    model.load_state_dict(weights)
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx", providers=["CPUExecutionProvider"])
    mix = 0.3 * torch.randn(1, 2, json.loads(
        session.get_modelmeta().custom_metadata_map["stemsmith.manifest"])["segment_frames"])
    ours = torch.tensor(session.run(None, {session.get_inputs()[0].name: mix.numpy()})[0])
    with torch.no_grad():
        theirs = separate(model.eval(), mix)
    difference = float((ours - theirs).abs().max() / theirs.abs().max())
    print(f"difference {difference:.1e} of the peak")
    assert difference <= 1e-4
