"""RoFormers of the Python packages in .deps/roformer, each with a folder of its own: two of them install the same module."""

import functools
import importlib
import os
import sys
from unittest.mock import patch

import torch

ROFORMERS = os.environ["STEMSMITH_ROFORMERS"]

# Threads gain nothing on small tensors, and lose much where others run.
torch.set_num_threads(1)


@functools.cache
def load(package, module):
    """`module` as it lies in the folder of `package`, "NAME==VERSION", whatever else has the same name."""
    folder = os.path.join(ROFORMERS, package)
    root = module.split(".")[0]
    path = [folder, os.path.join(ROFORMERS, "common")]
    with patch.object(sys, "path", path + sys.path):
        try:
            loaded = importlib.import_module(module)
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] == root]:
                del sys.modules[name]
    assert loaded.__file__.startswith(folder + os.sep), loaded.__file__
    return loaded


BS_INFER = functools.partial(load, "bs-roformer-infer==0.1.5", "bs_roformer.bs_roformer")
MEL_INFER = functools.partial(load, "melband-roformer-infer==0.1.5", "mel_band_roformer.mel_band_roformer")


def original(version, module="bs_roformer.bs_roformer"):
    """A module of PyPI BS-RoFormer."""
    return functools.partial(load, f"BS-RoFormer=={version}", module)


def make(module, options, channels=2, stems=1, noise=0.1, seed=1):
    """A model of the class that the module is about, with weights of which every one counts."""
    klass = "MelBandRoformer" if hasattr(module, "MelBandRoformer") else "BSRoformer"
    torch.manual_seed(seed)
    model = getattr(module, klass)(stereo=channels == 2, num_stems=stems, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += noise * torch.randn_like(parameter)
    return model


def separate(model, mix):
    """Estimates [B, S, C, T], as long as the mix; some of the originals drop the last frames and the dimension of one stem."""
    istft = functools.partial(torch.istft)
    def whole(*arguments, **keywords):
        return istft(*arguments, **dict(keywords, length=mix.shape[-1]))
    with patch.object(torch, "istft", whole):
        estimates = model(mix)
    return estimates if estimates.ndim == 4 else estimates.unsqueeze(1)
