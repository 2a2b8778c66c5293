"""Parts of the classical methods beside those that librosa, scikit-learn and SciPy have."""

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
from programs import run

RATE = 44100


def probe(folder, part, options, inputs, outputs):
    """Runs a part on arrays; `outputs` are (shape, type)."""
    files = [folder / f"in{i}.f32" for i in range(len(inputs))]
    for file, array in zip(files, inputs):
        np.ascontiguousarray(array, dtype=np.float32).tofile(file)
    results = [folder / f"out{i}.bin" for i in range(len(outputs))]
    run("baseline_probe", part, *options, *files, *results)
    return [np.fromfile(file, dtype=kind).reshape(shape) for file, (shape, kind) in zip(results, outputs)]


@pytest.fixture(scope="module")
def song():
    """Ten seconds of notes, of which some come again, of hits and of noise."""
    random = np.random.default_rng(7)
    seconds = np.arange(10 * RATE) / RATE
    audio = 0.01 * random.standard_normal(len(seconds))
    for beat in range(20):
        begin = beat * RATE // 2
        length = RATE // 3
        decay = np.exp(-6 * seconds[:length])
        hz = [220, 277.2, 329.6, 440][beat % 4]
        audio[begin : begin + length] += 0.2 * decay * np.sin(2 * np.pi * hz * seconds[:length])
        audio[begin : begin + 2000] += 0.3 * random.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    return audio.astype(np.float32)


@pytest.fixture(scope="module")
def magnitudes(song):
    return np.abs(librosa.stft(song, n_fft=2048, hop_length=512))  # [F, N]


@pytest.mark.parametrize("sizes, power", [((31, 31), 2.0), ((17, 9), 1.0), ((5, 51), 2.0)])
def test_hpss_masks(tmp_path, magnitudes, sizes, power):
    bins = magnitudes.shape[0]
    harmonic, percussive = librosa.decompose.hpss(magnitudes, kernel_size=sizes, power=power, mask=True)
    (mask,) = probe(tmp_path, "hpss", [bins, *sizes, power], [magnitudes.T], [(magnitudes.T.shape, np.float32)])
    # Rounding of a quotient in float32.
    np.testing.assert_allclose(mask.T, harmonic, atol=1e-6)
    np.testing.assert_allclose(1 - mask.T, percussive, atol=1e-6)


def test_hpss_of_fewer_frames_than_its_median(tmp_path, magnitudes):
    short = magnitudes[:20, :7]
    harmonic, _ = librosa.decompose.hpss(short, kernel_size=31, mask=True)
    (mask,) = probe(tmp_path, "hpss", [20, 31, 31, 2.0], [short.T], [(short.T.shape, np.float32)])
    np.testing.assert_allclose(mask.T, harmonic, atol=1e-6)


def test_nearest_frames(tmp_path, magnitudes):
    """The neighbours of librosa's recurrence matrix, of which nn_filter takes the median.

    With distances: without them (mode="connectivity", what nn_filter asks for itself) librosa 0.11 keeps any `k` of the
    `k + 2 · width` nearest, as it sorts ones.
    """
    frames, count, width = magnitudes.shape[1], 12, 20
    matrix = librosa.segment.recurrence_matrix(
        magnitudes, k=count, width=width, metric="cosine", sparse=True, mode="distance"
    )
    (ours,) = probe(
        tmp_path, "nearest", [magnitudes.shape[0], count, width], [magnitudes.T], [((frames, count), np.uint32)]
    )
    unit = magnitudes / np.linalg.norm(magnitudes, axis=0)
    for n in range(frames):
        theirs = matrix[:, n].nonzero()[0]
        mine = ours[n]
        assert np.all(np.abs(mine.astype(int) - n) >= width)
        # Others only where the similarities are equal but for rounding.
        least = np.sort(unit[:, theirs].T @ unit[:, n])
        np.testing.assert_allclose(np.sort(unit[:, mine].T @ unit[:, n]), least, atol=2e-6)
    same = sum(set(ours[n]) == set(matrix[:, n].nonzero()[0]) for n in range(frames))
    assert same > 0.98 * frames


def filtered(song, corners, order, zero_phase):
    """A high pass and a low pass, one after the other, with silence before and behind."""
    ahead = np.zeros(8 * RATE)
    audio = np.concatenate([song.astype(float), ahead])
    sections = [scipy.signal.butter(order, hz, kind, fs=RATE, output="sos") for kind, hz in corners]
    for step in (1, -1) if zero_phase else (1,):
        for sos in sections:
            audio = scipy.signal.sosfilt(sos, audio[::step])[::step]
    return audio[: len(song)]


@pytest.mark.parametrize("order", [1, 2, 4, 5])
@pytest.mark.parametrize("zero_phase", [True, False])
def test_bands(tmp_path, song, order, zero_phase):
    soundfile.write(tmp_path / "song.wav", song, RATE, subtype="FLOAT")
    settings = tmp_path / "bands.yaml"
    settings.write_text(
        f"{{order: {order}, zero_phase: {str(zero_phase).lower()}, "
        "bands: {low: {high_hz: 150}, middle: {low_hz: 150, high_hz: 3000}, high: {low_hz: 3000}}}"
    )
    run("stemsmith", "baseline", "bands", tmp_path / "song.wav", "-o", tmp_path / "out", "--config", settings, "--bits", "32f")
    for stem, corners in {
        "low": [("low", 150)],
        "middle": [("high", 150), ("low", 3000)],
        "high": [("high", 3000)],
    }.items():
        ours, _ = soundfile.read(tmp_path / "out/song" / f"{stem}.wav")
        # Float32 of the file; the backward filter begins where 1e-9 of the sound is left.
        np.testing.assert_allclose(ours, filtered(song, corners, order, zero_phase), atol=3e-7)
