"""The Python side of tools/bench/models.sh: each model of ours beside eager PyTorch with the same weights.

  models_peers.py NATIVE STEMSMITH [MODEL...]

NATIVE is the program models_native; STEMSMITH writes the exported models. Ours and the peer take turns, each waiting
while the other works; of each pair of turns the ratio counts, of all ratios the median.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import onnxruntime
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
from model_probe import write_safetensors  # noqa: E402

STEMS = ["drums", "bass", "other", "vocals"]
THREADS, TURNS, RATE = 2, 7, 44100


def demucs_v2():
    sys.path.insert(0, os.environ["STEMSMITH_DEMUCS2"])
    from test_demucs_v2 import Demucs, python_separate
    model = Demucs(STEMS)
    return model, lambda mix: python_separate(model, mix)


def demucs4(module, name, **options):
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "demucs"]:
        del sys.modules[loaded]  # those of 2.x
    sys.path.insert(0, os.environ["STEMSMITH_DEMUCS4"])
    model = getattr(__import__(f"demucs.{module}", fromlist=[name]), name)(STEMS, **options)
    return model, model


def open_unmix():
    from test_open_unmix import randomize, separator
    model = separator(STEMS, 2, niter=0)
    randomize(model)
    return model, model


def wave_unet():
    from test_wave_unet import WaveUnet
    model = WaveUnet(len(STEMS), 2)
    return model, model


# name → (peer, options of ours beside the defaults, seconds of audio, whether ONNX Runtime has a goal)
ROWS = {
    "wave_unet": (wave_unet, {}, 6.0, False),
    "open_unmix": (open_unmix, {"niter": 0}, 6.0, False),
    "demucs_v2": (demucs_v2, {}, 4.0, True),
    "demucs": (lambda: demucs4("demucs", "Demucs"), {}, 4.0, True),
    "hdemucs": (lambda: demucs4("hdemucs", "HDemucs"), {}, 6.0, True),
    "htdemucs": (lambda: demucs4("htdemucs", "HTDemucs"), {}, 7.8, True),
}



def paired(ours, peer, turns):
    """The medians of both and of the ratios peer / ours."""
    ours(), peer()
    times = []
    for turn in range(turns):
        if turn % 2:
            second = seconds_of(peer)
            times.append((seconds_of(ours), second))
        else:
            times.append((seconds_of(ours), seconds_of(peer)))
    return [statistics.median(values) for values in zip(*[(a, b, b / a) for a, b in times])]


def seconds_of(function):
    """Programs of ours tell their own time, without that of the pipe between us."""
    begin = time.perf_counter()
    told = function()
    return told if isinstance(told, float) else time.perf_counter() - begin


def measure(name, native, stemsmith, folder):
    make, options, seconds, goal = ROWS[name]
    torch.manual_seed(1)
    model, separate = make()
    state = {key: value for key, value in model.state_dict().items()
             if key not in ("stft.window", "istft.window", "sample_rate")}
    frames = int(seconds * RATE)
    mix = torch.randn(1, 2, frames) * 0.2
    stems = torch.randn(1, len(STEMS), 2, frames) * 0.1
    lines = [f"stems: [{', '.join(STEMS)}]", "channels: 2", "model:", f"  name: {name}"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in options.items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    write_safetensors(folder / "weights.safetensors", state)
    ours = subprocess.Popen([native, folder / "config.yaml", folder / "weights.safetensors", "1", str(frames),
                             str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(what):
        ours.stdin.write(what + "\n")
        return float(ours.stdout.readline())

    adam = torch.optim.Adam(model.parameters(), lr=1e-5)

    def forward(audio=mix):
        model.eval()
        with torch.no_grad():
            separate(audio)

    def train():
        model.train()
        adam.zero_grad()
        torch.nn.functional.l1_loss(separate(mix), stems).backward()
        adam.step()

    results = {"forward": paired(lambda: ask("forward"), forward, TURNS),
               "training step": paired(lambda: ask("train"), train, TURNS)}
    ours.stdin.write(f"save {folder}/model.safetensors\n")
    ours.stdin.close()
    ours.wait()
    del adam
    model.zero_grad(set_to_none=True)
    subprocess.run([stemsmith, "export", folder / "model.safetensors", "--out", folder / "out", "--format", "onnx",
                    "--quiet"], check=True)
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = THREADS
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(folder / "out/model.onnx", session_options, ["CPUExecutionProvider"])
    # A length that the exported graph takes, for both.
    manifest = json.loads(session.get_modelmeta().custom_metadata_map["stemsmith.manifest"])
    mix = torch.randn(1, 2, manifest["segment_frames"]) * 0.2
    feed = {session.get_inputs()[0].name: mix.numpy()}
    results["ONNX Runtime"] = paired(lambda: session.run(None, feed), lambda: forward(mix), TURNS)
    for what, (us, them, ratio) in results.items():
        least = {"ONNX Runtime": 1.3 if goal else None}.get(what, 0.97)
        verdict = "" if least is None else f"   goal {least}: {'reached' if ratio >= least else 'missed'}"
        print(f"{name:12s} {what:14s} ours {us:7.3f} s   eager Python {them:7.3f} s   ratio {ratio:5.2f}{verdict}",
              flush=True)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    for name in sys.argv[3:] or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, sys.argv[1], sys.argv[2], pathlib.Path(folder))
