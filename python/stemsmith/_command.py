"""The command `separate`: the program of this wheel, in place of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from ._engines import onnxruntime_library, settings


def main() -> NoReturn:
    program = Path(__file__).parent / "bin" / "separate"
    engine = onnxruntime_library()
    if engine is None:
        sys.exit("error: ONNX Runtime is not installed\n  pip install onnxruntime")
    # By the name that the program asks for, which no file has. The list splits at spaces and colons: the path of an
    # open file has none.
    path = str(engine)
    if any(mark in path for mark in " \t\n:"):
        file = os.open(path, os.O_RDONLY)
        os.set_inheritable(file, True)
        path = f"/proc/self/fd/{file}"
    preload = [path, *filter(None, [os.environ.get("LD_PRELOAD")])]
    os.execve(program, ["separate", *sys.argv[1:]], {**settings(), **os.environ, "LD_PRELOAD": ":".join(preload)})
