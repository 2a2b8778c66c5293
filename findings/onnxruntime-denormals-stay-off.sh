#!/usr/bin/env bash
# onnxruntime 1.31.1 (CPU), numpy 2.2.6: session.set_denormal_as_zero depends on which session is the process's first.
#
# Expected: an entry of a session's own configuration acts on that session, and ends with it.
# Happens:  on the thread that calls, only the process's first session decides. If that has the entry, the thread that
#           opens it computes without denormals from then on, in all it does, also when the session is deleted; threads
#           that it starts later inherit that, and numpy says that the smallest subnormal is zero. If it has not, a
#           later session with the entry computes with denormals on the calling thread, which does all of the work of
#           a session of one thread and a share of any other.
# Matters:  the entry is the usual remedy for the slow tails of reverb. What a program computes beside, or a model opened
#           without it, gives other numbers by the order in which models were opened, and a second model stays slow. Set
#           the control register (MXCSR, FPCR) around Run() oneself, and put it back there and after opening a session.
#
# Seen: 1e-39 / 2 by numpy and by the session with the entry
#   first session of its process, open:             0e+00  0e+00
#   the same, by numpy after it was deleted:        0e+00
#   the same, by numpy in a thread started then:    0e+00
#   behind a session without the entry:             5e-40  5e-40
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.23.2 numpy==2.2.6
cd "$work"
cat >one.py <<'PY'
import sys
import threading

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "half", "y")]
graph = helper.make_graph([helper.make_node("Mul", ["x", "half"], ["y"])], "g", value[:2], value[2:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
tiny, half = np.full(1, 1e-39, "f4"), np.full(1, 0.5, "f4")


def open_session(denormals_as_zero):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    if denormals_as_zero:
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def show(what, flushed, *results):
    print(f"{what + ':':47} " + "  ".join(f"{float(result[0]):.0e}" for result in results))
    if any((float(result[0]) == 0) != flushed for result in results):
        sys.exit("this has changed")


if sys.argv[1] == "first":
    session = open_session(True)
    show("first session of its process, open", True, tiny * half, session.run(None, {"x": tiny, "half": half})[0])
    del session
    show("the same, by numpy after it was deleted", True, tiny * half)
    result = []
    thread = threading.Thread(target=lambda: result.append(tiny * half))
    thread.start()
    thread.join()
    show("the same, by numpy in a thread started then", True, *result)
else:
    plain = open_session(False)
    session = open_session(True)
    show("behind a session without the entry", False, tiny * half, session.run(None, {"x": tiny, "half": half})[0])
PY
venv/bin/python one.py first
venv/bin/python one.py second
