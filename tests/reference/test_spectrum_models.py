"""Models of spectra in the manner of MDX-Net: torch's STFT around the graph, as UVR's `run_model` has it."""

import json

import numpy as np
import onnx
import onnxruntime
import soundfile
import torch
from onnx import TensorProto, helper
from programs import run

N_FFT, HOP, BINS, FRAMES = 2048, 512, 700, 32
CHUNK = HOP * (FRAMES - 1)
COMPENSATE = 1.035


def write_net(path):
    """Convolutions over bins and frames, and a mask: [B, 4, BINS, FRAMES] to the same."""
    random = np.random.default_rng(3)
    weights = {"wide": random.standard_normal((8, 4, 3, 3)) / 6, "back": random.standard_normal((4, 8, 3, 3)) / 8}
    shape = ["batch", 4, BINS, FRAMES]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "wide"], ["a"], pads=[1] * 4),
         helper.make_node("Relu", ["a"], ["b"]),
         helper.make_node("Conv", ["b", "back"], ["c"], pads=[1] * 4),
         helper.make_node("Sigmoid", ["c"], ["mask"]),
         helper.make_node("Mul", ["input", "mask"], ["output"])],
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.astype(np.float32).ravel())
         for name, value in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run_model(session, mixture):
    """Of separate.py and lib_v5/tfc_tdf_v3.py (5517e0c), for one chunk [2, CHUNK] and without its denoiser."""
    window = torch.hann_window(N_FFT, periodic=True)
    spectrum = torch.stft(torch.from_numpy(mixture), N_FFT, HOP, window=window, center=True, return_complex=True)
    parts = torch.view_as_real(spectrum).permute(0, 3, 1, 2).reshape(1, 4, N_FFT // 2 + 1, FRAMES)[:, :, :BINS].clone()
    parts[:, :, :3] = 0
    out = torch.from_numpy(session.run(None, {"input": parts.numpy()})[0])
    out = torch.nn.functional.pad(out, (0, 0, 0, N_FFT // 2 + 1 - BINS)).reshape(2, 2, N_FFT // 2 + 1, FRAMES)
    spectrum = torch.complex(out[:, 0], out[:, 1])
    return COMPENSATE * torch.istft(spectrum, N_FFT, HOP, window=window, center=True).numpy()


def test_a_chunk_is_that_of_uvr(tmp_path):
    write_net(tmp_path / "net.onnx")
    (tmp_path / "net.json").write_text(json.dumps({
        "stems": ["vocals"], "sample_rate_hz": 44100, "input": "spectrum", "stft": {"n_fft": N_FFT, "hop": HOP},
        "compensate": COMPENSATE}))
    mixture = (0.3 * np.random.default_rng(4).standard_normal((2, CHUNK))).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", mixture.T, 44100, subtype="FLOAT")
    run("separate", tmp_path / "net.onnx", tmp_path / "song.wav", "--manifest", tmp_path / "net.json", "-o", tmp_path, "--bits",
        "32f", "--quiet", "--threads", 1, "--two-stems", "vocals")
    stems = {name: soundfile.read(tmp_path / "song" / f"{name}.wav", dtype="float32")[0].T for name in ("vocals", "no_vocals")}
    expected = run_model(onnxruntime.InferenceSession(tmp_path / "net.onnx"), mixture)
    assert np.abs(expected).max() > 0.2
    assert np.abs(stems["vocals"] - expected).max() <= 1e-5
    assert np.abs(stems["no_vocals"] - (mixture - expected)).max() <= 1e-5
