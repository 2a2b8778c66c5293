#!/usr/bin/env bash
# mnn 3.6.1: overlap-add by ScatterElements and ScatterND with reduction "add".
#
# Expected: values that go to one place are added up, as ONNX says since opset 16; or the converter refuses the operator.
# Happens:  the attribute is dropped without a word, and the last value that goes to a place stays there.
# Matters:  an inverse STFT, and any joining of overlapping frames by indices, comes out of exporters as this operator. Where frames
#           overlap only the last one is heard: the sound keeps its length and loses its level and shape.
#
# Seen: frames 1 2 3 4, 5 6 7 8 and 9 10 11 12, each two samples behind the one before
#   ScatterElements   onnxruntime   1  2  8 10 16 18 11 12
#   ScatterElements   mnn           1  2  5  6  9 10 11 12
#   ScatterND         onnxruntime   1  2  8 10 16 18 11 12
#   ScatterND         mnn           1  2  5  6  9 10 11 12
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

FRAMES, WIDTH, HOP, LENGTH = 3, 4, 2, 8
places = (np.arange(FRAMES)[:, None] * HOP + np.arange(WIDTH)).reshape(1, -1)
frames = np.arange(1, FRAMES * WIDTH + 1, dtype="f4").reshape(1, -1)


def results(operator, indices, **attributes):
    node = helper.make_node(operator, ["zeros", "places", "frames"], ["y"], reduction="add", **attributes)
    graph = helper.make_graph([node], "overlap_add", [helper.make_tensor_value_info("frames", TensorProto.FLOAT, frames.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, LENGTH])],
                              [numpy_helper.from_array(np.zeros((1, LENGTH), "f4"), "zeros"),
                               numpy_helper.from_array(indices, "places")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "model.onnx")
    subprocess.run([f"{sys.prefix}/bin/mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn",
                    "--bizCode", "x"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    added, = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"]).run(None, {"frames": frames})
    converted = nn.load_module_from_file("model.mnn", ["frames"], ["y"])
    result = expr.convert(converted.forward(expr.const(frames, list(frames.shape), expr.NCHW)), expr.NCHW).read()
    return {"onnxruntime": added.ravel(), "mnn": np.asarray(result).ravel()}


overwritten = np.zeros(LENGTH)
overwritten[places[0]] = frames[0]  # numpy keeps the last one
ok = True
for operator, indices, attributes in (("ScatterElements", places, {"axis": 1}),
                                      ("ScatterND", np.stack([np.zeros_like(places), places], -1), {})):
    seen = results(operator, indices, **attributes)
    for engine, samples in seen.items():
        print(f"{operator:17} {engine:12}", *(f"{int(sample):2}" for sample in samples))
    ok &= list(seen["onnxruntime"]) == [1, 2, 8, 10, 16, 18, 11, 12] and list(seen["mnn"]) == list(overwritten)
sys.exit(0 if ok else "behaviour has changed")
PY
