#!/usr/bin/env bash
# torch 2.11.0: settings of cuDNN in a traced convolution.
#
# Expected: whether convolutions may round to TF32 on a GPU, and whether cuDNN tries algorithms, is a setting of the program
#           that runs the model: torch.backends.cudnn.allow_tf32 and .benchmark, or at::globalContext() in C++.
# Happens:  tracing writes both into each convolution as constants, as they were in the program that traced. By default TF32 is
#           allowed: for the traced file it stays so, also in a program that forbids it. A scripted model follows the program.
# Matters:  an exported separation model is not computed in float32 on a GPU, where its program asked for that. On an H200 the
#           stems of a small U-Net differed from those on a CPU by 9.1e-5 of the peak; by 1.5e-6 once the constants were gone.
#           In C++ replaceConvolutionWithAtenConv() of graph_rewrite_helper.h replaces aten::_convolution by aten::convNd.
#
# Seen: the last four inputs of the traced convolution (benchmark, deterministic, cuDNN enabled, TF32 allowed), and the inputs
#   traced, TF32 allowed     [False, False, True, True]
#   traced, TF32 forbidden   [False, False, True, False]
#   loaded where forbidden   [False, False, True, True]
#   scripted                 aten::conv1d, 7 inputs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.11.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys
import warnings

import torch

warnings.simplefilter("ignore")
model, sound = torch.nn.Conv1d(2, 4, 8, stride=4).eval(), torch.randn(1, 2, 64)


def convolution(graph):
    return next(node for node in graph.nodes() if "conv" in node.kind())


def settings(label, module):
    node = convolution(module.inlined_graph)
    values = [value.toIValue() for value in list(node.inputs())[-4:]]
    print(f"{label:24} {values}")
    return values


torch.backends.cudnn.allow_tf32 = True
allowed = torch.jit.trace(model, sound)
torch.jit.save(allowed, "model.pt")
torch.backends.cudnn.allow_tf32 = False
forbidden = torch.jit.trace(model, sound)
loaded = torch.jit.load("model.pt")
seen = [settings("traced, TF32 allowed", allowed), settings("traced, TF32 forbidden", forbidden),
        settings("loaded where forbidden", loaded)]
scripted = convolution(torch.jit.script(model).inlined_graph)
print(f"{'scripted':24} {scripted.kind()}, {len(list(scripted.inputs()))} inputs")
sys.exit(not (seen[0][3] and not seen[1][3] and seen[2][3] and scripted.kind() == "aten::conv1d"))
PY
