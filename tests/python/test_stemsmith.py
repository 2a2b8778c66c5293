"""The Python package gives what `separate` writes, bit for bit.

Of the build: with python/ in PYTHONPATH and its library in STEMSMITH_LIBRARY. Of an installed wheel: with neither; then
`separate` is the wheel's command, too."""

import gc
import importlib.util
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import stemsmith
from stemsmith import StemSplitter
from stemsmith import _library as library

BIN = pathlib.Path(os.environ["STEMSMITH_BIN_DIR"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEEL = "STEMSMITH_LIBRARY" not in os.environ
SEPARATE = pathlib.Path(sys.executable).parent / "separate" if WHEEL else BIN / "separate"


def write_wav(path, audio, rate):
    """Floats [channels, frames]."""
    data = audio.T.astype("<f4").tobytes()
    channels = len(audio)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, channels, rate, rate * 4 * channels,
                         4 * channels, 32, b"data", len(data))
    path.write_bytes(header + data)


def read_wav(path):
    content, chunks, at = path.read_bytes(), {}, 12
    while at + 8 <= len(content):
        size = struct.unpack_from("<I", content, at + 4)[0]
        chunks[content[at : at + 4]] = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    kind, channels = struct.unpack_from("<HH", chunks[b"fmt "])
    assert kind in (3, 0xFFFE), "float, by itself or in the extensible form"
    return np.frombuffer(chunks[b"data"], "<f4").reshape(-1, channels).T


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    subprocess.run([BIN / "make_tiny_onnx", folder / "model.onnx", "44100", "0.5", "-0.25", "0.125", "0.9", "0.3"], check=True)
    random = np.random.default_rng(1)
    write_wav(folder / "stereo.wav", random.uniform(-0.7, 0.7, (2, 70001)), 44100)
    write_wav(folder / "mono.wav", random.uniform(-0.7, 0.7, (1, 50000)), 32000)
    write_wav(folder / "short.wav", random.uniform(-0.7, 0.7, (2, 1)), 44100)
    subprocess.run(["ffmpeg", "-v", "error", "-i", folder / "stereo.wav", folder / "song.mp3"], check=True)
    return folder


@pytest.fixture
def splitter(place):
    with StemSplitter(place / "model.onnx", threads=1) as opened:
        yield opened


def by_command(place, out, song, *options):
    """What `separate` writes, by name."""
    result = subprocess.run([SEPARATE, place / "model.onnx", place / song, "-o", out, "--bits", "32f", "--threads", "1", *options],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {file.stem: read_wav(file) for file in (out / song.split(".")[0]).iterdir()}


def expect_same(stems, expected, song_rate):
    assert sorted(stems) == sorted(expected)
    assert stems.sample_rate == song_rate
    for name, audio in stems.items():
        assert audio.dtype == np.float32
        np.testing.assert_array_equal(audio, expected[name], err_msg=name)


def test_says_what_the_model_is(splitter):
    assert splitter.stems == ["drums", "bass", "other", "vocals", "stem5"]
    assert (splitter.sample_rate, splitter.channels) == (44100, 2)
    assert splitter.segment_frames > 0 and splitter.name


def test_versions_agree():
    version = re.search(r"project\(stemsmith VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    assert stemsmith.version() == version
    assert library.VERSION == sum(int(part) * 1000**place for place, part in enumerate(reversed(version.split("."))))


@pytest.mark.parametrize("song, rate", [("stereo.wav", 44100), ("mono.wav", 32000), ("short.wav", 44100), ("song.mp3", 44100)])
def test_all_stems_are_those_of_separate(place, splitter, tmp_path, song, rate):
    stems = splitter.split_tracks(place / song)
    assert list(stems) == splitter.stems
    expect_same(stems, by_command(place, tmp_path, song), rate)


@pytest.mark.parametrize("config, options", [
    ("2stem", ["--preset", "2stem"]),
    ("4stem", ["--preset", "4stem"]),
    ("vocals", ["--stems", "vocals"]),
    ("karaoke=drums+bass+other", ["--mix", "karaoke=drums+bass+other"]),
    (["vocals", "bass"], ["--stems", "vocals,bass"]),
    (("rest=mixture-0.5*vocals", "bass"), ["--stems", "bass", "--mix", "rest=mixture-0.5*vocals"]),
])
def test_chosen_stems_are_those_of_separate(place, splitter, tmp_path, config, options):
    expected = by_command(place, tmp_path, "stereo.wav", *options)
    expect_same(splitter.split_tracks(place / "stereo.wav", stem_config=config), expected, 44100)
    with splitter.stream(place / "stereo.wav", config) as stream:
        assert sorted(stream.names) == sorted(expected)


@pytest.mark.parametrize("word, message", [
    ("voc", "did you mean 'vocals'"), ("4stm", "did you mean '4stem'"), ("piano", "known: 2stem, 4stem, drums"),
])
def test_a_misspelt_stem_is_told_what_was_meant(place, splitter, word, message):
    with pytest.raises(stemsmith.WrongUse, match=f"'{word}' is neither a preset nor a stem") as error:
        splitter.split_tracks(place / "stereo.wav", word)
    assert message in str(error.value)


def test_presets_are_those_of_separate():
    help_text = subprocess.run([SEPARATE, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"{preset} (" in help_text for preset in stemsmith._splitter._PRESETS)


def test_a_wider_overlap_is_that_of_separate(place, tmp_path):
    with StemSplitter(place / "model.onnx", threads=1, overlap=0.6) as splitter:
        expect_same(splitter.split_tracks(place / "stereo.wav"), by_command(place, tmp_path, "stereo.wav", "--overlap", "0.6"), 44100)


def test_blocks_add_up_to_the_song(place, splitter):
    whole = splitter.split_tracks(place / "mono.wav", "2stem")
    with splitter.stream(place / "mono.wav", "2stem", block_frames=7000) as stream:
        assert (stream.names, stream.sample_rate, stream.channels, stream.frames) == (["vocals", "no_vocals"], 32000, 1, 50000)
        blocks = list(stream)
    assert [block["vocals"].shape[1] for block in blocks] == 7 * [7000] + [1000]
    assert next(stream, None) is None
    for name in whole:
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks], axis=1), whole[name])


def test_a_stream_outlives_its_splitter_and_may_be_left(place):
    splitter = StemSplitter(place / "model.onnx")
    stream = splitter.stream(place / "stereo.wav", "vocals", block_frames=100)
    splitter.close()
    del splitter
    gc.collect()
    assert next(stream)["vocals"].shape == (2, 100)
    stream.close()
    stream.close()
    assert list(stream) == []


def test_arrays(place, splitter):
    for song in ("stereo.wav", "mono.wav"):
        audio, expected = read_wav(place / song), splitter.split_tracks(place / song)
        expect_same(splitter.split_array(audio, expected.sample_rate), expected, expected.sample_rate)
        expect_same(splitter.split_array(np.asfortranarray(audio).astype(np.float64), expected.sample_rate), expected, expected.sample_rate)
    expect_same(splitter.split_array(audio[0], 32000), expected, 32000)
    assert splitter.split_array(np.empty((2, 0), np.float32), 44100)["bass"].shape == (2, 0)
    expect_same(splitter.split_array(audio[0], 32000.0), expected, 32000)
    # What it gives is its own.
    audio = np.zeros((2, 1000), np.float32)
    stems = splitter.split_array(audio, 44100)
    audio[:] = 1
    assert not stems["vocals"].any()


def test_files_are_those_of_separate(place, splitter, tmp_path):
    for config, options in ((None, []), ("2stem", ["--preset", "2stem"])):
        splitter.split_file(place / "stereo.wav", tmp_path / "ours", config, format="flac", bits=24)
        subprocess.run([SEPARATE, place / "model.onnx", place / "stereo.wav", "-o", tmp_path, "--format", "flac", "--bits", "24",
                        "--threads", "1", *options], check=True, capture_output=True)
        files = sorted(file.name for file in (tmp_path / "stereo").iterdir())
        assert files == sorted(file.name for file in (tmp_path / "ours").iterdir())
        for name in files:
            assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "stereo" / name).read_bytes(), name


