"""Models, and the stems of songs, as Python objects over the C interface."""

from __future__ import annotations

import ctypes
import difflib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref, c_void_p
from types import FrameType, TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _library
from ._library import Error, Library, WrongUse

Path = str | os.PathLike[str]
Audio = NDArray[np.float32]
# A preset ("2stem", "4stem"), a stem, a mix ("karaoke=drums+bass+other"); or several stems and mixes; None: all stems.
StemConfig = str | Sequence[str] | None
_PRESETS = ("2stem", "4stem")
# Called with frames that are done, and all of them (None: not known). What it raises ends the work.
Progress = Callable[[int, int | None], object]


class Stems(dict[str, Audio]):
    """Audio by name: float32 [channels, frames], full scale -1 to 1."""

    def __init__(self, sample_rate: int, stems: Iterable[tuple[str, Audio]]) -> None:
        super().__init__(stems)
        self.sample_rate = sample_rate
        """In Hz."""


def _path(path: Path) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise WrongUse(f"no file can be called {os.fspath(path)!r}")
    return encoded


def _whole(name: str, number: float) -> int:
    """Of what other libraries give: 44100.0 is a rate, too."""
    whole = isinstance(number, (int, float, np.integer, np.floating)) and not isinstance(number, bool) and np.isfinite(number)
    if not whole or number != int(number) or abs(number) >= 2**31:
        raise WrongUse(f"{name} is {number!r}, not a whole number")
    return int(number)


def _frames(count: int) -> int | None:
    return count if count >= 0 else None


def _addresses(audio: Iterable[Audio]) -> ctypes.Array[c_void_p]:
    """Of each channel of each array [channels, frames]."""
    channels = [channel.ctypes.data for array in audio for channel in array]
    return (c_void_p * len(channels))(*channels)


