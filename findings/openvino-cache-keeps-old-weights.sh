#!/usr/bin/env bash
# openvino 2026.4.1: which weights a model cache (CACHE_DIR) gives back.
#
# Expected: a model whose weights are replaced is compiled anew: the cache is known by what the model computes.
# Happens:  it depends on how the model is given. compile_model(path) finds the compiled model by path, size and time of that
#           one file, and never looks at the file of weights beside it: `.bin` of an IR, external data of an ONNX model. With
#           other weights there, the old ones go on computing, without a word. compile_model(read_model(path)) looks at
#           the weights, and compiles anew.
# Matters:  trained models change in their weights alone, and larger ones keep them in a second file. Whoever deploys the next
#           checkpoint by replacing that file, beside a cache that makes starts fast, goes on separating with the last one.
#
# Seen: first with weights of 2, then with weights of 3 in their place
#   onnx, compile_model(path)               2, 2
#   onnx, compile_model(read_model(path))   2, 3
#   ir, compile_model(path)                 2, 2
#   ir, compile_model(read_model(path))     2, 3
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.19.1 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import os
import sys
import tempfile

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

SIZE = 4096


def weights(gain):
    return np.full((1, SIZE), gain, "f4")


def write_onnx(folder):
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, SIZE])], [numpy_helper.from_array(weights(2), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, f"{folder}/model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    return f"{folder}/model.onnx", f"{folder}/weights"


def write_ir(folder):
    x = openvino.opset13.parameter([1, SIZE], np.float32)
    y = openvino.opset13.multiply(x, openvino.opset13.constant(weights(2)))
    openvino.save_model(openvino.Model([y], [x], "product"), f"{folder}/model.xml", compress_to_fp16=False)
    return f"{folder}/model.xml", f"{folder}/model.bin"


def gain(path, cached, read):
    core = openvino.Core()
    if cached:
        core.set_property({"CACHE_DIR": f"{os.path.dirname(path)}/cache"})
    compiled = core.compile_model(core.read_model(path) if read else path, "CPU")
    return int(compiled(np.ones((1, SIZE), "f4"))[0][0, 0])


ok = True
for kind, write in (("onnx", write_onnx), ("ir", write_ir)):
    for read in (False, True):
        folder = tempfile.mkdtemp(dir=".")
        path, file = write(folder)
        before = gain(path, True, read)
        content = open(file, "rb").read()
        changed = content.replace(weights(2).tobytes(), weights(3).tobytes())
        assert changed != content
        with open(f"{folder}/new", "wb") as new:
            new.write(changed)
        os.replace(f"{folder}/new", file)
        after = gain(path, True, read)
        call = "compile_model(read_model(path))" if read else "compile_model(path)"
        print(f"{kind + ', ' + call:40}{before}, {after}")
        ok &= gain(path, False, read) == 3  # without the cache
        ok &= (before, after) == (2, 3 if read else 2)
sys.exit(0 if ok else "behaviour has changed")
PY
