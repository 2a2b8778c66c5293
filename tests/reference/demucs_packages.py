"""Packages of Python's demucs 2 and 4, made and read for the tests of weights.

demucs 2 and 4 share a package name: each runs in a process of its own.
"""

import functools
import json
import os
import subprocess
import sys

import numpy as np
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
    "demucs": (4, "Demucs(STEMS, channels=8, depth=5, gelu=False, segment=1.5)", 66150),
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


def song(path, seconds):
    rng = np.random.default_rng(4)
    t = np.arange(int(44100 * seconds)) / 44100
    tones = sum(np.sin(2 * np.pi * f * t + p) for f, p in [(110, 0), (331, 1), (2770, 2)])
    audio = 0.1 * np.stack([tones * np.sin(3 * t), tones]) + 0.05 * rng.standard_normal((2, len(t))) + 0.02
    soundfile.write(path, audio.T.astype(np.float32), 44100, subtype="FLOAT")
