#!/usr/bin/env bash
# ONNX Runtime 1.31.1 on CPUs: the standard operator Attention (opset 23) holds the weights of all heads at once.
#
# Expected: attention became an operator of its own so that runtimes can compute it block by block, in memory that does not
#           grow with the square of the length. So does torch, and so does ONNX Runtime's own MultiHeadAttention.
# Happens:  Attention of opset 23 takes as much memory as MatMul, Softmax, MatMul: 4 bytes per row, head, query and key. The
#           runtime's com.microsoft.MultiHeadAttention gives the same numbers in a fraction of it.
# Matters:  attention over the frames of a song in models that treat every frequency band as a row (RoFormers: 60 bands,
#           8 heads, 801 frames) takes 1.2 GiB for the weights alone. An export to the newest opset changes nothing; the
#           older operator of the runtime does, and OpenVINO 2026.4 reads that one too.
#
# Seen: memory above that of the model's own tensors, 4 rows, 8 heads of 64, 2048 steps (weights of 512 MiB)
#   MatMul, Softmax, MatMul             530 MiB
#   Attention (opset 23)                513 MiB, largest difference 0
#   com.microsoft.MultiHeadAttention     37 MiB, largest difference 2e-07
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.19.1 numpy==2.2.6
cd "$work"
cat >attention.py <<'PY'
import resource
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

ROWS, HEADS, STEPS, WIDTH = 4, 8, 2048, 64
SHAPE = [ROWS, STEPS, HEADS * WIDTH]


def nodes(kind):
    if kind == "MultiHeadAttention":
        return [helper.make_node(kind, ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=HEADS)]
    if kind == "Attention":
        return [helper.make_node(kind, ["q", "k", "v"], ["y"], q_num_heads=HEADS, kv_num_heads=HEADS)]
    made = []
    for name in "qkv":
        made += [helper.make_node("Reshape", [name, "heads"], [name + "4"]),
                 helper.make_node("Transpose", [name + "4"], [name + "t"], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])]
    return made + [helper.make_node("MatMul", ["qt", "kt"], ["s"]), helper.make_node("Mul", ["s", "scale"], ["c"]),
                   helper.make_node("Softmax", ["c"], ["w"], axis=-1), helper.make_node("MatMul", ["w", "vt"], ["z"]),
                   helper.make_node("Transpose", ["z"], ["z4"], perm=[0, 2, 1, 3]),
                   helper.make_node("Reshape", ["z4", "flat"], ["y"])]


def mebibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "qkvy"]
constants = [onnx.numpy_helper.from_array(np.array([0, 0, HEADS, WIDTH]), "heads"),
             onnx.numpy_helper.from_array(np.array([0, 0, HEADS * WIDTH]), "flat"),
             onnx.numpy_helper.from_array(np.array(WIDTH ** -0.5, "f4"), "scale")]
graph = helper.make_graph(nodes(sys.argv[1]), "g", info[:3], info[3:], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)],
                          ir_version=11)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
random = np.random.default_rng(0)
inputs = {name: random.standard_normal(SHAPE, "f4") for name in "qkv"}
before = mebibytes()
result = session.run(None, inputs)[0]
np.save(sys.argv[1], result)
print(mebibytes() - before - 2 * result.nbytes / 2**20)
PY
venv/bin/python - <<'PY'
import subprocess
import sys

import numpy as np

used, results = {}, {}
for kind in "MatMul", "Attention", "MultiHeadAttention":
    run = subprocess.run([sys.executable, "attention.py", kind], check=True, capture_output=True, text=True)
    used[kind], results[kind] = float(run.stdout), np.load(kind + ".npy")
differences = {kind: np.abs(result - results["MatMul"]).max() for kind, result in results.items()}
labels = "MatMul, Softmax, MatMul", "Attention (opset 23)", "com.microsoft.MultiHeadAttention"
for label, kind in zip(labels, used):
    print(f"{label:33} {used[kind]:5.0f} MiB, largest difference {differences[kind]:.0e}")
ok = used["Attention"] > 500 > 150 > used["MultiHeadAttention"] and max(differences.values()) < 1e-4
sys.exit(0 if ok else "behaviour has changed")
PY
