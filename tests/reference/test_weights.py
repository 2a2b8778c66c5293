"""Weights in both directions: packages of Python's demucs 2 and 4 become checkpoints bit for bit, and Python loads and
runs the packages that `stemsmith export` writes.

demucs 2 and 4 share a package name: each runs in a process of its own.
"""

import functools
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import soundfile
import torch
from programs import run

PEERS = {2: os.environ["STEMSMITH_DEMUCS2"], 4: os.environ["STEMSMITH_DEMUCS4"]}
STEMS = ["drums", "bass", "other", "vocals"]
SETUP = {
    # demucs 2 imports quantizers it does not need here, and loads with the defaults of older versions of torch.
    2: """
import argparse, functools, sys, types
import torch
for name in ("diffq", "tqdm"):
    module = types.ModuleType(name)
    module.UniformQuantizer = module.DiffQuantizer = module.tqdm = object
    sys.modules[name] = module
torch.load = functools.partial(torch.load, weights_only=False)
from demucs.model import Demucs
from demucs.utils import load_model
""",
    4: """
import sys
import torch
from fractions import Fraction
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import load_model
""",
}
MODELS = {
    "demucs_v2": (2, "Demucs(sources=STEMS, channels=8, depth=3, segment_length=30000)", 30000),
    "demucs": (4, "Demucs(STEMS, channels=8, depth=5, normalize=False, segment=1.5)", 66150),
    "hdemucs": (4, "HDemucs(STEMS, channels=8, segment=Fraction(3, 2))", 66150),
    "htdemucs": (4, "HTDemucs(sources=STEMS, channels=8, depth=4, t_layers=3, t_heads=2, bottom_channels=32, "
                    "segment=Fraction(39, 20))", 85995),
}


# Runs code of one job after the other, so that torch is imported once.
WORKER = """
import json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what jobs print is no answer
SETUP
for line in sys.stdin:
    code, sys.argv[1:] = json.loads(line)
    try:
        exec(code, dict(globals()))
        problem = ""
    except BaseException:
        problem = traceback.format_exc()
    print(json.dumps(problem), file=answers, flush=True)
"""


@functools.cache
def worker(version):
    environment = dict(os.environ, PYTHONPATH=PEERS[version], OMP_NUM_THREADS="1")
    code = WORKER.replace("SETUP", SETUP[version] + f"STEMS = {STEMS}")
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, env=environment)


def python(version, code, *arguments):
    """Runs code in a process with demucs `version`; `sys.argv[1:]` are the arguments."""
    process = worker(version)
    process.stdin.write(json.dumps([code, list(map(str, arguments))]) + "\n")
    process.stdin.flush()
    problem = json.loads(process.stdout.readline())
    assert problem == "", problem


def demucs(*arguments):
    """What the command `demucs` does."""
    python(4, "from demucs.separate import main\nmain(sys.argv[1:])", *arguments)


def read_tensors(path):
    sys.path.append(PEERS[4])
    from safetensors.torch import load_file
    return load_file(path)


SAVE = """
torch.manual_seed(3)
model = MODEL
with torch.no_grad():
    for parameter in model.parameters():
        parameter += 0.02 * torch.randn_like(parameter)
folder, kind = sys.argv[1:]
args, kwargs = model._init_args_kwargs
state = model.state_dict()
if kind == "half":
    state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
training = {"epochs": 3}
if "argparse" in globals():
    training = argparse.Namespace(diffq=0, qat=0, q_min_size=1)
package = {"klass": model.__class__, "args": args, "kwargs": kwargs, "state": state, "training_args": training}
torch.save(package, folder + "/model.th", _use_new_zipfile_serialization=kind != "legacy")
torch.save({name: tensor.float() for name, tensor in state.items()}, folder + "/expected.pt")
"""


def save(name, folder, kind):
    version, model, _ = MODELS[name]
    python(version, SAVE.replace("MODEL", model), folder, kind)
    return {key: tensor for key, tensor in torch.load(folder / "expected.pt").items()}


