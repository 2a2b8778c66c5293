"""Parts of the classical methods beside those that librosa, scikit-learn and SciPy have."""

import os

import librosa
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import sklearn.decomposition
import sklearn.ensemble
import sklearn.metrics
import soundfile
from programs import BIN, run

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


def hpss_repet(channel, mean, neighbours):
    """The method of one channel with librosa's parts; `mean` are the magnitudes that similarity is measured by."""
    spectrum = librosa.stft(channel, n_fft=4096, hop_length=1024)
    magnitudes = np.abs(spectrum)
    harmonic, percussive = librosa.decompose.hpss(magnitudes, kernel_size=17, mask=True)
    nearest = librosa.segment.recurrence_matrix(
        mean, k=neighbours, width=RATE // 1024, metric="cosine", sparse=True, mode="distance"
    )
    repeating = np.minimum(librosa.decompose.nn_filter(magnitudes, rec=nearest, aggregate=np.median), magnitudes)
    foreground = librosa.util.softmask(magnitudes - repeating, repeating, power=2, split_zeros=True)
    below = 1 / (1 + (librosa.fft_frequencies(sr=RATE, n_fft=4096) / 200) ** 8)[:, np.newaxis]
    vocals = (1 - below) * foreground
    masks = {
        "vocals": vocals,
        "drums": percussive * (1 - vocals),
        "bass": harmonic * below,
        "other": harmonic * (1 - below - vocals),
    }
    return {
        stem: librosa.istft(mask * spectrum, hop_length=1024, n_fft=4096, length=len(channel))
        for stem, mask in masks.items()
    }


def test_hpss_repet(tmp_path, song):
    stereo = np.stack([song, 0.5 * np.roll(song, 300)], axis=1)
    soundfile.write(tmp_path / "song.wav", stereo, RATE, subtype="FLOAT")
    run(
        "stemsmith", "baseline", "hpss_repet", tmp_path / "song.wav", "-o", tmp_path / "out", "--bits", "32f",
        "--set", "neighbours=30",
    )  # fmt: skip
    mean = np.mean([np.abs(librosa.stft(c, n_fft=4096, hop_length=1024)) for c in stereo.T], axis=0)
    theirs = [hpss_repet(np.ascontiguousarray(channel), mean, 30) for channel in stereo.T]
    for stem in ("drums", "bass", "other", "vocals"):
        ours, _ = soundfile.read(tmp_path / "out/song" / f"{stem}.wav", dtype="float32")
        wanted = np.stack([channel[stem] for channel in theirs], axis=1)
        # Frames as similar but for rounding may be other neighbours; their medians hardly differ.
        assert np.linalg.norm(ours - wanted) < 1e-3 * np.linalg.norm(wanted)


@pytest.mark.parametrize("divergence", ["frobenius", "kullback-leibler", "itakura-saito"])
def test_nmf(tmp_path, magnitudes, divergence):
    """The same updates as scikit-learn's from the same beginning: 30 of them, with zeros in the matrix."""
    matrix = np.ascontiguousarray(magnitudes.T[:300])
    matrix[:, :3] = 0
    matrix[17] = 0
    if divergence == "itakura-saito":
        matrix += 1e-3  # of zeros it is infinite
    random = np.random.default_rng(1)
    frames, bins = matrix.shape
    activations = random.random((frames, 12), dtype=np.float32) + 0.01
    spectra = random.random((12, bins), dtype=np.float32) + 0.01
    theirs = sklearn.decomposition.non_negative_factorization(
        matrix, W=activations.copy(), H=spectra.copy(), n_components=12, init="custom", solver="mu",
        beta_loss=divergence, max_iter=30, tol=0,
    )  # fmt: skip
    ours = probe(
        tmp_path, "nmf", [divergence, bins, 12, 30], [matrix, activations, spectra],
        [(activations.shape, np.float32), (spectra.shape, np.float32)],
    )  # fmt: skip
    # Both compute in float32, in different orders; what is small in a factor is the difference of what is large.
    for mine, original in zip(ours, theirs):
        assert np.abs(mine - original).max() < 1e-3 * original.max()
    product, wanted = ours[0] @ ours[1], theirs[0] @ theirs[1]
    assert np.linalg.norm(product - wanted) < 1e-4 * np.linalg.norm(wanted)


@pytest.mark.parametrize("n_fft, hop", [(2048, 512), (4096, 1024)])
def test_features(tmp_path, song, n_fft, hop):
    """What the forest looks at, beside librosa's features of the same windows."""
    frames = 1 + len(song) // hop
    (ours,) = probe(tmp_path, "features", [RATE, n_fft, hop], [song], [((frames, 24), np.float32)])
    spectrum = np.abs(librosa.stft(song, n_fft=n_fft, hop_length=hop))
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=RATE, n_fft=n_fft)
    # Without the limit of 80 dB below the loudest frame, which a part of a song does not know.
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), sr=RATE, n_mfcc=20)
    np.testing.assert_allclose(ours[:, :20].T, mfcc, atol=0.01)  # of values up to 1000
    theirs = [
        librosa.feature.spectral_centroid(S=spectrum, sr=RATE, n_fft=n_fft)[0],
        librosa.feature.spectral_bandwidth(S=spectrum, sr=RATE, n_fft=n_fft)[0],
    ]
    for column, wanted in zip((20, 21), theirs):
        np.testing.assert_allclose(ours[:, column], wanted, rtol=1e-4)
    # The roll-off is the frequency of a bin: another one only where the sum is at the limit but for rounding.
    rolloff = librosa.feature.spectral_rolloff(S=spectrum, sr=RATE, n_fft=n_fft)[0]
    assert np.mean(np.abs(ours[:, 22] - rolloff) < 0.01) > 0.99
    np.testing.assert_allclose(ours[:, 22], rolloff, atol=1.01 * RATE / n_fft)
    crossings = librosa.feature.zero_crossing_rate(song, frame_length=n_fft, hop_length=hop)[0]
    np.testing.assert_allclose(ours[:, 23], crossings, atol=1e-6)


