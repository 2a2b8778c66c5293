"""bench/evaluate.sh: BSS eval 4 by metrics_probe and by museval on the same stems.

evaluate_peers.py FOLDER PROBE    FOLDER/songs holds a song of synth
evaluate_peers.py museval FILE    one run of museval, in a process of its own
"""

import json
import pathlib
import subprocess
import sys
import time
import warnings

import numpy as np
import soundfile

RATE, SOURCES, CHANNELS = 44100, 4, 2
TURNS = 2


def load(path):
    planar = np.fromfile(path, "<f4").reshape(2, SOURCES, CHANNELS, -1).astype(float)
    return np.moveaxis(planar, 2, 3)  # [side, S, T, C]


def save(path, references, estimates):
    np.moveaxis(np.stack([references, estimates]), 3, 2).astype("<f4").tofile(path)


def separated(references, rng):
    mixture = references.sum(0)
    level = np.sqrt(np.mean(references**2, axis=(1, 2), keepdims=True))
    return 0.8 * references + 0.1 * (mixture - references) + 0.02 * level * rng.standard_normal(references.shape)


def run(command, job=None):
    """Seconds of the computation, MiB of the process at its most, and what it printed."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if job is not None:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    memory = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    process.stdin.close()
    process.wait()
    return answer["seconds"], memory, answer


def by_museval(path):
    import museval

    references, estimates = load(path)
    started = time.perf_counter()
    figures = museval.metrics.bss_eval(references, estimates, window=RATE, hop=RATE)
    answer = {"seconds": time.perf_counter() - started, "sdr": np.nan_to_num(figures[0]).tolist(),
              "sar": np.nan_to_num(figures[3]).tolist()}
    print(json.dumps(answer), flush=True)
    sys.stdin.read()  # until its memory was looked at


def job(path, frames):
    return {"file": str(path), "sources": SOURCES, "channels": CHANNELS, "frames": frames, "window": RATE, "hop": RATE}


def main(folder, probe):
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((SOURCES, 30 * RATE, CHANNELS))
    song = next(folder.glob("songs/*/*"))
    music = np.stack([soundfile.read(song / f"{stem}.wav")[0] for stem in ("bass", "drums", "other", "vocals")])
    music[0, :, 1] = music[0, :, 0]
    music[3, 5 * RATE:12 * RATE] = 0
    print(f"{'30 s, 4 stereo stems':34} {'museval':>9} {'ours':>7} {'ratio':>6}   memory of both, MiB")
    for name, references in (("noise-like", noise), ("a song, one stem exactly centred", music)):
        path = folder / "stems.raw"
        estimates = separated(references, rng)
        estimates[references == 0] = 0
        save(path, references, estimates)
        theirs, ours = [], []
        for _ in range(TURNS):
            ours += [run([probe], job(path, references.shape[1])) for _ in range(3)]
            theirs.append(run([sys.executable, "-W", "ignore", __file__, "museval", path]))
        for figure in ("sdr", "sar"):
            mine = np.nan_to_num(np.array(ours[0][2][figure], dtype=float))
            assert np.abs(mine - np.array(theirs[0][2][figure])).max() < 0.01, figure
        a, b = min(theirs)[0], min(ours)[0]
        print(f"{name:34} {a:8.2f}s {b:6.3f}s {a / b:6.1f}   {theirs[0][1]:.0f} and {ours[0][1]:.0f}", flush=True)
    print(f"\n{'minutes':>7} {'ours':>8} {'of a minute':>12} {'MiB':>6}")
    for minutes in (1, 2, 4, 8, 10):
        with open(folder / "long.raw", "wb") as file:
            for side in range(2):
                for channel in range(SOURCES * CHANNELS):
                    stem = np.random.default_rng(channel)
                    for _ in range(minutes):
                        minute = 0.1 * stem.standard_normal(60 * RATE, "f4")
                        if side:
                            minute += 0.02 * rng.standard_normal(60 * RATE, "f4")
                        minute.tofile(file)
        seconds, memory, _ = run([probe], job(folder / "long.raw", minutes * 60 * RATE))
        print(f"{minutes:7} {seconds:7.2f}s {seconds / minutes:11.2f}s {memory:6.0f}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "museval":
        by_museval(sys.argv[2])
    else:
        main(pathlib.Path(sys.argv[1]), sys.argv[2])
