"""The cache of `stemsmith prepare` as docs/cache_format.md tells h5py users to read it."""

import json
import re
import subprocess

import h5py
import numpy as np
import pytest
import soundfile
from programs import run

RATE, SECONDS = 44100, 3
STEMS = ["bass", "drums"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two songs of noise in 16 bits; in the second, drums are silent for the first second."""
    root = tmp_path_factory.mktemp("songs")
    random = np.random.default_rng(5)
    for name in ["one", "two"]:
        (root / name).mkdir()
        for stem in STEMS:
            audio = random.integers(-9000, 9000, (SECONDS * RATE, 2)).astype(np.int16)
            if name == "two" and stem == "drums":
                audio[:RATE] = 0
            soundfile.write(root / name / f"{stem}.wav", audio, RATE, subtype="PCM_16")
    return root


def prepare(songs, out, *options):
    run("stemsmith", "prepare", "folders", songs, "--out", out, "--quiet", *options)
    return h5py.File(out)


def source(songs, song, stem):
    audio, rate = soundfile.read(songs / song / f"{stem}.wav", dtype="float64")
    assert rate == RATE
    return audio


def audio_of(cache, song):
    """{stem: [T, C] as stored}, and the song's group."""
    group = cache[f"tracks/{song}"]
    stems = json.loads(group.attrs["stems"])
    stored = group["audio"][()]
    channels = stored.shape[1] // len(stems)
    return {stem: stored[:, i * channels : (i + 1) * channels] for i, stem in enumerate(stems)}, group


@pytest.mark.parametrize("compression", [0, 1, 9])
@pytest.mark.parametrize("name,kind", [("int16", np.int16), ("float16", np.float16), ("float32", np.float32)])
def test_h5py_reads_every_sample_type(songs, tmp_path, name, kind, compression):
    with prepare(songs, tmp_path / "cache.h5", "--format", name, "--compression", str(compression)) as cache:
        assert json.loads(cache["index"][()])["stems"] == ["drums", "bass"]
        for song in ["one", "two"]:
            stems, group = audio_of(cache, song)
            assert group["audio"].dtype == np.dtype(kind).newbyteorder("<")
            assert group["audio"].shuffle == (compression > 0)
            assert group["audio"].compression_opts == (compression or None)
            for stem, stored in stems.items():
                want = source(songs, song, stem)
                if kind == np.float16:  # numpy rounds to nearest even as well
                    np.testing.assert_array_equal(stored, want.astype(np.float16))
                else:
                    np.testing.assert_array_equal(stored * float(group.attrs["scale"][0]), want)


def test_loudness_is_that_of_ffmpeg(songs, tmp_path):
    with prepare(songs, tmp_path / "cache.h5") as cache:
        for track in json.loads(cache["index"][()])["tracks"]:
            for stem, loudness in zip(["drums", "bass"], track["loudness_lufs"], strict=True):
                meter = subprocess.run(
                    ["ffmpeg", "-nostats", "-i", songs / track["name"] / f"{stem}.wav", "-af", "ebur128", "-f", "null",
                     "-"], capture_output=True, text=True)
                # The last figure is that of the whole file, with one digit behind the point.
                integrated = re.findall(r"I:\s+(-?[0-9.]+) LUFS", meter.stderr)[-1]
                assert abs(loudness - float(integrated)) < 0.11