def imported(folder, source, *options):
    result = run("stemsmith", "import", source, "--out", folder / "imported", "--json", *options)
    report = json.loads(result.stdout.strip().splitlines()[-1])
    return report, read_tensors(report["checkpoint"])


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(actual[key], tensor.to(actual[key].dtype)), key


@pytest.mark.parametrize("kind", ["whole", "half", "legacy"])
@pytest.mark.parametrize("name", MODELS)
def test_packages_become_checkpoints_bit_for_bit(name, kind, tmp_path):
    expected = save(name, tmp_path, kind)
    report, actual = imported(tmp_path, tmp_path / "model.th")
    assert report["model"] == name and report["stems"] == STEMS
    assert report["segment_frames"] == MODELS[name][2]
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
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", MODELS)
def test_python_loads_what_we_write(name, tmp_path):
    """load_model builds the class from our keyword arguments; the state it holds then is ours."""
    expected = save(name, tmp_path, "whole")
    report, _ = imported(tmp_path, tmp_path / "model.th")
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "repo", "--format", "th", "--name", "sig",
        "--quiet")
    package, = (tmp_path / "repo").glob("sig-*.th")
    python(MODELS[name][0], "model = load_model(sys.argv[1])\n"
           "torch.save(model.state_dict(), sys.argv[2])\n"
           "segment = getattr(model, 'segment_length', None) or int(model.samplerate * model.segment)\n"
           "assert segment == int(sys.argv[3]), segment\n"
           "assert model.sources == STEMS", package, tmp_path / "back.pt", MODELS[name][2])
    assert_same(torch.load(tmp_path / "back.pt"), expected)


def test_safetensors_of_demucs_4_1(tmp_path):
    expected = save("htdemucs", tmp_path, "whole")
    # As the project's own tools/export_hf.py lays them out.
    python(4, """
from safetensors.torch import save_file
import json
package = torch.load(sys.argv[1] + "/model.th", weights_only=False)
encode = lambda value: {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
save_file({name: tensor.contiguous() for name, tensor in package["state"].items()}, sys.argv[1] + "/hub.safetensors",
          metadata={"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps(package["args"]),
                    "kwargs": json.dumps(package["kwargs"], default=encode)})
""", tmp_path)
    report, actual = imported(tmp_path, tmp_path / "hub.safetensors")
    assert report["segment_frames"] == MODELS["htdemucs"][2]
    assert_same(actual, expected)
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "back", "--format", "safetensors", "--name",
        "sig", "--quiet")
    python(4, "from demucs.hf import load_safetensors_model\n"
              "model = load_safetensors_model(sys.argv[1])\n"
              "assert model.segment == Fraction(39, 20)\n"
              "torch.save(model.state_dict(), sys.argv[2])",
           tmp_path / "back" / "sig.safetensors", tmp_path / "back.pt")
    assert_same(torch.load(tmp_path / "back.pt"), expected)


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


def test_folders_are_taken_for_what_lies_in_them(tmp_path):
    save("demucs_v2", tmp_path, "whole")
    run("stemsmith", "import", tmp_path / "model.th", "--out", tmp_path / "imported")
    for command in (["inspect", tmp_path / "imported"],
                    ["export", tmp_path / "imported", "--out", tmp_path / "exported", "--format", "th,onnx"],
                    ["inspect", tmp_path / "exported"]):
        run("stemsmith", *command)
    assert len(list((tmp_path / "exported").glob("model-*.th"))) == 1  # named as the file, not as its folder
    song(tmp_path / "song.wav", 1.2)
    run("separate", tmp_path / "exported", tmp_path / "song.wav", "-o", tmp_path / "stems", "--quiet")
    assert sorted(path.stem for path in (tmp_path / "stems" / "song").iterdir()) == sorted(STEMS)
    result = run("separate", tmp_path / "imported", tmp_path / "song.wav", "-o", tmp_path / "stems", status=1)
    assert "stemsmith export" in result.stderr


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


