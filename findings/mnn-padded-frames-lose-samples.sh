#!/usr/bin/env bash
# mnn 3.6.1: audio that is padded at its start and cut into frames.
#
# Expected: Pad, Reshape to [frames, samples of a frame] and Transpose move samples and change none.
# Happens:  where the padding before the first sample is r samples longer than whole frames, the first r samples of every frame are
#           missing, not of the padded one alone. Without the Transpose, or with a padding of whole frames, all arrive. The converter
#           and the runtime report nothing.
# Matters:  framing with half a window before the song is how spectra, strided convolutions as matrix products and models
#           that work on chunks begin. A model converted for phones gives stems of the right length whose content is wrong; ONNX Runtime
#           and others give the right ones for the same file.
#
# Seen: samples of 24 that arrive in frames of 4, by the number of zeros before them
#   zeros before   0  1  2  3  4  5  6  7  8
#   transposed    24 18 12  6 24 18 12  6 24
#   not           24 24 24 24 24 24 24 24 24
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet mnn==3.6.1 onnx==1.19.1 onnxruntime==1.31.1 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import subprocess
import sys

import MNN.expr as expr
import MNN.nn as nn
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SAMPLES, FRAME = 24, 4


def write(before, after, transposed):
    shape = [1, 1, (before + SAMPLES + after) // FRAME, FRAME]
    nodes = [helper.make_node("Pad", ["audio", "zeros"], ["padded"]),
             helper.make_node("Reshape", ["padded", "shape"], ["frames"])]
    nodes.append(helper.make_node("Transpose", ["frames"], ["y"], perm=[0, 1, 3, 2]) if transposed else
                 helper.make_node("Identity", ["frames"], ["y"]))
    constants = {"zeros": [0, 0, before, 0, 0, after], "shape": shape}
    if transposed:
        shape = [1, 1, shape[3], shape[2]]
    graph = helper.make_graph(nodes, "frames", [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, 1, SAMPLES])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
                              [numpy_helper.from_array(np.array(value, "i8"), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "model.onnx")
    subprocess.run([f"{sys.prefix}/bin/mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn",
                    "--bizCode", "x"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def arrived(before, transposed):
    write(before, -(before + SAMPLES) % FRAME, transposed)
    audio = np.arange(1, SAMPLES + 1, dtype="f4").reshape(1, 1, SAMPLES)
    expected, = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"]).run(None, {"audio": audio})
    model = nn.load_module_from_file("model.mnn", ["audio"], ["y"])
    actual = expr.convert(model.forward(expr.const(audio, list(audio.shape), expr.NCHW)), expr.NCHW).read()
    return int(((np.asarray(actual).reshape(expected.shape) == expected) & (expected > 0)).sum())


paddings = range(9)
print("zeros before ", *(f"{before:2}" for before in paddings))
counts = {}
for name, transposed in (("transposed", True), ("not", False)):
    counts[name] = [arrived(before, transposed) for before in paddings]
    print(f"{name:13}", *(f"{count:2}" for count in counts[name]))
lost = [SAMPLES - count for count in counts["transposed"]]
ok = lost == [SAMPLES // FRAME * (before % FRAME) for before in paddings] and set(counts["not"]) == {SAMPLES}
sys.exit(0 if ok else "behaviour has changed")
PY
