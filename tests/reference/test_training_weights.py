"""Weights as training programs leave them: checkpoints with their configurations, names with any prefix, folders of
Open-Unmix; whole models are answered with what to save, and nothing of a file is run.
"""

import functools
import json
import os
import sys
import types

import numpy as np
import pytest
import torch
from demucs_packages import MODELS, assert_same, imported, save
from programs import run


@pytest.mark.parametrize("content", ["state_dict", "solver", "lightning"])
def test_training_checkpoints_with_their_configuration(content, tmp_path):
    expected = save("htdemucs", tmp_path, "whole")
    state = dict(expected)
    if content == "solver":  # of Demucs: the best weights beside the last, and an optimizer
        parameter = torch.nn.Parameter(torch.zeros(3))
        optimizer = torch.optim.Adam([parameter])
        parameter.sum().backward()
        optimizer.step()
        state = {"state": {key: tensor + 1 for key, tensor in expected.items()}, "best_state": state,
                 "optimizer": optimizer.state_dict(), "history": [{"train": {"loss": 0.5}}]}
    if content == "lightning":
        state = {"state_dict": state, "epoch": 3, "best_metric": np.float64(1.5)}
    torch.save(state, tmp_path / "last.ckpt")
    (tmp_path / "config.yaml").write_text("""
audio: {chunk_size: 85995, min_mean_abs: 0.001, hop_length: 1024}
training: {batch_size: 8, segment: 1.95, shift: 1, samplerate: 44100, channels: 2, normalize: true,
           instruments: !!python/tuple ['drums', 'bass', 'other', 'vocals'], target_instrument: null, lr: 9.0e-05}
model: htdemucs
htdemucs: {channels: 8, channels_time: , depth: 4, multi_freqs: [], t_layers: 3, t_heads: 2, bottom_channels: 32,
           t_lr: , cac: true, num_subbands: 1, t_cape_glob_loc_scale: [5000.0, 1.0, 1.4], rescale: 0.1}
inference: {num_overlap: 4}
""")
    report, actual = imported(tmp_path, tmp_path / "last.ckpt")
    assert report["segment_frames"] == MODELS["htdemucs"][2]
    assert_same(actual, expected)


CONFIG = """
model: {name: htdemucs, channels: 8, depth: 4, t_layers: 3, t_heads: 2, bottom_channels: 32}
stems: [drums, bass, other, vocals]
segment_seconds: 1.95
"""


@pytest.fixture(scope="module")
def htdemucs(tmp_path_factory):
    return save("htdemucs", tmp_path_factory.mktemp("htdemucs"), "whole")


def under(prefix, state):
    return {prefix + key: tensor for key, tensor in state.items()}


def other(state):
    return {key: tensor + 1 for key, tensor in state.items()}


