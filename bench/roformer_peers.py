"""What bench/roformer.sh runs and measures: `separate` and packages for Python on the same song with the same weights."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from whole_processes import BFLOAT16, RATE, measured, processor, register_with_unblend, sgemm_gflops, write_song

THREADS = 2
ROFORMERS = pathlib.Path(__file__).resolve().parent.parent / ".deps/roformer"
ROFORMER = {"stereo": True, "num_stems": 1, "time_transformer_depth": 1, "freq_transformer_depth": 1, "dim_head": 64, "heads": 8,
            "attn_dropout": 0, "ff_dropout": 0, "flash_attn": True, "dim_freqs_in": 1025, "stft_n_fft": 2048,
            "stft_hop_length": 441, "stft_win_length": 2048, "stft_normalized": False, "mask_estimator_depth": 2}
# As published: what writes the weights (module, class, what only it wants) and its package, the options and frames of a chunk.
# Kim's vocals, the usual band-split model, SCNet's own defaults.
MODELS = {
    "mel_band_roformer": ("melband-roformer-infer==0.1.5", "mel_band_roformer", "MelBandRoformer", {},
                          ROFORMER | {"dim": 384, "depth": 6, "num_bands": 60, "sample_rate": RATE}, 352800),
    "bs_roformer": ("bs-roformer-infer==0.1.5", "bs_roformer", "BSRoformer", {}, ROFORMER | {"dim": 256, "depth": 12}, 352800),
    "scnet": ("", "unblend.scnet", "SCNet", {"audio_channels": 2},
              {"sources": ["drums", "bass", "other", "vocals"], "dims": [4, 32, 64, 128], "nfft": 4096, "hop_size": 1024,
               "win_size": 4096, "normalized": True, "band_SR": [0.175, 0.392, 0.433], "band_stride": [1, 4, 16],
               "band_kernel": [3, 4, 16], "conv_depths": [3, 2, 1], "compress": 4, "conv_kernel": 3, "num_dplayer": 6,
               "expand": 1}, 485100),
}
ENGINES = {
    "onnxruntime": (["--engine", "onnxruntime"], None),
    "openvino": (["--engine", "openvino"], None),
    "openvino bfloat16": (["--engine", "openvino", "--precision", "bfloat16"], BFLOAT16),
}
# Writes the weights; prints millions of parameters and GFLOP of a chunk: products and convolutions, no Fourier transforms.
WRITE = """
import sys, importlib, json, torch
from torch.utils.flop_counter import FlopCounterMode
module, name, options, path, chunk = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4], int(sys.argv[5])
torch.manual_seed(3)
model = getattr(importlib.import_module(module), name)(**options).eval()
with torch.no_grad():
    for key, parameter in model.named_parameters():
        if not key.endswith("freqs"):
            parameter += 0.01 * torch.randn_like(parameter)
    torch.save(model.state_dict(), path)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 2, chunk))
print(sum(p.numel() for p in model.parameters()) / 1e6, counter.get_total_flops() / 1e9)
"""
PEER = """
import sys, importlib, torch
torch.set_num_threads(int(sys.argv[2]))
importlib.import_module(sys.argv[1] + ".inference").proc_folder(
    ["--model_path", sys.argv[3], "--config_path", sys.argv[4], "--input_folder", sys.argv[5], "--store_dir", sys.argv[6],
     "--device", "cpu"])