def song(path, seconds):
    rng = np.random.default_rng(4)
    t = np.arange(int(44100 * seconds)) / 44100
    tones = sum(np.sin(2 * np.pi * f * t + p) for f, p in [(110, 0), (331, 1), (2770, 2)])
    audio = 0.1 * np.stack([tones * np.sin(3 * t), tones]) + 0.05 * rng.standard_normal((2, len(t))) + 0.02
    soundfile.write(path, audio.T.astype(np.float32), 44100, subtype="FLOAT")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with sig-CHECKSUM.th, for Python, and model.onnx, for `separate`, of the same weights."""
    folder = tmp_path_factory.mktemp("package")
    save("htdemucs", folder, "whole")
    report, _ = imported(folder, folder / "model.th")
    run("stemsmith", "export", report["checkpoint"], "--out", folder / "repo", "--format", "th,onnx", "--name", "sig",
        "--quiet")
    return folder / "repo"


@pytest.mark.parametrize("seconds", [5.1, 1.2, 3.9])
def test_python_separates_with_our_package_as_we_do(seconds, package, tmp_path):
    """demucs' command with a package of ours against `separate` with the ONNX file of the same weights."""
    song(tmp_path / "song.wav", seconds)
    demucs("--repo", package, "-n", "sig", "--shifts", "0", "--float32", "--clip-mode", "none", "-d", "cpu", "-o",
           tmp_path / "python", tmp_path / "song.wav")
    run("separate", package / "model.onnx", tmp_path / "song.wav", "-o", tmp_path / "ours", "--bits", "32f", "--quiet",
        "--threads", 1)
    peak, largest = 0.0, 0.0
    for stem in STEMS:
        expected, _ = soundfile.read(tmp_path / "python" / "sig" / "song" / f"{stem}.wav")
        actual, _ = soundfile.read(tmp_path / "ours" / "song" / f"{stem}.wav")
        assert actual.shape == expected.shape
        peak = max(peak, np.abs(expected).max())
        largest = max(largest, np.abs(actual - expected).max())
    print(f"{seconds} s: {largest / peak:.1e} of the peak")
    assert peak > 1e-3
    assert largest <= 1e-4 * peak


def test_a_bag_separates_alike(tmp_path):
    for index in (1, 2):
        folder = tmp_path / str(index)
        folder.mkdir()
        python(4, SAVE.replace("MODEL", MODELS["htdemucs"][1]).replace("manual_seed(3)", f"manual_seed({index})"),
               folder, "whole")
        (folder / "model.th").rename(tmp_path / f"m{index}.th")
    (tmp_path / "both.yaml").write_text("models: ['m1', 'm2']\nweights: [\n  [1., 1., 0., 0.],\n  [0., 1., 1., 3.],\n]\n")
    report, _ = imported(tmp_path, tmp_path / "both.yaml")
    assert report["model"] == "bag"
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "repo", "--format", "th,onnx", "--name", "pair",
        "--quiet")
    song(tmp_path / "song.wav", 2.3)
    stems = {}
    for name, repo in (("both", tmp_path), ("pair", tmp_path / "repo")):
        demucs("--repo", repo, "-n", name, "--shifts", "0", "--float32", "--clip-mode", "none", "-d", "cpu", "-o",
               tmp_path / "python", tmp_path / "song.wav")
        stems[name] = [soundfile.read(tmp_path / "python" / name / "song" / f"{stem}.wav")[0] for stem in STEMS]
    run("separate", tmp_path / "repo" / "model.onnx", tmp_path / "song.wav", "-o", tmp_path / "ours", "--bits", "32f",
        "--quiet", "--threads", 1)
    ours = [soundfile.read(tmp_path / "ours" / "song" / f"{stem}.wav")[0] for stem in STEMS]
    peak = np.abs(stems["both"]).max()
    assert np.abs(np.array(stems["both"]) - stems["pair"]).max() <= 1e-6 * peak
    assert np.abs(np.array(stems["both"]) - ours).max() <= 1e-4 * peak
