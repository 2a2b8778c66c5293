#!/usr/bin/env bash
# onnxruntime 1.31.1 (CPU): GroupNormalization of values that lie close together.
#
# Expected: as InstanceNormalization, which is the same with one channel in each group: silence, all of one value, gives
#           zeros (the variance is 0, and epsilon keeps it from a division by 0), and an offset is taken off within rounding.
# Happens:  the operator is computed node by node, as its definition in ONNX spells it out, in float32: the variance is the
#           mean of the squares less the square of the mean. The difference of two nearly equal numbers may be negative by
#           more than epsilon: NaN. Elsewhere it may be anything: at an offset of 1000 deviations the result is wrong by
#           most of a deviation. (1.32.0 gives the same.)
# Matters:  a network that normalises a spectrogram in dB, or what convolutions with biases make of silence, gives NaN for
#           a silent song or a gap, at one level and not at the next, where PyTorch's GroupNorm gives zeros. Export it as
#           InstanceNormalization between two Reshapes.
#
# Seen: 200 constant channels at levels around the one given; then noise of deviation 1 around an offset, largest errors
#   silence around   -1 dB: GroupNormalization NaN in   0 of 200 channels, InstanceNormalization in 0
#   silence around  -10 dB: GroupNormalization NaN in  92 of 200 channels, InstanceNormalization in 0
#   silence around  -30 dB: GroupNormalization NaN in  91 of 200 channels, InstanceNormalization in 0
#   silence around -100 dB: GroupNormalization NaN in  88 of 200 channels, InstanceNormalization in 0
#   offset   10: GroupNormalization off by 7e-05, InstanceNormalization by 3e-06
#   offset  100: GroupNormalization off by 8e-03, InstanceNormalization by 3e-05
#   offset 1000: GroupNormalization off by 7e-01, InstanceNormalization by 2e-04
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.23.2 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def run(operator, x, **attributes):
    """x [1, C, T], each channel by itself, with weights 1, biases 0 and the usual epsilon of 1e-5."""
    channels = x.shape[1]
    feeds = {"x": x, "scale": np.ones(channels, "f4"), "bias": np.zeros(channels, "f4")}
    inputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in feeds.items()]
    node = helper.make_node(operator, list(feeds), ["y"], epsilon=1e-5, **attributes)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)
    graph = helper.make_graph([node], "g", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


rng = np.random.default_rng(0)
ok = True
for level in (-1, -10, -30, -100):
    silence = np.repeat(level * rng.uniform(0.5, 1, (1, 200, 1)), 1000, axis=2).astype("f4")
    group = np.isnan(run("GroupNormalization", silence, num_groups=200)).any((0, 2)).sum()
    instance = np.isnan(run("InstanceNormalization", silence)).any((0, 2)).sum()
    print(f"silence around {level:4} dB: GroupNormalization NaN in {group:3} of 200 channels,",
          f"InstanceNormalization in {instance}")
    ok &= instance == 0 and (level > -30 or group > 5)
for offset in (10, 100, 1000):
    noise = (offset + rng.standard_normal((1, 200, 1000))).astype("f4")
    exact = noise.astype("f8")
    exact = (exact - exact.mean(2, keepdims=True)) / np.sqrt(exact.var(2, keepdims=True) + 1e-5)
    group = np.abs(run("GroupNormalization", noise, num_groups=200) - exact).max()
    instance = np.abs(run("InstanceNormalization", noise) - exact).max()
    print(f"offset {offset:4}: GroupNormalization off by {group:.0e}, InstanceNormalization by {instance:.0e}")
    ok &= instance < 1e-2 and (offset < 1000 or not group < 0.03)
sys.exit(0 if ok else "behaviour has changed")
PY
