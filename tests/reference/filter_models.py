"""Model files whose stems are filters of the mixture, with some clipping: quick, and no two alike."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

TAPS = 31


def filters(seed, stems, channels):
    """[C, S, TAPS]"""
    return np.random.default_rng(seed).standard_normal((channels, stems, TAPS)).astype(np.float32) / 4


def estimate(weights, mixture):
    """The model itself on one mixture [C, T], in numpy: [S, C, T]."""
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (TAPS // 2, TAPS // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, TAPS, axis=1)
    return np.tanh(np.einsum("ctk,csk->sct", windows, weights))


def write_model(path, seed, stems, channels=2, rate=44100, segment=44100, **manifest):
    weights = filters(seed, len(stems), channels)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["mix", "weights"], ["filtered"], group=channels, pads=[TAPS // 2] * 2),
         helper.make_node("Tanh", ["filtered"], ["bent"]),
         helper.make_node("Reshape", ["bent", "shape"], ["by_channel"]),
         helper.make_node("Transpose", ["by_channel"], ["estimates"], perm=[0, 2, 1, 3])],
        "filters",
        [helper.make_tensor_value_info("mix", TensorProto.FLOAT, ["batch", channels, "frames"])],
        [helper.make_tensor_value_info("estimates", TensorProto.FLOAT, ["batch", len(stems), channels, "frames"])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [channels * len(stems), 1, TAPS], weights.ravel()),
         helper.make_tensor("shape", TensorProto.INT64, [4], [0, channels, len(stems), -1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key = "stemsmith.manifest"
    entry.value = json.dumps({
        "version": 1, "model": path.stem, "stems": stems, "sample_rate_hz": rate, "channels": channels,
        "segment_frames": segment, "length": {"dynamic": True, "offset_frames": 0, "multiple_frames": 1},
        "song_normalization": "none", "tail": "zeros", "window": "triangle", "overlap": 0.25, "precision": "float32",
        "stft": None, "training": None, "versions": None, **manifest})
    onnx.save(model, path)
    return weights