# What training programs save, and what of it is told.
LAYOUTS = {
    "lightning": (lambda state: {
        "state_dict": {**under("model.", state), "loss_fn.mel.fb": torch.ones(3), "ema.shadow.0": torch.ones(2),
                       "metrics.sdr.total": torch.tensor(0.5), "loss_fn._extra_state": {"seen": 3}},
        "epoch": 3, "hyper_parameters": {"lr": 1e-4, "loss": torch.nn.L1Loss()}}, "loss_fn.mel.fb"),
    "compiled in parallel": (lambda state: under("_orig_mod.module.", state), None),
    "parallel, compiled": (lambda state: {"model": under("module._orig_mod.", state)}, None),
    "compiled in lightning": (lambda state: {"state_dict": under("model._orig_mod.", state)}, None),
    "averages alone": (lambda state: under("ema_model.", state), None),
    "averages of torch": (lambda state: {**under("module.", state), "n_averaged": torch.tensor(7)}, "n_averaged"),
    "averages beside": (lambda state: {**under("ema_model.module.", other(state)), **under("online_model.", state)},
                        "ema_model.module."),
    "a key of its own": (lambda state: {"generator": {"net": state}, "discriminator": {"w": torch.ones(3)}},
                         "discriminator.w"),
    "part compiled": (lambda state: {
        "params": {key.replace("crosstransformer.", "crosstransformer._orig_mod."): tensor
                   for key, tensor in state.items()}}, None),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_whatever_prefix_the_names_have(layout, zipped, htdemucs, tmp_path):
    make, told = LAYOUTS[layout]
    torch.save(make(htdemucs), tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    (tmp_path / "last.yaml").write_text(CONFIG)
    report, actual = imported(tmp_path, tmp_path / "last.ckpt")
    assert_same(actual, htdemucs)
    notes = "; ".join(note for note in report["notes"] if "model taken from" not in note)
    assert (told in notes) if told else notes == ""


def test_a_prefix_can_be_asked_for_and_is_named_where_none_fits(htdemucs, tmp_path):
    (tmp_path / "last.yaml").write_text(CONFIG)
    torch.save({"model": htdemucs, "ema": under("module.", other(htdemucs))}, tmp_path / "last.ckpt")
    _, actual = imported(tmp_path, tmp_path / "last.ckpt", "--prefix", "ema.module.")
    assert_same(actual, other(htdemucs))
    for prefix in ("backbone.", "module.separator."):
        torch.save({"state_dict": under(prefix, {"head.weight": torch.ones(3), "body.weight": torch.ones(2)})},
                   tmp_path / "last.ckpt")
        result = run("stemsmith", "import", tmp_path / "last.ckpt", "--out", tmp_path / "out", status=1)
        assert f'"state_dict.{prefix}"' in result.stderr and result.stderr.count("\n") == 1


WHOLE = {
    "a class of torch": lambda: torch.nn.Sequential(torch.nn.Conv1d(2, 4, 3), torch.nn.ReLU()),
    "a class of the program": lambda: Separator(),
    "in parallel": lambda: torch.nn.DataParallel(Separator()),
    "beside the epoch": lambda: {"epoch": 3, "model": Separator(), "optimizer": {"state": {}}},
    "under another key": lambda: {"net": Separator(), "lr": 0.1},
    "with a function of the program": lambda: Called(),
}


class Separator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.LSTM(3, 4)
        self.register_buffer("window", torch.hann_window(8))


class Called(Separator):
    def __init__(self):
        super().__init__()
        self.activation = functools.partial(torch.nn.functional.gelu, approximate="tanh")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.filterwarnings("ignore")  # of the older format: modules keep their source text
def test_whole_models_are_answered_with_what_to_save(kind, zipped, tmp_path):
    torch.save(WHOLE[kind](), tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    result = run("stemsmith", "import", tmp_path / "model.pt", "--out", tmp_path / "out", status=1)
    assert "whole mod" in result.stderr and ".state_dict()" in result.stderr
    assert result.stderr.count("\n") == 1


def test_folders_of_open_unmix(tmp_path):
    for name in ("torchaudio", "tqdm"):  # imported there, not used by the networks
        sys.modules.setdefault(name, types.ModuleType(name))
    from openunmix.model import OpenUnmix
    torch.manual_seed(5)
    folder = tmp_path / "umx"
    folder.mkdir()
    (folder / "separator.json").write_text(json.dumps(
        {"nb_channels": 2, "nfft": 1024, "nhop": 256, "sample_rate": 44100.0}))
    expected = {}
    for target in ("bass", "vocals"):
        network = OpenUnmix(nb_bins=513, nb_channels=2, hidden_size=32, max_bin=200)
        state = network.state_dict()
        expected.update({f"target_models.{target}.{key}": tensor for key, tensor in state.items()})
        state = dict(state, **{"stft.window": torch.hann_window(1024), "sample_rate": torch.tensor(44100.0)})
        torch.save(state if target == "bass" else {"epoch": 3, "state_dict": under("module.", state)},
                   folder / f"{target}-0123abcd.pth")
    report, actual = imported(tmp_path, folder)
    assert (report["model"], report["stems"]) == ("open_unmix", ["vocals", "bass"])
    assert "max_bin: 200" in report["model_config"] and "hidden_size: 32" in report["model_config"]
    assert_same(actual, expected)


def test_nothing_of_a_file_is_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/was-here",)

    for zipped in (True, False):
        torch.save({"state": Hostile()}, tmp_path / "hostile.th", _use_new_zipfile_serialization=zipped)
        result = run("stemsmith", "import", tmp_path / "hostile.th", "--out", tmp_path / "out", status=1)
        assert "wants to call" in result.stderr and "system" in result.stderr and result.stderr.count("\n") == 1
        assert not (tmp_path / "was-here").exists()
        assert not (tmp_path / "out").exists()