"""


def python(package, code, *arguments):
    paths = [str(ROFORMERS / "common"), str(ROFORMERS / package)]
    return [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}\n" + code, *map(str, arguments)]


def config_of(options, chunk, overlap):
    """The configuration that lies beside the weights; JSON is YAML."""
    stems = {"instruments": options["sources"]} if "sources" in options else {"instruments": ["vocals", "other"],
                                                                              "target_instrument": "vocals"}
    hop = options.get("hop_size", options.get("stft_hop_length"))
    return json.dumps({
        "audio": {"chunk_size": chunk, "hop_length": hop, "n_fft": 2048, "num_channels": 2, "sample_rate": RATE},
        "model": options, "training": stems,
        "inference": {"batch_size": 1, "dim_t": chunk // hop + 1, "num_overlap": overlap, "chunk_size": chunk}})


def write_files(arguments, name, folder):
    """Weights, configuration, song and exported model, where they are not there yet; and the peers' commands."""
    package, module, class_name, extra, options, chunk = MODELS[name]
    weights, yaml, songs, facts = (folder / one for one in ("weights.ckpt", "config.yaml", "songs", "facts"))
    folder.mkdir(exist_ok=True, parents=True)
    songs.mkdir(exist_ok=True)
    yaml.write_text(config_of(options, chunk, arguments.overlap))
    if not facts.exists():
        run = python(package, WRITE, module, class_name, json.dumps(options | extra), weights, chunk)
        if not package:
            run[0] = arguments.unblend / "bin/python"
        facts.write_text(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    write_song(songs / "song.wav", arguments.seconds)
    if not (folder / "model/model.onnx").exists():
        for command in (["import", weights, "--config", yaml, "--out", folder / "imported"],
                        ["export", folder / "imported", "--out", folder / "model", "--format", "onnx"]):
            subprocess.run([arguments.bin / "stemsmith", *command, "--quiet"], check=True)
    peers = {}
    if package:
        peers[package.partition("=")[0]] = python(package, PEER, module, THREADS, weights, yaml, songs, folder / "peer")
    if arguments.unblend:
        register_with_unblend(arguments.unblend, folder / "unblend", weights, yaml)
        peers["unblend"] = [arguments.unblend / "bin/unblend", "separate", songs / "song.wav", "--model", "ours", "--device", "cpu",
                            "--shifts", "0", "--split-overlap", str(1 - 1 / arguments.overlap), "--chunk-batch-size", "1",
                            "--clip-mode", "none", "--output", folder / "peer/{track}/{stem}.{ext}"]
    parameters, gflop = map(float, facts.read_text().split())
    return peers, chunk, parameters, gflop


def compare(arguments, name, engines, gemm, folder):
    peers, chunk, parameters, gflop = write_files(arguments, name, folder)
    commands = dict(peers)
    for engine in engines:
        commands[engine] = [arguments.bin / "separate", folder / "model/model.onnx", folder / "songs/song.wav", "-o", folder / engine,
                            "--overlap", str(1 - 1 / arguments.overlap), "--bits", "32f", "--threads", str(THREADS), "--quiet",
                            *ENGINES[engine][0]]
        measured(commands[engine], THREADS)  # what is kept from run to run is there
    turns = []
    for turn in range(arguments.turns):
        order = list(commands) if turn % 2 == 0 else list(reversed(commands))
        turns.append({one: measured(commands[one], THREADS) for one in order})
    # Ours: the package pads the song at both ends, and has more.
    chunks = math.ceil((arguments.seconds * RATE - chunk) / (chunk // arguments.overlap)) + 1
    print(f"\n{name}, {parameters:.1f} million parameters, {gflop:.0f} GFLOP a chunk: a song of {arguments.seconds:g} s, overlap "
          f"{arguments.overlap}")
    print(f"{'':24s} wall (s)  CPU (s)  memory (MiB)   share of sgemm   peer / this: wall (least to most), memory")
    for one in commands:
        wall, cpu, memory = (statistics.median(turn[one][i] for turn in turns) for i in range(3))
        line = f"{one:24s} {wall:8.1f} {cpu:8.1f} {memory:13.0f}"
        if one in engines:
            line += f"{100 * chunks * gflop / wall / gemm:15.0f} %"
            for peer in peers:
                walls, memories = ([turn[peer][i] / turn[one][i] for turn in turns] for i in (0, 2))
                line += (f"   {peer} {statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}), "
                         f"{statistics.median(memories):.2f}")
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="the folder of our programs")
    parser.add_argument("--seconds", type=float, default=60, help="of the song (60)")
    parser.add_argument("--overlap", type=int, default=2, help="chunks over every sample (2)")
    parser.add_argument("--turns", type=int, default=3, help="of each program (3)")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), help="(all; scnet with --unblend alone)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="(all)")
    parser.add_argument("--unblend", type=pathlib.Path, help="a virtual environment with unblend 1.0.0")
    parser.add_argument("--files", type=pathlib.Path, help="a folder in which weights and exports are kept for the next time")
    arguments = parser.parse_args()
    models = arguments.models or [name for name in MODELS if MODELS[name][0] or arguments.unblend]
    name, features = processor()
    engines = [engine for engine in arguments.engines if ENGINES[engine][1] is None or features & ENGINES[engine][1]]
    gemm = sgemm_gflops(THREADS)
    print(f"{name}, {THREADS} threads, {arguments.turns} turns, medians; sgemm: {gemm:.0f} GFLOP/s; not here: "
          f"{', '.join(set(arguments.engines) - set(engines)) or 'nothing'}")
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            compare(arguments, model, engines, gemm, (arguments.files or pathlib.Path(folder)) / model)


if __name__ == "__main__":
    main()
