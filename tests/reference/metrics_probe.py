"""Computes figures of ours for the comparisons, in one process for many songs."""

import functools
import json
import os
import subprocess
import tempfile

import numpy as np
from programs import BIN


@functools.cache
def process():
    return subprocess.Popen([os.path.join(BIN, "metrics_probe")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def figures(references, estimates, **options):
    """`references` and `estimates` [S, T, C]; the fields that metrics_probe.cpp names, as arrays with NaN and infinity."""
    sources, frames, channels = references.shape
    with tempfile.NamedTemporaryFile() as file:
        planar = [np.moveaxis(audio, 2, 1).reshape(sources * channels, frames) for audio in (references, estimates)]
        np.concatenate(planar).astype("<f4").tofile(file)
        file.flush()
        job = {"file": file.name, "sources": sources, "channels": channels, "frames": frames, **options}
        process().stdin.write(json.dumps(job) + "\n")
        process().stdin.flush()
        answer = json.loads(process().stdout.readline())
    assert "error" not in answer, answer
    return {name: np.array(value, dtype=float) if isinstance(value, list) else value for name, value in answer.items()}