@contextmanager
def _interrupts_into(raised: list[BaseException]) -> Iterator[None]:
    """Keeps what Ctrl-C raises. Python notices it where a callback begins, before any `try` of it, and would lose it."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    call = handler

    def keep(number: int, frame: FrameType | None) -> None:
        try:
            call(number, frame)
        except BaseException as error:
            raised.append(error)

    signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


class StemStream(Iterator[Stems]):
    """The stems of a song, block by block and in constant memory. One thread at a time."""

    def __init__(self, library: Library, song: c_void_p, block_frames: int, source: object) -> None:
        self._library = library
        self._song = song
        self._source = source  # lives as long
        self.names = [library.song_stem(song, index).decode() for index in range(library.song_stem_count(song))]
        self.sample_rate: int = library.song_sample_rate(song)
        """Of the song, and of each stem, in Hz."""
        self.channels: int = library.song_channels(song)
        self.frames = _frames(library.song_frames(song))
        """How many will come: an estimate where the file does not say exactly, None where it does not say at all."""
        self._block = [np.empty((self.channels, block_frames), np.float32) for _ in self.names]

    def __next__(self) -> Stems:
        """The next frames of every stem; only the last block is shorter."""
        if not self._song:
            raise StopIteration
        count = ctypes.c_size_t()
        self._library.song_read(self._song, _addresses(self._block), self._block[0].shape[1], byref(count))
        if count.value == 0:
            self.close()
            raise StopIteration
        return Stems(self.sample_rate, zip(self.names, (stem[:, : count.value].copy() for stem in self._block)))

    def read_all(self, progress: Progress | None = None) -> Stems:
        """All that has not been read yet, as one."""
        stems: list[Audio] = [np.empty((self.channels, self.frames or 0), np.float32) for _ in self.names]
        done = 0
        if progress:
            progress(done, self.frames)
        for block in self:
            count = next(iter(block.values())).shape[1]
            if done + count > stems[0].shape[1]:
                stems = [np.concatenate([stem[:, :done], np.empty((self.channels, done + count), np.float32)], axis=1)
                         for stem in stems]
            for stem, more in zip(stems, block.values()):
                stem[:, done : done + count] = more
            done += count
            if progress:
                progress(done, self.frames)
        if done < stems[0].shape[1]:
            stems = [stem[:, :done].copy() for stem in stems]
        return Stems(self.sample_rate, zip(self.names, stems))

    def close(self) -> None:
        song, self._song = self._song, c_void_p()
        self._library.song_close(song)

    def __enter__(self) -> StemStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_song"):
            self.close()


class StemSplitter:
    """A model, and the songs that it splits. Many threads may use one; their computations take turns.

    model       a model.onnx that `stemsmith export` wrote, or its folder
    manifest    a JSON file that describes the model where it is an ONNX file of another program; None: NAME.json
                beside NAME.onnx
    threads     compute threads; 0: one per core
    device      "auto", "cpu" or "cuda"
    engine      "auto", "onnxruntime" or "openvino"; None: the library's default
    precision   "float32", "bfloat16" or "int8"; None: the library's default
    cache       a folder where compiled models are kept, so that they start faster the next time; None: none
    overlap     the share of a segment that neighbours have in common, in [0, 1): more is smoother and slower; None: what
                the model advises

    Raises Error, and WrongUse for arguments that make no sense; so do all methods.
    """

    def __init__(self, model: Path, *, threads: int = 0, device: str = "auto", engine: str | None = None,
                 precision: str | None = None, cache: Path | None = None, overlap: float | None = None,
                 manifest: Path | None = None) -> None:
        self._library = library = _library.load()
        if overlap is not None and not (isinstance(overlap, (int, float)) and 0 <= overlap < 1):
            raise WrongUse(f"the overlap is {overlap!r}\n  give a share of the segment from 0 to below 1")
        self._overlap = overlap
        self._model = c_void_p()
        with self._options(None) as options:
            library.options_set_threads(options, _whole("threads", threads))
            library.options_set_device(options, device.encode())
            for name, choice in (("engine", engine), ("precision", precision), ("cache_folder", cache), ("manifest", manifest)):
                if choice is None:
                    continue
                setter = getattr(library, f"options_set_{name}", None)
                if setter is None:
                    raise WrongUse(f"this build of the library has no choice of: {name}")
                setter(options, _path(choice))
            library.model_open(_library.VERSION, _path(model), options, byref(self._model))
        self.name: str = library.model_name(self._model).decode()
        self.stems = [library.model_stem(self._model, index).decode()
                      for index in range(library.model_stem_count(self._model))]
        self.sample_rate: int = library.model_sample_rate(self._model)
        """What the model computes with, in Hz. Songs may have any rate and channels; stems have those of their song."""
        self.channels: int = library.model_channels(self._model)
        self.segment_frames: int = library.model_segment_frames(self._model)

    def split_tracks(self, song: Path, stem_config: StemConfig = None, *, progress: Progress | None = None) -> Stems:
        """The stems of a file, at its rate, channels and length.

        stem_config   None: all of the model's. A preset, "2stem" (vocals, no_vocals) or "4stem"; a stem; a mix, such as
                      "karaoke=drums+bass+other" or "instrumental=mixture-vocals"; or a list of stems and mixes
        """
        with self.stream(song, stem_config) as stream:
            return stream.read_all(progress)

    def split_array(self, audio: ArrayLike, sample_rate: int, stem_config: StemConfig = None, *,
                    progress: Progress | None = None) -> Stems:
        """The stems of audio in memory: floats [channels, frames] (or [frames], of one channel), full scale -1 to 1."""
        samples = np.asarray(audio)
        if samples.ndim not in (1, 2) or samples.dtype.kind != "f":
            raise WrongUse(f"audio of {samples.dtype} {list(samples.shape)}\n  give floats [channels, frames], full scale -1 to 1")
        samples = np.ascontiguousarray(np.atleast_2d(samples), np.float32)
        song = c_void_p()
        with self._options(stem_config) as options:
            self._library.song_open_buffers(self._opened(), _addresses([samples]), *samples.shape,
                                            _whole("the sample rate", sample_rate), options, byref(song))
        with StemStream(self._library, song, 16384, samples) as stream:
            return stream.read_all(progress)

    def split_file(self, song: Path, folder: Path, stem_config: StemConfig = None, *, format: str = "wav", bits: int = 0,
                   progress: Progress | None = None) -> None:
        """Writes FOLDER/STEM.wav, or another format of `separate --help`, exactly as the command does.

        The stems appear together, when all are complete; older files of these names are replaced.

        bits   per sample: 16, 24, or 32 for float; 0: what the format has
        """
        raised: list[BaseException] = []

        def tell(user: object, done: int, total: int, sample_rate: int) -> int:
            try:
                if progress:
                    progress(done, _frames(total))
            except BaseException as error:
                raised.append(error)
            return len(raised)

        callback = _library.Progress(tell)
        with self._options(stem_config) as options:
            self._library.options_set_format(options, format.encode(), _whole("bits", bits))
            self._library.options_set_progress(options, callback, None)
            try:
                with _interrupts_into(raised):
                    self._library.separate_file(self._opened(), _path(song), _path(folder), options)
            except Error:
                if not raised:
                    raise
        if raised:
            raise raised[0]

    def stream(self, song: Path, stem_config: StemConfig = None, *, block_frames: int = 16384) -> StemStream:
        """The stems of a file, block by block and in constant memory:

            for block in splitter.stream("song.mp3"):
                block["vocals"]  # the next frames, float32 [channels, block_frames]
        """
        if _whole("block_frames", block_frames) < 1:
            raise WrongUse(f"blocks of {block_frames} frames")
        opened = c_void_p()
        with self._options(stem_config) as options:
            self._library.song_open(self._opened(), _path(song), options, byref(opened))
        return StemStream(self._library, opened, int(block_frames), None)

    def close(self) -> None:
        """Streams that are open stay so."""
        model, self._model = self._model, c_void_p()
        self._library.model_close(model)

    def __enter__(self) -> StemSplitter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_model"):
            self.close()

    def _opened(self) -> c_void_p:
        if not self._model:
            raise WrongUse("the splitter is closed")
        return self._model

    @contextmanager
    def _options(self, stem_config: StemConfig) -> Iterator[c_void_p]:
        library = self._library
        options = c_void_p(library.options_create())
        try:
            if self._overlap is not None:
                library.options_set_overlap(options, self._overlap)
            chosen = [stem_config] if isinstance(stem_config, str) else stem_config
            if isinstance(stem_config, str) and stem_config not in self.stems and "=" not in stem_config:
                self._require_preset(stem_config)
                library.options_set_preset(options, stem_config.encode())
                chosen = None
            if chosen is not None:
                if not chosen:
                    raise WrongUse("no stem is chosen\n  give None for all")
                mixes = [name for name in chosen if "=" in name and name not in self.stems]
                stems = [name.encode() for name in chosen if name not in mixes]
                library.options_set_stems(options, (ctypes.c_char_p * len(stems))(*stems), len(stems))
                for mix in mixes:
                    library.options_add_mix(options, mix.encode())
            yield options
        finally:
            library.options_destroy(options)

    def _require_preset(self, word: str) -> None:
        known = [*_PRESETS, *self.stems]
        if word in _PRESETS:
            return
        nearest = difflib.get_close_matches(word, known, 1)
        meant = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise WrongUse(f"{word!r} is neither a preset nor a stem of the model\n  {meant}known: {', '.join(known)}")
