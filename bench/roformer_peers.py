"""What bench/roformer.sh runs and measures: `separate` and the packages of RoFormers on the same song with the same weights."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from whole_processes import BFLOAT16, RATE, measured, processor, sgemm_gflops, write_song

THREADS, CHUNK = 2, 352800
ROFORMERS = pathlib.Path(__file__).resolve().parent.parent / ".deps/roformer"
COMMON = {"stereo": True, "num_stems": 1, "time_transformer_depth": 1, "freq_transformer_depth": 1, "dim_head": 64, "heads": 8,
          "attn_dropout": 0, "ff_dropout": 0, "flash_attn": True, "dim_freqs_in": 1025, "stft_n_fft": 2048,
          "stft_hop_length": 441, "stft_win_length": 2048, "stft_normalized": False, "mask_estimator_depth": 2}
# As published: the package, its module and class, and the size (Kim's vocals; the usual band-split model).
MODELS = {
    "mel_band_roformer": ("melband-roformer-infer==0.1.5", "mel_band_roformer", "MelBandRoformer",
                          {"dim": 384, "depth": 6, "num_bands": 60, "sample_rate": 44100}),
    "bs_roformer": ("bs-roformer-infer==0.1.5", "bs_roformer", "BSRoformer", {"dim": 256, "depth": 12}),
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


def config_of(name, overlap):
    """The configuration that lies beside the weights, and the options of the package's class; JSON is YAML."""
    model = COMMON | MODELS[name][3]
    training = {"instruments": ["vocals", "other"], "target_instrument": "vocals"}
    return json.dumps({
        "audio": {"chunk_size": CHUNK, "hop_length": 441, "n_fft": 2048, "num_channels": 2, "sample_rate": RATE},
        "model": model, "training": training,
        "inference": {"batch_size": 1, "dim_t": 801, "num_overlap": overlap, "chunk_size": CHUNK}}), json.dumps(model)


def compare(arguments, name, engines, gemm, folder):
    package, module, class_name, _ = MODELS[name]
    weights, yaml, songs = folder / "weights.ckpt", folder / "config.yaml", folder / "songs"
    songs.mkdir()
    text, options = config_of(name, arguments.overlap)
    yaml.write_text(text)
    written = subprocess.run(python(package, WRITE, module, class_name, options, weights, CHUNK), check=True,
                             capture_output=True, text=True)
    parameters, gflop = map(float, written.stdout.split())
    write_song(songs / "song.wav", arguments.seconds)
    for command in (["import", weights, "--config", yaml, "--out", folder / "imported"],
                    ["export", folder / "imported", "--out", folder / "model", "--format", "onnx"]):
        subprocess.run([arguments.bin / "stemsmith", *command, "--quiet"], check=True)

    peer = package.partition("=")[0]
    commands = {peer: python(package, PEER, module, THREADS, weights, yaml, songs, folder / "peer")}
    if arguments.unblend:
        commands["unblend"] = [arguments.unblend / "bin/unblend", "separate", songs / "song.wav", "--model", weights, "--device", "cpu",
                               "--output", folder / "unblend"]
    for engine in engines:
        commands[engine] = [arguments.bin / "separate", folder / "model/model.onnx", songs / "song.wav", "-o", folder / engine,
                            "--overlap", str(1 - 1 / arguments.overlap), "--bits", "32f", "--threads", str(THREADS), "--quiet",
                            *ENGINES[engine][0]]
        measured(commands[engine], THREADS)  # what is kept from run to run is there
    turns = []
    for turn in range(arguments.turns):
        order = list(commands) if turn % 2 == 0 else list(reversed(commands))
        turns.append({one: measured(commands[one], THREADS) for one in order})
    # Ours: the package pads the song at both ends, and has more.
    step = CHUNK // arguments.overlap
    chunks = math.ceil((arguments.seconds * RATE - CHUNK) / step) + 1
    print(f"\n{name}, {parameters:.1f} million parameters, {gflop:.0f} GFLOP a chunk: a song of {arguments.seconds:g} s, overlap "
          f"{arguments.overlap}")
    print(f"{'':24s} wall (s)  CPU (s)  memory (MiB)   peer / this: wall (least to most)    CPU  memory   share of sgemm")
    for one in commands:
        wall, cpu, memory = (statistics.median(turn[one][i] for turn in turns) for i in range(3))
        line = f"{one:24s} {wall:8.1f} {cpu:8.1f} {memory:13.0f}"
        if one in engines:
            ratios = [[turn[peer][i] / turn[one][i] for turn in turns] for i in range(3)]
            line += (f"   {statistics.median(ratios[0]):10.2f}   ({min(ratios[0]):5.2f} to {max(ratios[0]):5.2f})"
                     f"        {statistics.median(ratios[1]):6.2f}  {statistics.median(ratios[2]):6.2f}"
                     f"   {100 * chunks * gflop / wall / gemm:10.0f} %")
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="the folder of our programs")
    parser.add_argument("--seconds", type=float, default=60, help="of the song (60)")
    parser.add_argument("--overlap", type=int, default=2, help="chunks over every sample (2)")
    parser.add_argument("--turns", type=int, default=3, help="of each program (3)")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="(all)")
    parser.add_argument("--unblend", type=pathlib.Path, help="a virtual environment with unblend 1.0.0")
    arguments = parser.parse_args()
    name, features = processor()
    engines = [engine for engine, (_, needs) in ENGINES.items() if needs is None or features & needs]
    gemm = sgemm_gflops(THREADS)
    print(f"{name}, {THREADS} threads, {arguments.turns} turns, medians; sgemm: {gemm:.0f} GFLOP/s; not here: "
          f"{', '.join(set(ENGINES) - set(engines)) or 'nothing'}")
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            compare(arguments, model, engines, gemm, pathlib.Path(folder))


if __name__ == "__main__":
    main()
