"""What bench/precision_table.sh trains, runs and measures."""
import argparse
import contextlib
import pathlib
import statistics
import subprocess
import tempfile

import numpy as np
import soundfile
from whole_processes import BFLOAT16, measured, processor

STEMS = ["drums", "bass", "other", "vocals"]
THREADS = 2
MODELS = {
    "unet": "{name: unet, n_fft: 2048, hop: 1024, depth: 5}",
    "open_unmix": "{name: open_unmix, n_fft: 2048, hop: 1024, hidden_size: 128}",
    "demucs_v2": "{name: demucs_v2, channels: 12, depth: 5}",
    "hdemucs": "{name: hdemucs, channels: 12}",
    "htdemucs": "{name: htdemucs, channels: 12, bottom_channels: 96, t_layers: 3, dconv_mode: 3}",
    "scnet": "{name: scnet, dims: [4, 16, 32, 64], num_dplayer: 2}",
    "mdx23c": "{name: mdx23c, n_fft: 4096, dim_f: 2048, num_channels: 16, growth: 16, num_scales: 4}",
    "bs_roformer": "{name: bs_roformer, dim: 64, depth: 2, time_transformer_depth: 1, freq_transformer_depth: 1, heads: 4, dim_head: 16}",
    "mel_band_roformer": "{name: mel_band_roformer, dim: 64, depth: 2, time_transformer_depth: 1, freq_transformer_depth: 1, heads: 4, dim_head: 16, num_bands: 24, attn_dropout: 0, ff_dropout: 0}",
}
# Engine, precision, file, arguments; the first one is what the others are compared with.
RUNS = [
    ("onnxruntime", "float32", "model.onnx", []),
    ("onnxruntime", "float16 weights", "model.float16.onnx", []),
    ("onnxruntime", "int8", "model.int8.onnx", []),
    ("openvino", "float32", "model.onnx", []),
    ("openvino", "float16 weights", "model.float16.onnx", []),
    ("openvino", "int8", "model.int8.onnx", []),
    ("openvino", "bfloat16", "model.onnx", ["--precision", "bfloat16"]),
    ("torchscript", "float32", "model.ts", []),
]


def songs_in(folder):
    return sorted(path for path in (folder / "songs/test").iterdir())


def prepare(stemsmith, folder):
    if (folder / "cache.h5").exists():
        return
    stemsmith("synth", folder / "songs", "--songs", 12, "--seconds", 30, "--seed", 1, "--valid-songs", 1, "--test-songs", 2)
    stemsmith("prepare", "folders", folder / "songs", "--out", folder / "cache.h5")


def train(stemsmith, folder, name, steps):
    """Trains and exports; gives why files are not there."""
    config = folder / f"{name}.yaml"
    config.write_text(f"dataset: {{cache: '{folder / 'cache.h5'}', segment_seconds: 2.97}}\nmodel: {MODELS[name]}\n"
                      "augment: [{name: remix, probability: 0.5}, {name: shift, max_seconds: 1.0}]\n"
                      f"train: {{steps: {steps}, batch_size: 4, seed: 1}}\noptimizer: {{name: adam, lr: 2e-3}}\n"
                      "schedule: {name: cosine, warmup_steps: 10, final_ratio: 0.01}\ngradient_clip: 5\n"
                      f"validate: {{every_steps: {steps}, max_segments: 8}}\ncheckpoint: {{every_steps: {steps}}}\n")
    out = folder / name
    if not (out / "model.ts").exists():
        stemsmith("train", config, "--run", folder / f"{name}_run", "--threads", THREADS)
        stemsmith("export", folder / f"{name}_run", "--out", out)
    missing = {}
    for precision in ("float16", "int8"):
        if (out / f"model.{precision}.onnx").exists():
            continue
        result = subprocess.run([stemsmith.program, "export", folder / f"{name}_run", "--out", out, "--format", "onnx",
                                 "--precision", precision, "--check-song", songs_in(folder)[0] / "mixture.wav", "--quiet"],
                                capture_output=True, text=True)
        if result.returncode:
            missing[f"model.{precision}.onnx"] = result.stderr.strip().splitlines()[-1].removeprefix("error: ").split(" (")[0]
    return missing