@pytest.mark.skipif(not os.path.exists(os.path.join(BIN, "../lib/libstemsmith_opencv.so")), reason="built without OpenCV")
def test_forest(tmp_path):
    """As good as scikit-learn's forest with the same settings, on samples that neither has seen."""
    random = np.random.default_rng(3)
    rows = random.standard_normal((6000, 6)).astype(np.float32)
    targets = np.sin(rows).sum(axis=1) + 0.5 * rows[:, 0] * rows[:, 1] + 0.1 * random.standard_normal(len(rows))
    targets = targets.astype(np.float32)
    seen, unseen = slice(0, 4000), slice(4000, None)
    (ours,) = probe(
        tmp_path, "forest", [6, 100, 16, 5], [rows[seen], targets[seen], rows[unseen]], [((2000,), np.float32)]
    )
    theirs = sklearn.ensemble.RandomForestRegressor(
        100, max_depth=16, min_samples_split=10, max_features="sqrt", random_state=1
    ).fit(rows[seen], targets[seen])
    quality, original = (sklearn.metrics.r2_score(targets[unseen], a) for a in (ours, theirs.predict(rows[unseen])))
    # Other draws move scikit-learn's own by 0.004.
    assert abs(quality - original) < 0.015, (quality, original)


@pytest.fixture(scope="module")
def demo_songs(tmp_path_factory):
    """Folders of songs as `stemsmith synth` makes them."""
    folder = tmp_path_factory.mktemp("demo")
    run("stemsmith", "synth", folder / "songs", "--songs", 2, "--seconds", 8, "--seed", 5, "--layout", "folders")
    return [path.parent for path in sorted((folder / "songs").rglob("mixture.wav"))]


def sdr(reference, estimate):
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2))


def check_quality(name, folder, out, theirs):
    """Ours of the method `name` and theirs, {stem: [T, C]}, separate as well as each other."""
    run("stemsmith", "baseline", name, folder / "mixture.wav", "-o", out, "--bits", "32f")
    for stem, estimate in theirs.items():
        reference, _ = soundfile.read(folder / f"{stem}.wav")
        ours, _ = soundfile.read(out / folder.name / f"{stem}.wav")
        if np.any(reference):
            quality, original = sdr(reference, ours), sdr(reference, estimate)
            assert abs(quality - original) < 0.01, (folder.name, stem)  # found were 3e-6


def test_hpss_repet_of_demo_songs(tmp_path, demo_songs):
    for folder in demo_songs:
        mixture, _ = soundfile.read(folder / "mixture.wav", dtype="float32")
        mean = np.mean([np.abs(librosa.stft(c, n_fft=4096, hop_length=1024)) for c in mixture.T], axis=0)
        channels = [hpss_repet(np.ascontiguousarray(c), mean, 100) for c in mixture.T]
        theirs = {stem: np.stack([c[stem] for c in channels], axis=1) for stem in channels[0]}
        check_quality("hpss_repet", folder, tmp_path, theirs)


def peak_share(values):
    return np.maximum(values - scipy.ndimage.median_filter(values, 17, mode="reflect"), 0).sum() / values.sum()


def stem_of(activations, spectrum):
    """Which stem a component belongs to, by the settings that are shipped."""
    if peak_share(activations) > peak_share(spectrum):
        return "drums"
    hz = librosa.fft_frequencies(sr=RATE, n_fft=4096)
    power = spectrum.astype(float) ** 2
    if power[hz <= 200].sum() > 0.5 * power.sum():
        return "bass"
    return "vocals" if 300 <= (power * hz).sum() / power.sum() <= 3000 else "other"


def test_nmf_of_demo_songs(tmp_path, demo_songs):
    """The method with scikit-learn's updates, from the same beginning."""
    for folder in demo_songs:
        mixture, _ = soundfile.read(folder / "mixture.wav", dtype="float32")
        spectra = np.stack([librosa.stft(np.ascontiguousarray(c), n_fft=4096, hop_length=1024) for c in mixture.T])
        matrix = np.ascontiguousarray(np.abs(spectra).mean(axis=0).T)
        frames, bins = matrix.shape
        begin, notes = probe(
            tmp_path, "beginning", [1, bins, 40], [matrix], [((frames, 40), np.float32), ((40, bins), np.float32)]
        )
        begin, notes, _ = sklearn.decomposition.non_negative_factorization(
            matrix, W=begin, H=notes, n_components=40, init="custom", solver="mu", beta_loss="kullback-leibler",
            max_iter=100, tol=0,
        )  # fmt: skip
        names = np.array([stem_of(begin[:, k], notes[k]) for k in range(40)])
        parts = {
            stem: (begin[:, names == stem] @ notes[names == stem]) ** 2 for stem in ("drums", "bass", "other", "vocals")
        }
        total = np.maximum(sum(parts.values()), np.finfo(np.float32).tiny)
        theirs = {}
        for stem, part in parts.items():
            channels = [
                librosa.istft((part / total).T * s, hop_length=1024, n_fft=4096, length=len(mixture)) for s in spectra
            ]
            theirs[stem] = np.stack(channels, axis=1)
        check_quality("nmf", folder, tmp_path, theirs)


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
