"""Puts what was built into the wheel: bin/, lib/ and LICENSES/ of the folder that STEMSMITH_TREE names."""

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltFiles(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        tree = os.environ.get("STEMSMITH_TREE") or exit("STEMSMITH_TREE is not set: build the wheel by tools/wheel.sh")
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-linux_x86_64"  # auditwheel finds the one that it deserves
        build_data["force_include"].update({f"{tree}/{folder}": f"stemsmith/{folder}" for folder in ("bin", "lib", "LICENSES")})
