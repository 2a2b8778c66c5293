"""libstemsmith.so by ctypes, which lets other threads run during a call: its functions, and its errors as exceptions."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from ._engines import onnxruntime_library, settings

VERSION = 1_000  # 0.1.0, the interface that is declared here
Progress = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64, c_int64, c_int)
Arrays = POINTER(c_void_p)  # an address per array

# Functions that return a code, and functions that return a result, as in stemsmith.h: names without `stemsmith_`.
_CHECKED: dict[str, list[Any]] = {
    "options_set_device": [c_void_p, c_char_p],
    "options_set_threads": [c_void_p, c_int],
    "options_set_stems": [c_void_p, POINTER(c_char_p), c_int],
    "options_set_preset": [c_void_p, c_char_p],
    "options_add_mix": [c_void_p, c_char_p],
    "options_set_overlap": [c_void_p, c_double],
    "options_set_format": [c_void_p, c_char_p, c_int],
    "options_set_progress": [c_void_p, Progress, c_void_p],
    "model_open": [c_int, c_char_p, c_void_p, POINTER(c_void_p)],
    "separate_file": [c_void_p, c_char_p, c_char_p, c_void_p],
    "song_open": [c_void_p, c_char_p, c_void_p, POINTER(c_void_p)],
    "song_open_buffers": [c_void_p, Arrays, c_int, c_size_t, c_int, c_void_p, POINTER(c_void_p)],
    "song_read": [c_void_p, Arrays, c_size_t, POINTER(c_size_t)],
}
# Of these, some builds have none.
_OPTIONAL: dict[str, list[Any]] = {
    "options_set_engine": [c_void_p, c_char_p],
    "options_set_precision": [c_void_p, c_char_p],
    "options_set_cache_folder": [c_void_p, c_char_p],
    "options_set_manifest": [c_void_p, c_char_p],
}
_PLAIN: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "last_error": (c_char_p, []),
    "options_create": (c_void_p, []),
    "options_destroy": (None, [c_void_p]),
    "model_close": (None, [c_void_p]),
    "model_name": (c_char_p, [c_void_p]),
    "model_stem_count": (c_int, [c_void_p]),
    "model_stem": (c_char_p, [c_void_p, c_int]),
    "model_sample_rate": (c_int, [c_void_p]),
    "model_channels": (c_int, [c_void_p]),
    "model_segment_frames": (c_int64, [c_void_p]),
    "song_close": (None, [c_void_p]),
    "song_stem_count": (c_int, [c_void_p]),
    "song_stem": (c_char_p, [c_void_p, c_int]),
    "song_sample_rate": (c_int, [c_void_p]),
    "song_channels": (c_int, [c_void_p]),
    "song_frames": (c_int64, [c_void_p]),
}


class Error(Exception):
    """A file, a model or the machine is not what it must be: says what, where, and what to do."""

    __module__ = "stemsmith"


class WrongUse(Error, ValueError):
    """An argument makes no sense."""

    __module__ = "stemsmith"


class Library:
    """Functions by their names without `stemsmith_`; those that return a code raise instead."""

    def __init__(self, path: Path) -> None:
        os.environ.update({name: value for name, value in settings().items() if name not in os.environ})
        engine = onnxruntime_library()
        try:
            # First, as it has the name that libstemsmith asks for: what is loaded already is not looked for.
            if engine:
                ctypes.CDLL(str(engine))
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise Error(f"the library does not load: {error}" + ("" if engine else "\n  pip install onnxruntime")) from None
        for name, (result, arguments) in _PLAIN.items():
            function = getattr(library, f"stemsmith_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        there = {name: arguments for name, arguments in _OPTIONAL.items() if hasattr(library, f"stemsmith_{name}")}
        for name, arguments in (_CHECKED | there).items():
            function = getattr(library, f"stemsmith_{name}")
            function.restype, function.argtypes, function.errcheck = c_int, arguments, self._check
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this build of the library has no stemsmith_{name}")

    def _check(self, code: int, function: object, arguments: object) -> int:
        if code != 0:
            raise (WrongUse if code == 2 else Error)(self.last_error().decode(errors="replace"))
        return code


@cache
def load() -> Library:
    """The library of this wheel, or the one that STEMSMITH_LIBRARY names."""
    return Library(Path(os.environ.get("STEMSMITH_LIBRARY") or Path(__file__).parent / "lib" / "libstemsmith.so"))


def version() -> str:
    """Of the library, such as "0.1.0"."""
    return str(load().version().decode())
