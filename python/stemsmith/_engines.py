"""Where the engines of this Python lie: packages of their own, whose libraries are used as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)  # finds, and imports nothing
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def onnxruntime_library() -> Path | None:
    """libonnxruntime.so of the package onnxruntime (or onnxruntime-gpu, which lies in the same folder)."""
    folder = _folder("onnxruntime")
    return next(iter(sorted(folder.glob("capi/libonnxruntime.so.*"))), None) if folder else None


def settings() -> dict[str, str]:
    """What the environment has to say for the other engines."""
    folder = _folder("openvino")
    return {"STEMSMITH_OPENVINO_DIR": str(folder / "libs")} if folder else {}
