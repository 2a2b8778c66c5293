"""Splits songs into stems with trained models.

    from stemsmith import StemSplitter

    with StemSplitter("model.onnx") as splitter:
        stems = splitter.split_tracks("song.mp3", "4stem")
    stems["vocals"], stems.sample_rate  # float32 [channels, frames], Hz
"""

from ._library import Error, WrongUse, version
from ._splitter import Stems, StemSplitter, StemStream

__all__ = ["Error", "StemSplitter", "StemStream", "Stems", "WrongUse", "version"]
