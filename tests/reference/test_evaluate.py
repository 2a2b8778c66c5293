"""Figures of separation against museval 0.4.1 and mir_eval 0.8.2, and `stemsmith evaluate` in museval's own readers.

Every window of every figure lies within 0.01 dB, and is NaN where museval's is. Not counted are figures that are
museval's own rounding: those above 100 dB (ours must be, too), and those that museval itself changes by more than
0.001 dB when it gets the sources in reverse order or the channels swapped.
"""

import subprocess
import warnings

import mir_eval.separation
import museval
import numpy as np
import pytest
import scipy.signal
import soundfile
from metrics_probe import figures
from programs import run

NAMES = ["sdr", "isr", "sir", "sar"]
RATE = 8000  # of made audio: BSS eval knows frames alone


def voices(rng, sources, seconds, channels):
    """Music-like stems [S, T, C]: tones with envelopes, noise bursts, a bass; quantised to 16 bit."""
    time = np.arange(int(seconds * RATE)) / RATE
    stems = []
    for s in range(sources):
        beat = 0.25 * (1 + s % 3)
        envelope = np.exp(-6 * (time % beat) / beat)
        if s % 3 == 0:
            mono = scipy.signal.lfilter([1], [1, -0.7], rng.standard_normal(time.size)) * envelope
        else:
            pitch = 55 * 2 ** (rng.integers(0, 36) / 12)
            notes = 2 ** (np.floor(time / beat) % 5 / 12)
            mono = sum(np.sin(2 * np.pi * np.cumsum(pitch * notes * k) / RATE) / k for k in (1, 2, 3, 5)) * envelope
        pan = np.linspace(0.35, 0.75, channels) if s % 2 else np.linspace(0.8, 0.3, channels)
        room = np.stack([scipy.signal.lfilter(rng.standard_normal(40) * np.exp(-np.arange(40) / 8), [1], mono)
                         for _ in range(channels)], axis=1)
        stems.append(0.1 * (mono[:, None] * pan + 0.3 * room))
    return np.round(np.stack(stems) * 32768) / 32768


def separated(references, rng, leak=0.15, noise=0.01):
    mixture = references.sum(0)
    scale = np.sqrt(np.mean(references**2, axis=(1, 2), keepdims=True))
    estimates = 0.85 * references + leak * (mixture - references) + noise * scale * rng.standard_normal(references.shape)
    return np.round(estimates * 32768) / 32768


def aac(audio, folder):
    """[S, T, C] through AAC at 96 kbit/s, as 16 bit."""
    coded = []
    for stem in audio:
        soundfile.write(folder / "in.wav", stem, RATE, subtype="PCM_16")
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", folder / "in.wav", "-b:a", "96k", folder / "out.m4a"], check=True)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", folder / "out.m4a", "-c:a", "pcm_s16le", folder / "out.wav"],
                       check=True)
        decoded, _ = soundfile.read(folder / "out.wav", always_2d=True)
        coded.append(np.pad(decoded[:len(stem)], ((0, max(0, len(stem) - len(decoded))), (0, 0))))
    return np.stack(coded)


