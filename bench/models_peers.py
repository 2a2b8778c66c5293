"""The Python side of bench/models.sh: each model of ours beside eager PyTorch with the same weights.

Ours and the peer take turns, each waiting while the other works; of each pair of turns the ratio counts, of all ratios
the median. Each measure has a Python of its own, as users have: in one that has trained before, the C library keeps
memory that it else gives back, and what a process did before would be measured with it.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

import onnxruntime
import torch
import torch.utils.checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/reference"))
from model_probe import write_config, write_safetensors  # noqa: E402

STEMS = ["drums", "bass", "other", "vocals"]
THREADS, RATE = 2, 44100


def demucs_v2():
    sys.path.insert(0, os.environ["STEMSMITH_DEMUCS2"])
    from test_demucs_v2 import Demucs, python_separate
    model = Demucs(STEMS)
    return model, lambda mix: python_separate(model, mix)


def demucs4(module, name, **options):
    sys.path.insert(0, os.environ["STEMSMITH_DEMUCS4"])
    model = getattr(__import__(f"demucs.{module}", fromlist=[name]), name)(STEMS, **options)
    return model, model


def open_unmix(niter):
    from test_open_unmix import randomize, separator
    model = separator(STEMS, 2, niter=niter)
    randomize(model)
    return model, model


def wave_unet(**options):
    from test_wave_unet import WaveUnet
    model = WaveUnet(len(STEMS), 2, **options)
    return model, model


def unet(**options):
    from test_unet import Unet
    model = Unet(len(STEMS), 2, **options)
    return model, model


def roformer(module, **options):
    import roformers
    model = roformers.make(roformers.original("0.3.10", module)(), dict(options, flash_attn=True), stems=len(STEMS))
    return model, model


# configs/models/unet_masking.yaml and unet_magnitudes.yaml.
MASKING = {"bandwidth_hz": 11000, "depth": 6, "mask": "ratio", "input": "linear", "kernel_size": 5, "position": False,
           "dropout": 0.5}
MAGNITUDES = {**MASKING, "n_fft": 2048, "hop": 512, "bandwidth_hz": 22050, "mask": "none"}
ROFORMER = {"dim": 128, "depth": 4, "time_transformer_depth": 1, "freq_transformer_depth": 1, "attn_dropout": 0.0,
            "ff_dropout": 0.0}

# row → (model, peer, options of both beside the defaults, seconds of audio, whether ONNX Runtime has a goal)
ROWS = {
    "unet_masking": ("unet", unet, MASKING, 6.0, False),
    "unet_magnitudes": ("unet", unet, MAGNITUDES, 6.0, False),
    "wave_unet": ("wave_unet", wave_unet, {"dropout": 0.0}, 6.0, False),  # its peer has none
    "open_unmix": ("open_unmix", open_unmix, {"niter": 0}, 6.0, False),
    "demucs_v2": ("demucs_v2", demucs_v2, {}, 3.0, True),
    "demucs": ("demucs", partial(demucs4, "demucs", "Demucs"), {}, 3.0, True),
    "hdemucs": ("hdemucs", partial(demucs4, "hdemucs", "HDemucs"), {}, 4.0, True),
    # As published.
    "htdemucs": ("htdemucs", partial(demucs4, "htdemucs", "HTDemucs"),
                 {"bottom_channels": 512, "dconv_mode": 3, "segment": 7.8}, 7.8, True),
    # Small: the packages take half a minute for a step of the published sizes.
    "bs_roformer": ("bs_roformer", partial(roformer, "bs_roformer.bs_roformer"), {**ROFORMER, "mask_estimator_depth": 2},
                    350 * 512 / RATE, True),
    "mel_band_roformer": ("mel_band_roformer", partial(roformer, "bs_roformer.mel_band_roformer"),
                          {**ROFORMER, "num_bands": 60, "mask_estimator_depth": 2, "match_input_audio_length": True},
                          350 * 512 / RATE, True),
}


def paired(ours, peer, turns):
    """The medians of both and of the ratios peer / ours, and the span of the ratios."""
    ours(), peer()
    times = []
    for turn in range(turns):
        if turn % 2:
            second = seconds_of(peer)
            times.append((seconds_of(ours), second))
        else:
            times.append((seconds_of(ours), seconds_of(peer)))
        time.sleep(0.05)  # idle threads stop spinning
    ratios = [them / us for us, them in times]
    medians = [statistics.median(values) for values in zip(*times)]
    return *medians, statistics.median(ratios), f"{min(ratios):.2f} … {max(ratios):.2f}"


def seconds_of(function):
    """Programs of ours tell their own time, without that of the pipe between us."""
    begin = time.perf_counter()
    told = function()
    return told if isinstance(told, float) else time.perf_counter() - begin


def measure(row, what, arguments, folder):
    name, make, options, seconds, goal = ROWS[row]
    torch.manual_seed(1)
    model, separate = make(**options)
    torch.set_num_threads(THREADS)  # the tests that some peers come from set one
    state = {key: value for key, value in model.state_dict().items()
             if key not in ("stft.window", "istft.window", "sample_rate")}
    frames = round((arguments.seconds or seconds) * RATE)
    mix = torch.randn(1, 2, frames) * 0.2
    stems = torch.randn(1, len(STEMS), 2, frames) * 0.1
    write_config(folder / "config.yaml", name, options, STEMS, 2)
    write_safetensors(folder / "weights.safetensors", state)
    ours = subprocess.Popen([arguments.native, folder / "config.yaml", folder / "weights.safetensors", "1",
                             str(frames), str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            bufsize=1)

    def ask(what):
        ours.stdin.write(what + "\n")
        return float(ours.stdout.readline())

    def forward(audio=mix):
        model.eval()
        with torch.no_grad():
            separate(audio)

    def report(title, ours, peer, least):
        us, them, ratio, spread = paired(ours, peer, arguments.turns)
        verdict = "" if least is None else f"   goal {least}: {'reached' if ratio >= least else 'missed'}"
        print(f"{row:15s} {title:14s} ours {us:7.3f} s   eager Python {them:7.3f} s   ratio {ratio:5.2f} ({spread})"
              f"{verdict}", flush=True)

    if what == "forward":
        return report("forward", lambda: ask("forward"), forward, 0.97)
    if what == "train":
        adam = torch.optim.Adam(model.parameters(), lr=1e-5)

        def train():
            model.train()
            adam.zero_grad()
            torch.nn.functional.l1_loss(separate(mix), stems).backward()
            adam.step()

        return report("training step", lambda: ask("train"), train, 0.97)
    if what == "memory":
        return compare_memory(row, ask, model, lambda: torch.nn.functional.l1_loss(separate(mix), stems).backward())
    ours.stdin.write(f"save {folder}/model.safetensors\n")
    ours.stdin.close()
    ours.wait()
    subprocess.run([arguments.stemsmith, "export", folder / "model.safetensors", "--out", folder / "out", "--format",
                    "onnx", "--quiet"], check=True)
    session_options = onnxruntime.SessionOptions()  # as `separate` sets them
    session_options.intra_op_num_threads = THREADS
    session_options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(folder / "out/model.onnx", session_options, ["CPUExecutionProvider"])
    # A length that the exported graph takes, for both.
    manifest = json.loads(session.get_modelmeta().custom_metadata_map["stemsmith.manifest"])
    mix = torch.randn(1, 2, manifest["segment_frames"]) * 0.2
    feed = {session.get_inputs()[0].name: mix.numpy()}
    report("ONNX Runtime", lambda: session.run(None, feed), lambda: forward(mix), 1.3 if goal else None)


def compare_memory(row, ask, model, backward):
    """What a step's forward and backward pass add to a process, with the parts of both checkpointed that MSST does."""
    ask("checkpoints")
    ours = [ask("memory"), ask("train"), ask("memory")]
    parts = [part for block in getattr(model, "layers", []) for part in block] + list(getattr(model, "mask_estimators", []))
    for part in parts:
        part.forward = partial(torch.utils.checkpoint.checkpoint, part.forward, use_reentrant=False)
    model.train()
    before = peak_bytes()
    backward()
    us, them = ours[2] - ours[0], peak_bytes() - before
    print(f"{row:15s} {'memory':14s} ours {us / 2**20:7.0f} MiB eager Python {them / 2**20:7.0f} MiB ratio {them / us:5.2f}"
          f"{'' if parts else ' (theirs without checkpoints)'}", flush=True)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("native", help="the program models_native")
    parser.add_argument("stemsmith", help="the program stemsmith, which writes the exported models")
    parser.add_argument("models", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all without")
    parser.add_argument("--turns", type=int, default=5, help="of each of the two (5)")
    parser.add_argument("--seconds", type=float, default=0, help="of audio; 0: by model")
    parser.add_argument("--what", default="forward,train,onnx", help="what to measure (forward,train,onnx)")
    arguments = parser.parse_intermixed_args()
    if unknown := set(arguments.models) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    kinds = ["forward", "train", "memory", "onnx"]
    if unknown := set(arguments.what.split(",")) - set(kinds):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(kinds)}")
    measures = [(row, what) for row in arguments.models or ROWS for what in arguments.what.split(",")]
    if len(measures) == 1:
        with tempfile.TemporaryDirectory() as folder:
            measure(*measures[0], arguments, pathlib.Path(folder))
        return
    for row, what in measures:
        subprocess.run([sys.executable, __file__, arguments.native, arguments.stemsmith, row, "--what", what,
                        "--turns", str(arguments.turns), "--seconds", str(arguments.seconds)], check=True)


if __name__ == "__main__":
    main()