class Stemsmith:
    def __init__(self, programs):
        self.program = programs / "stemsmith"

    def __call__(self, *arguments):
        subprocess.run([self.program, *map(str, arguments), "--quiet"], check=True)


def stems_of(folder, songs):
    """Song by song, [stems, frames, channels]."""
    return [np.stack([soundfile.read(folder / song.name / f"{stem}.wav")[0] for stem in STEMS]) for song in songs]


def ratio_db(signal, noise, axis=None):
    return 10 * np.log10(np.square(signal).sum(axis) / np.square(noise).sum(axis))


def sdr_db(songs, estimates):
    """[songs, stems], with no filter and no scaling; NaN where a stem is silent."""
    by_stem = (1, 2)
    truth = stems_of(songs[0].parent, songs)
    with np.errstate(divide="ignore", invalid="ignore"):
        sdr = np.stack([ratio_db(a, a - b, by_stem) for a, b in zip(truth, estimates)])
    return np.where(np.isfinite(sdr), sdr, np.nan)


def table(programs, folder, name, missing, turns, features):
    songs = songs_in(folder)
    mixtures = [song / "mixture.wav" for song in songs]
    reference = None
    for engine, precision, file, arguments in RUNS:
        title = f"{name:11s} {engine:12s} {precision:16s}"
        if precision == "bfloat16" and not features & BFLOAT16:
            print(f"{title} this processor has no such products", flush=True)
            continue
        if file in missing:
            print(f"{title} {missing[file]}", flush=True)
            continue
        out = folder / "stems" / name / engine / precision.split()[0]
        command = [programs / "separate", folder / name / file, *mixtures, "-o", out, "--engine", engine, *arguments,
                   "--threads", str(THREADS), "--bits", "32f", "--quiet"]
        measured(command, THREADS)  # what is kept from run to run is there
        runs = [measured(command, THREADS) for _ in range(turns)]
        wall, cpu, memory = (statistics.median(run[i] for run in runs) for i in range(3))
        stems = stems_of(out, songs)
        sdr = sdr_db(songs, stems)
        if reference is None:
            reference, reference_sdr = stems, sdr
            compared = "     –         –"
        else:
            snr = ratio_db(np.concatenate(reference, 1), np.concatenate(reference, 1) - np.concatenate(stems, 1))
            compared = f"{snr:6.1f} {np.nanmax(np.abs(sdr - reference_sdr)):9.4f}"
        spread = f"({min(run[0] for run in runs):.2f} to {max(run[0] for run in runs):.2f})"
        print(f"{title} {wall:6.2f} {spread:15s} {cpu:6.2f} {memory:7.0f} {np.nanmean(sdr):8.2f} {compared}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="the folder of our programs")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="(all)")
    parser.add_argument("--steps", type=int, default=200, help="of training (200)")
    parser.add_argument("--turns", type=int, default=3, help="of each program (3)")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder in which songs and models stay")
    arguments = parser.parse_args()
    stemsmith, (processor_name, features) = Stemsmith(arguments.bin), processor()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        prepare(stemsmith, folder)
        missing = {name: train(stemsmith, folder, name, arguments.steps) for name in arguments.models}
        print(f"{processor_name}, {THREADS} threads, medians of {arguments.turns} turns, {len(songs_in(folder))} songs of 30 s\n"
              f"{'model':11s} {'engine':12s} {'precision':16s} wall s (least to most)  CPU s  memory MiB  SDR dB  SNR dB  "
              "largest change of SDR")
        for name in arguments.models:
            table(arguments.bin, folder, name, missing[name], arguments.turns, features)


if __name__ == "__main__":
    main()