def change(kind, stems, folder):
    """What makes a case hard; [S, T, C]."""
    stems = stems.copy()
    if kind == "centred":
        stems[0] = stems[0, :, :1]
    elif kind == "hard_panned":
        stems[1, :, 0] = 0
    elif kind == "all_centred":
        stems[:] = stems[:, :, :1]
    elif kind == "opposite":
        stems[0, :, 1] = -stems[0, :, 0]
    elif kind == "opposite_in_part":
        stems[0, RATE:2 * RATE, 1] = -stems[0, RATE:2 * RATE, 0]
    elif kind == "silent_in_part":
        stems[-1, RATE // 2:3 * RATE // 2] = 0
    elif kind == "quiet_centred":
        stems[0] = np.round(stems[0, :, :1] * [0.7, 0.4] * 32768) / 32768
    elif kind == "low_passed":
        stems = np.round(scipy.signal.lfilter(scipy.signal.firwin(255, 0.6), [1], stems, axis=1) * 2**23) / 2**23
    elif kind == "aac":
        stems = aac(stems, folder)
    return stems


def museval_figures(references, estimates, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.stack(museval.metrics.bss_eval(references, estimates, **options)[:4])


def compare(references, estimates, exact=False, **options):
    """Returns how many figures were left out as museval's rounding. `exact`: there must be none but those above 100 dB."""
    references = references.astype("f4").astype(float)
    estimates = estimates.astype("f4").astype(float)
    theirs = museval_figures(references, estimates, **options)
    whole = options.get("window") == np.inf
    mine = figures(references, estimates, window=0 if whole else options["window"], hop=0 if whole else options["hop"],
                   filters_per_window=options.get("framewise_filters", False))
    ours = np.stack([mine[name] for name in NAMES])
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    high = theirs > 100
    assert np.all(ours[high] > 100)
    counted = np.isfinite(theirs) & ~high
    differs = ~(np.abs(np.where(counted, ours, 0) - np.where(counted, theirs, 0)) <= 0.01)
    if not differs.any():
        return 0
    reverse = museval_figures(references[::-1], estimates[::-1], **options)[:, ::-1]
    swapped = museval_figures(references[:, :, ::-1], estimates[:, :, ::-1], **options)
    rounding = (np.abs(reverse - theirs) > 0.001) | (np.abs(swapped - theirs) > 0.001)
    worst = np.abs(ours - theirs)[differs & ~rounding]
    assert not worst.size, f"{worst.max()} dB"
    assert not exact, f"{differs.sum()} figures are museval's rounding"
    return int(differs.sum())


# (sources, channels, seconds, window, hop, kind): windows and hops in frames, also of no round sizes.
CASES = [
    (2, 1, 3, 8000, 8000, "plain"), (2, 1, 3.4, 8000, 6000, "plain"), (3, 1, 2.5, 5001, 4999, "silent_in_part"),
    (4, 1, 2, 8000, 8000, "low_passed"), (5, 1, 2, 4000, 4000, "plain"), (2, 2, 3, 8000, 8000, "plain"),
    (2, 2, 3, 8000, 8000, "centred"), (2, 2, 3, 8000, 8000, "hard_panned"), (2, 2, 3, 8000, 8000, "all_centred"),
    (2, 2, 3, 8000, 8000, "quiet_centred"), (2, 2, 3, 8000, 8000, "opposite_in_part"), (2, 2, 3, 8000, 8000, "aac"),
    (2, 2, 3.3, 8000, 12000, "plain"), (2, 2, 1.6, 300, 300, "plain"), (2, 2, 2, np.inf, np.inf, "plain"),
    (3, 2, 2, 8000, 8000, "silent_in_part"), (2, 3, 2, 8000, 8000, "plain"), (1, 2, 3, 8000, 8000, "plain"),
]
SLOW = [
    (4, 2, 6, 8000, 8000, "plain"), (4, 2, 6, 8000, 8000, "centred"), (4, 2, 6, 8000, 8000, "hard_panned"),
    (4, 2, 6, 8000, 8000, "all_centred"), (4, 2, 6, 8000, 8000, "quiet_centred"), (4, 2, 6, 8000, 8000, "silent_in_part"),
    (4, 2, 6, 8000, 8000, "low_passed"), (4, 2, 6, 8000, 8000, "aac"), (4, 2, 6, 8000, 6000, "opposite_in_part"),
    (5, 2, 4, 8000, 8000, "plain"), (5, 2, 4, 8000, 8000, "centred"), (3, 2, 6, 16000, 12000, "aac"),
    (4, 1, 6, 8000, 8000, "aac"), (3, 1, 6, 8000, 8000, "low_passed"),
]


def identity(case):
    return "-".join(map(str, case))


def check_case(case, folder):
    sources, channels, seconds, window, hop, kind = case
    rng = np.random.default_rng(sum(map(ord, identity(case))))
    references = change(kind, voices(rng, sources, seconds, channels), folder)
    estimates = separated(references, rng)
    if kind == "aac":
        estimates = aac(estimates, folder)
    if kind == "silent_in_part":
        estimates[0, :RATE // 4] = 0
    compare(references, estimates, exact=True, window=window, hop=hop)


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_version_4_equals_museval(case, tmp_path):
    check_case(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW, ids=identity)
def test_version_4_equals_museval_for_many_stems(case, tmp_path):
    check_case(case, tmp_path)


@pytest.mark.parametrize("channels", [1, 2])
def test_noise_and_perfect_estimates(channels):
    rng = np.random.default_rng(channels)
    references = 0.1 * rng.standard_normal((2, 2 * RATE + 500, channels))
    compare(references, references + 0.02 * rng.standard_normal(references.shape), window=RATE, hop=RATE)
    # Whole songs, and songs of which the second half is perfect.
    compare(references, references, window=RATE, hop=RATE)
    estimates = references.copy()
    estimates[:, :RATE] += 0.02 * rng.standard_normal((2, RATE, channels))
    compare(references, estimates, window=RATE, hop=RATE)


def test_dependent_channels_are_left_out():
    rng = np.random.default_rng(5)
    references = voices(rng, 2, 2, 2)
    references[0] = references[0, :, :1]
    assert figures(references, separated(references, rng), window=RATE, hop=RATE)["dependent_channels"] == 1


def test_version_3_equals_museval_and_mir_eval():
    rng = np.random.default_rng(7)
    references = voices(rng, 2, 3.2, 2)
    estimates = separated(references, rng)
    compare(references, estimates, exact=True, window=RATE, hop=RATE, framewise_filters=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mir_eval.separation.bss_eval_images_framewise(references, estimates, window=RATE, hop=RATE)
    mine = figures(references, estimates, window=RATE, hop=RATE, filters_per_window=True)
    for name, values in zip(NAMES, theirs):
        np.testing.assert_allclose(mine[name], values, atol=0.01, rtol=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_order_of_estimates_is_found_as_by_mir_eval(channels):
    rng = np.random.default_rng(8)
    references = voices(rng, 3, 2, channels)
    estimates = separated(references, rng)[[2, 0, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        *theirs, order = mir_eval.separation.bss_eval_images(references, estimates)
    mine = figures(references, estimates, window=0, hop=0, filters_per_window=True, permute=True)
    assert mine["order"][0].tolist() == order.tolist() == [1, 2, 0]
    for name, values in zip(NAMES, theirs):
        np.testing.assert_allclose(mine[name][:, 0], values, atol=0.01, rtol=0)
    if channels == 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sdr, sir, sar, order = mir_eval.separation.bss_eval_sources(references[..., 0], estimates[..., 0])
        mine = figures(references, estimates, window=0, hop=0, filters_per_window=True, permute=True, sources_version=True)
        assert mine["order"][0].tolist() == order.tolist()
        for name, values in zip(["sdr", "sir", "sar"], [sdr, sir, sar]):
            np.testing.assert_allclose(mine[name][:, 0], values, atol=0.01, rtol=0)
        assert np.isnan(mine["isr"]).all()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two songs of three stereo stems as files, 3.4 s at 44.1 kHz."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(9)
    for song in ("first", "second"):
        references = voices(rng, 3, 3.4, 2)
        for side, audio in (("references", references), ("estimates", separated(references, rng))):
            (folder / side / "test" / song).mkdir(parents=True)
            for stem, samples in zip(("bass", "drums", "vocals"), audio):
                soundfile.write(folder / side / "test" / song / f"{stem}.wav", samples, RATE, subtype="PCM_16")
    return folder


def test_musevals_store_reads_our_files(folders, tmp_path):
    run("stemsmith", "evaluate", "--references", folders / "references", "--estimates", folders / "estimates", "--out",
        tmp_path, "--quiet")
    ours, theirs = museval.EvalStore(), museval.EvalStore()
    ours.add_eval_dir(tmp_path)
    for song in ("first", "second"):
        store = museval.TrackStore(win=1.0, hop=1.0, track_name=song)
        audio = {}
        for side in ("references", "estimates"):
            audio[side] = np.stack([soundfile.read(folders / side / "test" / song / f"{stem}.wav")[0]
                                    for stem in ("bass", "drums", "vocals")])
        values = museval.evaluate(audio["references"], audio["estimates"], win=RATE, hop=RATE)
        for s, stem in enumerate(("bass", "drums", "vocals")):
            store.add_target(stem, {name.upper(): value[s].tolist() for name, value in zip(NAMES, values)})
        theirs.add_track(store)
        assert (tmp_path / "test" / f"{song}.json").read_text().count('"time"') == 9
    frames = [store.df.sort_values(["track", "target", "metric", "time"]).score.astype(float).to_numpy()
              for store in (ours, theirs)]
    np.testing.assert_allclose(frames[0], frames[1], atol=2e-5, rtol=0)
    np.testing.assert_allclose(ours.agg_frames_tracks_scores(), theirs.agg_frames_tracks_scores(), atol=2e-5, rtol=0)


def mel_decibels(audio, top):
    """[C, T] → [C, 512, N], as bleed_full of Music-Source-Separation-Training takes them."""
    import librosa
    import torch
    spectrum = torch.stft(torch.from_numpy(audio), 4096, 1024, window=torch.hann_window(4096), pad_mode="constant",
                          return_complex=True).abs().numpy()
    mel = np.maximum(librosa.filters.mel(sr=44100, n_fft=4096, n_mels=512) @ spectrum, 1e-10)
    decibels = 20 * np.log10(mel)
    return np.maximum(decibels, decibels.max() - top)


@pytest.mark.parametrize("channels", [1, 2])
def test_metrics_of_whole_songs(channels):
    import torch
    rng = np.random.default_rng(10)
    references = voices(rng, 2, 4.3, channels).astype("f4")
    estimates = separated(references, rng).astype("f4")
    names = ["snr", "nsdr", "msst_sdr", "si_sdr", "lsd", "l1_db", "l1_freq", "bleedless", "fullness"]
    mine = figures(references, estimates, metrics=names, sample_rate_hz=44100)
    for s in range(2):
        r, e = references[s].T.astype(float), estimates[s].T.astype(float)
        signal, error = np.sum(r**2), np.sum((r - e)**2)
        scaled = r * np.sum(r * e) / signal
        spectra = [torch.stft(torch.from_numpy(audio.astype("f4")), 2048, 512, window=torch.hann_window(2048),
                              return_complex=True).abs().clamp(min=1e-5).numpy().astype(float) for audio in (r, e)]
        decibels = 20 * np.log10(spectra[0] / spectra[1])
        plain = [torch.stft(torch.from_numpy(audio.astype("f4")), 2048, 1024, window=torch.ones(2048),
                            return_complex=True).abs().numpy() for audio in (r, e)]
        difference = mel_decibels(e.astype("f4"), 80) - mel_decibels(r.astype("f4"), 80)
        expected = {
            "snr": 10 * np.log10(signal / error),
            "nsdr": 10 * np.log10((signal + 1e-7) / (error + 1e-7)),
            "msst_sdr": 10 * np.log10((signal + 1e-8) / (error + 1e-8)),
            "si_sdr": 10 * np.log10(np.sum(scaled**2) / np.sum((scaled - e)**2)),
            "lsd": np.mean(np.sqrt(np.mean(decibels**2, axis=1))),
            "l1_db": np.mean(np.abs(decibels)),
            "l1_freq": 100 / (1 + 10 * np.mean(np.abs(plain[0] - plain[1]))),
            "bleedless": 100 / (1 + np.mean(difference[difference > 0])),
            "fullness": 100 / (1 - np.mean(difference[difference < 0])),
        }
        for name in names:
            assert mine[name][s] == pytest.approx(expected[name], abs=2e-3), name
