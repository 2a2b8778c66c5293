"""Several models, several passes and the Wiener filter against numpy, librosa and Open-Unmix, from single stems."""

import sys
import types

import librosa
import numpy as np
import pytest
import soundfile
import torch
from filter_models import write_model
from programs import run

for name in ("torchaudio", "tqdm"):  # imported by openunmix, not used by its filters
    if name not in sys.modules:
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)

import openunmix.filtering  # noqa: E402

RATE = 44100
STEMS = ["drums", "vocals", "other"]
torch.set_num_threads(1)


def song(path, frames, channels=2, seed=3):
    random = np.random.default_rng(seed)
    audio = 0.2 * random.standard_normal((frames, channels)) + 0.1 * np.sin(np.arange(frames) / 30)[:, None]
    soundfile.write(path, audio.astype(np.float32), RATE, subtype="FLOAT")
    return audio.astype(np.float32)


def separate(folder, *options, stems=STEMS):
    """[S, C, T] of song.wav in the folder."""
    run("separate", folder / "song.wav", "-o", folder / "out", "--bits", "32f", "--quiet", "--threads", 1, *options)
    return np.array([soundfile.read(folder / "out" / "song" / f"{stem}.wav", dtype="float32", always_2d=True)[0].T
                     for stem in stems])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Four model files; the stems of the last come in another order."""
    folder = tmp_path_factory.mktemp("models")
    for seed, stems in enumerate([STEMS, STEMS, STEMS, STEMS[::-1]]):
        write_model(folder / f"{seed}.onnx", seed, stems)
    return [folder / f"{seed}.onnx" for seed in range(4)]


def by_magnitude(choose):
    return lambda values: np.take_along_axis(values, choose(np.abs(values), axis=0)[None], axis=0)[0]


def median_of_parts(values):
    return np.median(values.real, axis=0) + 1j * np.median(values.imag, axis=0)


def of_spectra(combine):
    """MSST's ensemble, but that the song is followed by enough silence for its last block to have a second frame."""
    def ensemble(stems):
        length = stems.shape[-1]
        padded = np.pad(stems, [(0, 0)] * 3 + [(0, -length % 1024)]).astype(np.float64)
        spectra = librosa.stft(padded, n_fft=2048, hop_length=1024)
        return librosa.istft(combine(spectra), n_fft=2048, hop_length=1024, length=padded.shape[-1])[..., :length]
    return ensemble


COMBINATIONS = {
    "mean": lambda stems: stems.mean(axis=0),
    "median": lambda stems: np.median(stems, axis=0),
    "min": by_magnitude(np.argmin),
    "max": by_magnitude(np.argmax),
    "min_fft": of_spectra(by_magnitude(np.argmin)),
    "max_fft": of_spectra(by_magnitude(np.argmax)),
    "median_fft": of_spectra(median_of_parts),
}


@pytest.mark.parametrize("channels, frames, count", [(2, 100_001, 3), (1, 70_656, 4), (2, 700, 2), (2, 51 * 1024 - 1, 2)])
def test_ensembles_are_those_of_numpy(channels, frames, count, models, tmp_path):
    song(tmp_path / "song.wav", frames, channels)
    single = np.array([separate(tmp_path, "--model", model) for model in models[:count]])
    assert single.shape == (count, 3, channels, frames)
    named = [word for model in models[:count] for word in ("--model", model)]
    for name, combine in COMBINATIONS.items():
        together = separate(tmp_path, *named, "--combine", name)
        expected = combine(single.astype(np.float64) if name != "min" and name != "max" else single)
        assert np.abs(expected - single[0]).max() > 0.01
        wrong = np.abs(together - expected)
        # Where two bins have the same magnitude but for rounding, either may be chosen: two blocks at most.
        allowed = 2 * 2048 if name in ("min_fft", "max_fft") else 0
        assert np.count_nonzero(wrong > 1e-6) <= allowed, (name, wrong.max())
        assert np.abs(together).max() <= 2 * np.abs(single).max(), name  # no click in a last block of one window
    weights = [2, 1, 0.5, 0.25][:count]
    weighted = separate(tmp_path, *named, "--weights", ",".join(map(str, weights)))
    expected = np.average(single.astype(np.float64), axis=0, weights=weights)
    assert np.abs(weighted - expected).max() <= 1e-6
    vocals, = separate(tmp_path, *named, "--weights", ",".join(map(str, weights)), "--stems", "vocals", stems=["vocals"])
    assert np.array_equal(vocals, weighted[1])


