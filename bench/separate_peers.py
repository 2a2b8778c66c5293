"""What bench/separate.sh runs and measures: `separate` and programs in Python on the same songs with the same weights."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction

import numpy as np
import soundfile
import torch
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch.utils.flop_counter import FlopCounterMode
from whole_processes import BFLOAT16, RATE, measured, processor, register_with_unblend, sgemm_gflops, write_song

STEMS = ["drums", "bass", "other", "vocals"]
THREADS = 2
# As published: the sizes of htdemucs and of hdemucs_mmi; of demucs the default.
MODELS = {
    "htdemucs": lambda: HTDemucs(STEMS, bottom_channels=512, dconv_mode=3, t_dropout=0.02, segment=Fraction(39, 5)),
    "hdemucs": lambda: HDemucs(STEMS, channels=48, hybrid_old=False, segment=44),
    "demucs": lambda: Demucs(STEMS, segment=44),
}
# Beside the default: arguments of `separate`, and the feature of the processor that they need.
ENGINES = {
    "onnxruntime": (["--engine", "onnxruntime"], None),
    "openvino": (["--engine", "openvino"], None),
    "openvino bfloat16": (["--engine", "openvino", "--precision", "bfloat16"], BFLOAT16),
}


def write_package(name, path):
    """Random weights whose residual branches count: fresh ones would add next to nothing."""
    torch.manual_seed(3)
    model = MODELS[name]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter += 0.01 * torch.randn_like(parameter)
            if name.endswith(".scale"):
                parameter += 0.3
    arguments, options = model._init_args_kwargs
    torch.save({"klass": type(model), "args": arguments, "kwargs": options, "state": model.state_dict(),
                "training_args": {}}, path)
    return model.eval()


def gflop_per_segment(model):
    """As torch counts them: products and convolutions, no Fourier transforms."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 2, int(model.segment * RATE)))
    return counter.get_total_flops() / 1e9


def signal_to_difference_db(ours, peer):
    """Of all stems together, the peer's being the signal; and the largest difference as a share of the peak."""
    pairs = [(soundfile.read(ours / f"{stem}.wav")[0], soundfile.read(peer / f"{stem}.wav")[0]) for stem in STEMS]
    signal = sum(np.square(b).sum() for _, b in pairs)
    noise = sum(np.square(a - b).sum() for a, b in pairs)
    peak = max(np.abs(b).max() for _, b in pairs)
    return 10 * np.log10(signal / noise), max(np.abs(a - b).max() for a, b in pairs) / peak


def write_for_unblend(network, folder):
    """The weights by themselves, and a configuration as other programs have one."""
    weights, config = folder / "weights.pt", folder / "config.yaml"
    torch.save(network.state_dict(), weights)
    options = {"channels": network.channels, "bottom_channels": network.bottom_channels, "dconv_mode": 3}
    config.write_text(json.dumps({  # JSON is YAML
        "model": "htdemucs", "htdemucs": options,
        "training": {"instruments": STEMS, "samplerate": RATE, "segment": float(network.segment)}}))
    return weights, config


