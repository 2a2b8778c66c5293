"""What benchmarks of whole programs share: one run's time and memory, a song, and this machine."""
import os
import subprocess
import sys
import time

import numpy as np
import soundfile

RATE = 44100

# Starts a command from a small process: the peak of memory of a started process counts what the one that starts it has.
LAUNCHER = """
import os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
errors = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.stderr.buffer.write(errors)
sys.exit(status != 0)
"""
# Features of a processor with products of bfloat16.
BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def processor():
    """Its name and its features."""
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    lines = {key.strip(): value.strip() for key, value in lines.items()}
    return lines.get("model name", "?"), set(lines.get("flags", "").split())


def measured(command, threads):
    """Seconds by the clock, of CPU, and the peak of memory in MiB."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    result = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return tuple(map(float, result.stdout.split()))


def register_with_unblend(venv, home, weights, config):
    """As the model "ours", once: unblend keeps models in its user's folder, which `home` is from now on."""
    os.environ["HOME"] = str(home)
    if not home.exists():
        home.mkdir()
        subprocess.run([venv / "bin/unblend", "models", "import", weights, "--config", config, "--name", "ours"], check=True,
                       capture_output=True)


def write_song(path, seconds):
    rng = np.random.default_rng(4)
    time_s = np.arange(int(RATE * seconds)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time_s + p) for f, p in [(110, 0), (331, 1), (2770, 2)])
    audio = 0.1 * np.stack([tones * np.sin(3 * time_s), tones]) + 0.05 * rng.standard_normal((2, len(time_s)))
    soundfile.write(path, audio.T.astype(np.float32), RATE, subtype="FLOAT")


def sgemm_gflops(threads):
    """What this machine's threads reach in one product of large float32 matrices, through LibTorch."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    torch.mm(a, b)
    best = min(timed(lambda: torch.mm(a, b)) for _ in range(5))
    return 2 * 2048**3 / best / 1e9


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