def test_passes_are_averaged_within_an_ensemble(models, tmp_path):
    audio = song(tmp_path / "song.wav", 60_000)
    turned = {"plain": lambda x: x, "swapped": lambda x: x[:, ::-1], "negated": lambda x: -x}
    results = []
    for model in models[:2]:
        passes = []
        for turn in turned.values():
            soundfile.write(tmp_path / "song.wav", turn(audio), RATE, subtype="FLOAT")
            passes.append(separate(tmp_path, "--model", model))
        passes[1] = passes[1][:, ::-1]
        passes[2] = -passes[2]
        results.append(np.mean(np.array(passes, dtype=np.float64), axis=0))
    soundfile.write(tmp_path / "song.wav", audio, RATE, subtype="FLOAT")
    alone = separate(tmp_path, "--model", models[0], "--tta")
    assert np.abs(alone - results[0]).max() <= 1e-6
    both = separate(tmp_path, "--model", models[0], "--model", models[1], "--tta", "--combine", "max")
    assert np.abs(both - by_magnitude(np.argmax)(np.array(results))).max() <= 1e-6


def wiener(mixture, stems, iterations):
    """Open-Unmix's Separator behind its networks: mixture [C, T], stems [S, C, T], in double precision."""
    window = torch.hann_window(4096, dtype=torch.float64)
    spectrum = lambda audio: torch.stft(torch.from_numpy(audio.astype(np.float64)), 4096, 1024, window=window,
                                        center=True, pad_mode="reflect", return_complex=True)
    mix = torch.view_as_real(spectrum(mixture)).permute(2, 1, 0, 3).contiguous()  # [N, F, C, 2]
    magnitudes = torch.stack([spectrum(stem).abs() for stem in stems], -1).permute(2, 1, 0, 3)  # [N, F, C, S]
    refined = [openunmix.filtering.wiener(magnitudes[begin : begin + 300], mix[begin : begin + 300].clone(), iterations)
               for begin in range(0, len(mix), 300)]
    refined = torch.view_as_complex(torch.cat(refined).permute(4, 2, 1, 0, 3).contiguous())  # [S, C, F, N]
    return np.array([torch.istft(stem, 4096, 1024, window=window, length=mixture.shape[1]).numpy() for stem in refined])


@pytest.mark.parametrize("channels, frames, iterations", [(2, 400_000, 1), (2, 90_001, 3), (1, 60_000, 2), (2, 2049, 1)])
def test_the_wiener_filter_is_that_of_open_unmix(channels, frames, iterations, models, tmp_path):
    audio = song(tmp_path / "song.wav", frames, channels)
    audio *= np.linspace(0.2, 4, frames, dtype=np.float32)[:, None]  # so that windows are scaled differently
    soundfile.write(tmp_path / "song.wav", audio, RATE, subtype="FLOAT")
    single = separate(tmp_path, "--model", models[0])
    refined = separate(tmp_path, "--model", models[0], "--wiener", iterations)
    expected = wiener(audio.T, single, iterations)
    peak = np.abs(expected).max()
    assert np.abs(expected - single).max() > 0.01 * peak
    worst = np.abs(refined - expected).max() / peak
    print(f"{channels} channels, {frames} frames, {iterations} iterations: {worst:.1e} of the peak")
    assert worst <= 1e-4
    vocals, = separate(tmp_path, "--model", models[0], "--wiener", iterations, "--stems", "vocals", stems=["vocals"])
    assert np.array_equal(vocals, refined[1])


@pytest.mark.parametrize("silent", ["beginning", "right channel"])
def test_the_wiener_filter_keeps_silence(silent, models, tmp_path):
    audio = song(tmp_path / "song.wav", 120_000)
    audio[(slice(0, RATE), slice(None)) if silent == "beginning" else (slice(None), 1)] = 0
    soundfile.write(tmp_path / "song.wav", audio, RATE, subtype="FLOAT")
    single = separate(tmp_path, "--model", models[0])
    refined = separate(tmp_path, "--model", models[0], "--wiener", 1)
    assert np.isfinite(refined).all()
    expected = wiener(audio.T, single, 1)
    assert np.abs(refined - expected).max() <= 1e-4 * np.abs(expected).max()


def test_channels_beyond_two_are_refined_in_pairs(models, tmp_path):
    audio = song(tmp_path / "song.wav", 30_000, 3)
    refined = separate(tmp_path, "--model", models[0], "--wiener", 1)
    for channels in (slice(0, 2), slice(2, 3)):
        soundfile.write(tmp_path / "song.wav", audio[:, channels], RATE, subtype="FLOAT")
        assert np.abs(separate(tmp_path, "--model", models[0], "--wiener", 1) - refined[:, channels]).max() <= 1e-6
