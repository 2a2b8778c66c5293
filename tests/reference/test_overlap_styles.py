"""How segments are joined: numpy statements of what Python demucs and Music-Source-Separation-Training do."""

import numpy as np
import pytest
import soundfile
from filter_models import estimate, write_model
from programs import run

RATE = 44100
STEMS = ["drums", "vocals"]
CHUNK = 4410


def separate(folder, audio, *options):
    """[S, C, T]"""
    soundfile.write(folder / "song.wav", audio.T, RATE, subtype="FLOAT")
    run("separate", folder / "model.onnx", folder / "song.wav", "-o", folder / "out", "--bits", "32f", "--quiet", "--threads",
        1, *options)
    return np.array([soundfile.read(folder / "out" / "song" / f"{stem}.wav", dtype="float32", always_2d=True)[0].T
                     for stem in STEMS])


def msst(model, mixture, chunk, num_overlap):
    """`demix` of utils/model_utils.py (ccc011a) for all models but its Demucs, with a batch of one."""
    step, fade = chunk // num_overlap, chunk // 10
    border = chunk - step
    bordered = border > 0 and mixture.shape[1] > 2 * border
    if bordered:
        mixture = np.pad(mixture, ((0, 0), (border, border)), mode="reflect")
    length = mixture.shape[1]
    total, weights = 0, np.zeros(length)
    for begin in range(0, length, step):
        part = mixture[:, begin : begin + chunk]
        here = part.shape[1]
        part = np.pad(part, ((0, 0), (0, chunk - here)), mode="reflect" if here > chunk // 2 else "constant")
        window = np.ones(chunk)
        window[:fade], window[chunk - fade :] = np.linspace(0, 1, fade), np.linspace(1, 0, fade)
        if begin == 0:
            window[:fade] = 1
        elif begin + step >= length:
            window[chunk - fade :] = 1
        stems = np.zeros((len(STEMS), *mixture.shape))
        stems[..., begin : begin + here] = (model(part) * window)[..., :here]
        total = total + stems
        weights[begin : begin + here] += window[:here]
    result = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    return result[..., border:-border] if bordered else result


def demucs(model, mixture, chunk, overlap):
    """`apply_model` of demucs 4 without shifts, for a model that takes any length."""
    length, stride = mixture.shape[1], int((1 - overlap) * chunk)
    weight = np.concatenate([np.arange(1, chunk // 2 + 1), np.arange(chunk - chunk // 2, 0, -1)]) / (chunk - chunk // 2)
    total, weights = np.zeros((len(STEMS), *mixture.shape)), np.zeros(length)
    for begin in range(0, length, stride):
        here = min(chunk, length - begin)
        total[..., begin : begin + here] += weight[:here] * model(mixture[:, begin : begin + here])
        weights[begin : begin + here] += weight[:here]
    return total / weights


LENGTHS = [1, 700, CHUNK // 2 - 1, CHUNK // 2, CHUNK // 2 + 1, CHUNK // 2 + 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 12345, 30001]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("styles")


@pytest.mark.parametrize("style, options, expected", [
    ("msst", ["--overlap", "0.75"], lambda model, mixture: msst(model, mixture, CHUNK, 4)),
    ("msst", ["--segment", "0.0717"], lambda model, mixture: msst(model, mixture, 3162, 2)),
    ("msst", ["--overlap", "0.667", "--batch", "3"], lambda model, mixture: msst(model, mixture, CHUNK, 3)),
    ("msst", ["--overlap", "0"], lambda model, mixture: msst(model, mixture, CHUNK, 1)),
    ("demucs", [], lambda model, mixture: demucs(model, mixture, CHUNK, 0.25)),
    ("demucs", ["--segment", "0.07", "--overlap", "0.4"], lambda model, mixture: demucs(model, mixture, 3087, 0.4)),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_styles(style, options, expected, folder):
    weights = write_model(folder / "model.onnx", 5, STEMS, segment=CHUNK)
    random = np.random.default_rng(1)
    for frames in LENGTHS:
        mixture = (0.3 * random.standard_normal((2, frames))).astype(np.float32)
        actual = separate(folder, mixture, "--overlap-style", style, *options)
        wrong = np.abs(actual - expected(lambda part: estimate(weights, part), mixture)).max()
        assert wrong <= 1e-5, (frames, wrong)
