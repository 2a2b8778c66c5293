"""What bench/separate.sh runs and measures: `separate` and Python's `demucs` on the same song with the same weights."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

import numpy as np
import soundfile
import torch
from demucs.htdemucs import HTDemucs

STEMS = ["drums", "bass", "other", "vocals"]
THREADS, RATE = 2, 44100


def write_package(path):
    torch.manual_seed(3)
    model = HTDemucs(STEMS, bottom_channels=512, dconv_mode=3, t_dropout=0.02, segment=Fraction(39, 5))
    with torch.no_grad():
        for parameter in model.parameters():  # fresh residual branches would add next to nothing
            parameter += 0.01 * torch.randn_like(parameter)
    arguments, options = model._init_args_kwargs
    torch.save({"klass": HTDemucs, "args": arguments, "kwargs": options, "state": model.state_dict(),
                "training_args": {}}, path)
    return sum(parameter.numel() for parameter in model.parameters())


def write_song(path, seconds):
    rng = np.random.default_rng(4)
    time_s = np.arange(int(RATE * seconds)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time_s + p) for f, p in [(110, 0), (331, 1), (2770, 2)])
    audio = 0.1 * np.stack([tones * np.sin(3 * time_s), tones]) + 0.05 * rng.standard_normal((2, len(time_s)))
    soundfile.write(path, audio.T.astype(np.float32), RATE, subtype="FLOAT")


def measured(command):
    """Seconds by the clock, of CPU, and the peak of memory in MiB."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS))
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    assert status == 0, errors
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def largest_difference(ours, peer):
    pairs = [(soundfile.read(ours / f"{stem}.wav")[0], soundfile.read(peer / f"{stem}.wav")[0]) for stem in STEMS]
    return max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(b).max() for _, b in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="the folder of our programs")
    parser.add_argument("--seconds", type=float, default=60, help="of the song (60)")
    parser.add_argument("--turns", type=int, default=3, help="of each of the two (3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "repo").mkdir()
        parameters = write_package(folder / "repo/sig.th")
        write_song(folder / "song.wav", arguments.seconds)
        for command in (["import", folder / "repo/sig.th", "--out", folder / "imported"],
                        ["export", folder / "imported/sig.safetensors", "--out", folder, "--format", "onnx"]):
            subprocess.run([arguments.bin / "stemsmith", *command, "--quiet"], check=True)
        ours = [arguments.bin / "separate", folder / "model.onnx", folder / "song.wav", "-o", folder / "ours", "--bits",
                "32f", "--threads", str(THREADS), "--quiet"]
        peer = [sys.executable, "-m", "demucs", "--repo", folder / "repo", "-n", "sig", "--shifts", "0", "--float32",
                "--clip-mode", "none", "-d", "cpu", "-o", folder / "peer", folder / "song.wav"]
        turns = []
        for turn in range(arguments.turns):
            if turn % 2:
                second = measured(peer)
                turns.append((measured(ours), second))
            else:
                turns.append((measured(ours), measured(peer)))
        difference = largest_difference(folder / "ours/song", folder / "peer/sig/song")
    print(f"HTDemucs, {parameters / 1e6:.1f} million parameters, a song of {arguments.seconds:g} s, {THREADS} threads, "
          f"{arguments.turns} turns, medians")
    print("                     wall (s)   CPU (s)   peak memory (MiB)")
    for index, what in enumerate(("separate, ONNX", "Python's demucs")):
        wall, cpu, memory = (statistics.median(turn[index][i] for turn in turns) for i in range(3))
        print(f"{what:18s} {wall:10.1f} {cpu:9.1f} {memory:15.0f}")
    ratios = [[them[i] / us[i] for us, them in turns] for i in range(3)]
    print(f"{'Python / ours':18s} " + " ".join(f"{statistics.median(values):9.2f}" for values in ratios) +
          f"   (wall {min(ratios[0]):.2f} … {max(ratios[0]):.2f})")
    print(f"largest difference of the stems: {difference:.1e} of the peak")


if __name__ == "__main__":
    main()