def each_way(splitter, song, tmp_path, progress):
    yield lambda: splitter.split_tracks(song, progress=progress)
    yield lambda: splitter.split_array(read_wav(song), 44100, progress=progress)
    yield lambda: splitter.split_file(song, tmp_path / "out", progress=progress)


def test_progress(place, splitter, tmp_path):
    seen = []
    for split in each_way(splitter, place / "stereo.wav", tmp_path, lambda *step: seen.append(step)):
        seen.clear()
        split()
        assert seen[0] == (0, 70001) and seen[-1] == (70001, 70001)
        assert seen == sorted(seen) and len(seen) > 3


class Enough(BaseException):
    pass


def test_what_progress_raises_ends_the_work(place, splitter, tmp_path):
    def tell(done, total):
        if done > 0:
            raise Enough

    for split in each_way(splitter, place / "stereo.wav", tmp_path, tell):
        with pytest.raises(Enough):
            split()
    assert not (tmp_path / "out").exists()
    splitter.split_tracks(place / "stereo.wav")


def test_ctrl_c_ends_the_work(place, splitter, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    for split in each_way(splitter, place / "stereo.wav", tmp_path, lambda done, total: signal.raise_signal(signal.SIGINT)):
        with pytest.raises(KeyboardInterrupt):
            split()
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_threads_share_a_splitter(place, splitter):
    expected = splitter.split_tracks(place / "stereo.wav")
    results = []
    threads = [threading.Thread(target=lambda: results.append(splitter.split_tracks(place / "stereo.wav"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for result in results:
        expect_same(result, expected, 44100)


def test_errors_say_what_to_do(place, splitter, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    (tmp_path / "song.wav").write_bytes(b"no song")
    for model in (tmp_path / "none.onnx", tmp_path / "model.onnx"):
        with pytest.raises(stemsmith.Error, match=re.escape(str(model))):
            StemSplitter(model)
    for song in (tmp_path / "none.wav", tmp_path / "song.wav"):
        for split in (splitter.split_tracks, splitter.stream, lambda song: splitter.split_file(song, tmp_path / "out")):
            with pytest.raises(stemsmith.Error, match=re.escape(str(song))) as raised:
                split(song)
            assert not isinstance(raised.value, ValueError)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("config, says", [
    ("5stem", "4stem"),
    (["vocal"], "vocals"),
    ([], "None for all"),
    ("karaoke=drum", "drums"),
    (["bass=drums"], "name of a stem"),
])
def test_stems_that_nobody_has(place, splitter, config, says):
    with pytest.raises(stemsmith.WrongUse, match=says):
        splitter.split_tracks(place / "stereo.wav", config)


def test_wrong_use(place, splitter, tmp_path):
    song = place / "stereo.wav"
    ints = np.zeros((2, 100), np.int16)
    for wrong, says in [
        (lambda: StemSplitter(place / "model.onnx", device="tpu"), "tpu"),
        (lambda: StemSplitter(place / "model.onnx", threads=-1), "threads"),
        (lambda: StemSplitter(place / "model.onnx", threads="two"), "'two'"),
        (lambda: StemSplitter(place / "model.onnx", overlap=1.0), "overlap"),
        (lambda: StemSplitter(place / "model.onnx", overlap=-1), "overlap is -1"),
        (lambda: splitter.split_tracks("a\0b"), "no file can be called"),
        (lambda: splitter.split_array(ints, 44100), "int16"),
        (lambda: splitter.split_array(np.zeros((1, 2, 3)), 44100), r"\[1, 2, 3\]"),
        (lambda: splitter.split_array(np.zeros((44100, 2)), 44100), "44100 channels"),
        (lambda: splitter.split_array(np.zeros((2, 100)), 0), "0 Hz"),
        (lambda: splitter.split_array(np.zeros((2, 100)), 44100.5), "44100.5"),
        (lambda: splitter.split_array(np.zeros((2, 100)), float("inf")), "inf"),
        (lambda: splitter.split_file(song, tmp_path, bits="32f"), "bits is '32f'"),
        (lambda: splitter.stream(song, block_frames=0), "0 frames"),
        (lambda: splitter.split_file(song, tmp_path, format="tape"), "tape"),
        (lambda: StemSplitter(place / "model.onnx", manifest=tmp_path / "m.json"), "holds its manifest itself"),
    ]:
        with pytest.raises(stemsmith.WrongUse, match=says) as raised:
            wrong()
        assert isinstance(raised.value, ValueError)
    splitter.close()
    splitter.close()
    with pytest.raises(stemsmith.WrongUse, match="closed"):
        splitter.split_tracks(song)


def test_engines_are_chosen_where_the_library_lets_choose(place):
    for option, choice, function in (("engine", "onnxruntime", "engine"), ("precision", "float32", "precision"), ("cache", "", "cache_folder")):
        if hasattr(library.load(), f"options_set_{function}"):
            StemSplitter(place / "model.onnx", **{option: choice}).close()
        else:
            with pytest.raises(stemsmith.WrongUse, match=function):
                StemSplitter(place / "model.onnx", **{option: choice})


def test_openvino_is_found_where_its_package_lies(place, splitter):
    if not hasattr(library.load(), "options_set_engine") or not importlib.util.find_spec("openvino"):
        pytest.skip("no OpenVINO")
    with StemSplitter(place / "model.onnx", engine="openvino") as other:
        stems = other.split_tracks(place / "stereo.wav")
    for name, audio in splitter.split_tracks(place / "stereo.wav").items():
        np.testing.assert_allclose(stems[name], audio, atol=1e-6)


def test_a_library_that_is_not_there(tmp_path):
    with pytest.raises(stemsmith.Error, match="libnone.so"):
        library.Library(tmp_path / "libnone.so")


@pytest.mark.skipif(not WHEEL, reason="the command belongs to the wheel")
def test_the_command_is_the_program_of_this_version():
    for command in ([SEPARATE], [sys.executable, "-m", "stemsmith"]):
        assert subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1] == stemsmith.version()
    assert subprocess.run([SEPARATE, "--nonsense"], capture_output=True).returncode == 2
