"""Runs the programs of this build."""

import os
import subprocess

BIN = os.environ["STEMSMITH_BIN_DIR"]


def run(program, *arguments, status=0):
    result = subprocess.run([os.path.join(BIN, program), *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == status, f"{program} {arguments}: {result.stdout}\n{result.stderr}"
    return result
