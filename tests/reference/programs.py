"""Runs the programs of this build."""

import os
import subprocess

BIN = os.environ["STEMSMITH_BIN_DIR"]


def run(program, *arguments, status=0):
    # The models and settings of who runs the tests are none of theirs.
    environment = {"XDG_DATA_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", **os.environ}
    result = subprocess.run([os.path.join(BIN, program), *map(str, arguments)], capture_output=True, text=True, env=environment)
    assert result.returncode == status, f"{program} {arguments}: {result.stdout}\n{result.stderr}"
    return result