class Bench:
    def __init__(self, programs, folder, model, turns, unblend):
        self.folder, self.turns, self.bin = folder, turns, programs
        self.unblend = unblend if model == "htdemucs" else None  # it has no HDemucs
        self.repo = folder / f"{model}_repo"
        self.repo.mkdir()
        network = write_package(model, self.repo / "sig.th")
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.gflop, self.segment_s = gflop_per_segment(network), float(network.segment)
        for command in (["import", self.repo / "sig.th", "--out", folder / f"{model}_imported"],
                        ["export", folder / f"{model}_imported/sig.safetensors", "--out", folder / model, "--format",
                         "onnx"]):
            subprocess.run([programs / "stemsmith", *command, "--quiet"], check=True)
        self.model = folder / model / "model.onnx"
        if self.unblend:
            register_with_unblend(self.unblend, folder / "unblend", *write_for_unblend(network, folder))

    def ours(self, name, songs):
        return [self.bin / "separate", self.model, *songs, "-o", self.folder / "ours" / name, "--bits", "32f", "--threads",
                str(THREADS), "--quiet", *ENGINES[name][0]]

    def peers(self, songs):
        commands = {"demucs": [sys.executable, "-m", "demucs", "--repo", self.repo, "-n", "sig", "--shifts", "0", "--float32",
                               "--clip-mode", "none", "-d", "cpu", "-o", self.folder / "peer", *songs]}
        if self.unblend:
            commands["unblend"] = [self.unblend / "bin/unblend", "separate", *songs, "--model", "ours", "--device", "cpu", "--shifts",
                                   "0", "--clip-mode", "none", "--output", self.folder / "unblend_stems/{track}/{stem}.{ext}"]
        return commands

    def compare(self, what, songs, engines):
        """In turns: each gives a ratio, so that what slows the machine down for a while slows both."""
        peers = self.peers(songs)
        commands = {**peers, **{name: self.ours(name, songs) for name in engines}}
        for name in engines:  # what is kept from run to run is there, as it is for the second song of a user
            measured(self.ours(name, songs[:1]), THREADS)
        turns = []
        for turn in range(self.turns):
            order = list(commands) if turn % 2 == 0 else list(reversed(commands))
            figures = {name: measured(commands[name], THREADS) for name in order}
            turns.append(figures)
        print(f"\n{what}")
        print(f"{'':20s} wall (s)  CPU (s)  memory (MiB)   demucs / this: wall (least to most)    CPU  memory"
              "   SNR (dB)  largest")
        for name in commands:
            wall, cpu, memory = (statistics.median(turn[name][i] for turn in turns) for i in range(3))
            line = f"{name:20s} {wall:8.2f} {cpu:8.2f} {memory:13.0f}"
            if name != "demucs":
                ratios = [[turn["demucs"][i] / turn[name][i] for turn in turns] for i in range(3)]
                line += (f"   {statistics.median(ratios[0]):10.2f}   ({min(ratios[0]):5.2f} to {max(ratios[0]):5.2f})"
                         f"          {statistics.median(ratios[1]):6.2f}  {statistics.median(ratios[2]):6.2f}")
            if name in engines:
                snr, largest = signal_to_difference_db(self.folder / "ours" / name / songs[0].stem,
                                                       self.folder / "peer" / "sig" / songs[0].stem)
                line += f"   {snr:8.1f}  {largest:.1e}"
                if self.unblend:
                    walls, memories = ([turn["unblend"][i] / turn[name][i] for turn in turns] for i in (0, 2))
                    line += (f"   unblend {statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}), "
                             f"{statistics.median(memories):.2f}")
            print(line, flush=True)
        return {name: statistics.median(turn[name][0] for turn in turns) for name in commands}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="the folder of our programs")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60, 240], help="of the songs (60 240)")
    parser.add_argument("--turns", type=int, default=3, help="of each program (3)")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="(all)")
    parser.add_argument("--unblend", type=pathlib.Path, help="a virtual environment with unblend 1.0.0, for htdemucs")
    parser.add_argument("--files", type=int, default=100, help="of one second, in one call (100)")
    arguments = parser.parse_args()
    name, features = processor()
    engines = [engine for engine, (_, needs) in ENGINES.items() if needs is None or features & needs]
    gemm = sgemm_gflops(THREADS)
    print(f"{name}, {THREADS} threads, {arguments.turns} turns, medians; sgemm: {gemm:.0f} GFLOP/s; not here: "
          f"{', '.join(set(ENGINES) - set(engines)) or 'nothing'}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for model in arguments.models:
            bench = Bench(arguments.bin, folder, model, arguments.turns, arguments.unblend)
            title = f"{model}, {bench.parameters / 1e6:.1f} million parameters"
            for seconds in arguments.seconds:
                song = folder / f"song{seconds:g}.wav"
                write_song(song, seconds)
                walls = bench.compare(f"{title}: a song of {seconds:g} s", [song], engines)
                gflop = bench.gflop * math.ceil(seconds / (0.75 * bench.segment_s))
                print("share of sgemm: " + ", ".join(
                    f"{engine} {100 * gflop / wall / gemm:.0f} %" for engine, wall in walls.items()))
            if model == arguments.models[0]:
                write_song(folder / "second.wav", 1)
                bench.compare(f"{title}: one second, from start to finish", [folder / "second.wav"], engines)
                many = [folder / "many" / f"s{index:04d}.wav" for index in range(arguments.files)]
                (folder / "many").mkdir()
                for path in many:
                    write_song(path, 1)
                bench.turns = 1
                if many:
                    bench.compare(f"{title}: {arguments.files} files of one second in one call", many, engines)


if __name__ == "__main__":
    main()
