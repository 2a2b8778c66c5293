"""Runs bench/baselines.sh: librosa and scikit-learn beside `baseline_probe`, whose path is the argument."""

import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import librosa
import numpy as np
from sklearn.decomposition import non_negative_factorization

TURNS = 3
COMPONENTS = 30


def probe(*words):
    return float(subprocess.run([sys.argv[1], *map(str, words)], capture_output=True, text=True, check=True).stdout)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(name, ours, theirs):
    """Both give the seconds of a turn."""
    turns = [(ours(), theirs()) for _ in range(TURNS)]
    mine, peer = (min(times) for times in zip(*turns))
    print(f"{name:28s} {1000 * mine:9.1f} ms {1000 * peer:9.1f} ms   {peer / mine:5.2f} x", flush=True)


def main():
    warnings.filterwarnings("ignore")  # of scikit-learn, that it has not converged
    random = np.random.default_rng(1)
    noise = random.standard_normal(60 * 44100).astype(np.float32)
    magnitudes = np.abs(librosa.stft(noise, n_fft=2048, hop_length=512))
    frames = np.ascontiguousarray(magnitudes.T)
    bins = frames.shape[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        frames.tofile(folder / "v")
        print(f"{'':28s} {'stemsmith':>12s} {'Python':>12s}")
        librosa.decompose.hpss(magnitudes[:, :50])
        for size in (17, 31):
            row(
                f"HPSS, {size} x {size}",
                lambda: probe("hpss", bins, size, size, 2, folder / "v", folder / "mask"),
                lambda: timed(lambda: librosa.decompose.hpss(magnitudes, kernel_size=size, mask=True)),
            )
        activations = random.random((len(frames), COMPONENTS), dtype=np.float32) + 0.01
        spectra = random.random((COMPONENTS, bins), dtype=np.float32) + 0.01
        activations.tofile(folder / "h")
        spectra.tofile(folder / "w")
        for divergence in ("frobenius", "kullback-leibler", "itakura-saito"):

            def ours(iterations):
                files = [folder / file for file in ("v", "h", "w", "h_out", "w_out")]
                return probe("nmf", divergence, bins, COMPONENTS, iterations, *files)

            def theirs(iterations):
                return timed(
                    lambda: non_negative_factorization(
                        frames, W=activations.copy(), H=spectra.copy(), n_components=COMPONENTS, init="custom",
                        solver="mu", beta_loss=divergence, max_iter=iterations, tol=0,
                    )
                )  # fmt: skip

            # Without what is done once.
            row(f"NMF, {divergence}", lambda: (ours(22) - ours(2)) / 20, lambda: (theirs(22) - theirs(2)) / 20)


main()
