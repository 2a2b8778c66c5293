"""The MUSDB layouts of `stemsmith synth` in the readers of others: the musdb package, stempeg and ffprobe.

A reader and a writer of ours with the same mistake would agree with each other; these would not.
"""

import json
import subprocess

import ffmpeg
import musdb
import numpy as np
import pytest
import soundfile
from programs import run

STEMS = ["mixture", "drums", "bass", "other", "vocals"]  # the order of MUSDB18's streams
SONGS, SECONDS, RATE = 3, 5, 44100


def synth(out, layout):
    run("stemsmith", "synth", out, "--layout", layout, "--songs", SONGS, "--seconds", SECONDS, "--seed", 9, "--quiet")
    return out


@pytest.fixture(scope="module")
def hq(tmp_path_factory):
    return synth(tmp_path_factory.mktemp("musdb18hq"), "musdb18hq")


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return synth(tmp_path_factory.mktemp("musdb18"), "musdb18")


def songs(root):
    """Name to subset, of what synth says that it made."""
    listed = json.loads((root / "synth.json").read_text())["songs"]
    return {song["name"]: "test" if song["split"] == "test" else "train" for song in listed}


def wav(root, track, stem):
    audio, rate = soundfile.read(root / track.subset / track.name / f"{stem}.wav", always_2d=True)
    assert rate == RATE
    return audio


def decibels(signal, other):
    return 10 * np.log10(np.sum(signal**2) / np.sum((signal - other) ** 2))


def test_musdb_loads_the_hq_tree_sample_by_sample(hq):
    database = musdb.DB(root=str(hq), is_wav=True)
    assert {track.name: track.subset for track in database} == songs(hq)
    assert len(database) == SONGS
    assert len(musdb.DB(root=str(hq), is_wav=True, subsets="test")) == 1
    for track in database:
        assert track.rate == RATE
        stems = track.stems  # decoded at every look
        assert stems.shape == (5, SECONDS * RATE, 2)
        for i, stem in enumerate(STEMS):
            np.testing.assert_array_equal(stems[i], wav(hq, track, stem))
        np.testing.assert_array_equal(track.audio, stems[0])
    # Each of these decodes files again: of one song.
    for stem in STEMS[1:]:
        np.testing.assert_array_equal(track.targets[stem].audio, wav(hq, track, stem))
    accompaniment = track.targets["accompaniment"].audio
    np.testing.assert_allclose(accompaniment + track.targets["vocals"].audio, track.audio, atol=1e-9)


def test_musdb_loads_the_stem_files_near_to_the_hq_tree(mp4, hq):
    database = musdb.DB(root=str(mp4))
    assert {track.name: track.subset for track in database} == songs(mp4) == songs(hq)
    for track in database:
        assert track.rate == RATE
        frames = SECONDS * RATE
        stems = track.stems
        # Decoders give the last AAC frame whole.
        assert stems.shape[0] == 5 and stems.shape[2] == 2 and frames <= stems.shape[1] < frames + 1024
        for i, stem in enumerate(STEMS):
            wanted = wav(hq, track, stem)
            # A shift by one sample, or another stem, would be far below this.
            assert decibels(wanted, stems[i, :frames]) > 15, (track.name, stem)
            worse = max(decibels(wanted[8:-8], np.roll(stems[i, :frames], shift, axis=0)[8:-8])
                        for shift in (-2, -1, 1, 2))
            assert decibels(wanted[8:-8], stems[i, 8:frames - 8]) > worse, (track.name, stem)
        mixed = stems[1:, :frames].sum(axis=0)
        assert decibels(stems[0, :frames], mixed) > 15


def test_ffprobe_sees_five_named_aac_streams(mp4):
    for name, subset in songs(mp4).items():
        probe = ffmpeg.probe(str(mp4 / subset / f"{name}.stem.mp4"))
        assert probe["format"]["tags"]["title"] == name
        assert probe["format"]["tags"]["artist"] == "stemsmith"
        assert "creation_time" not in probe["format"]["tags"]
        assert [stream["tags"]["handler_name"] for stream in probe["streams"]] == STEMS
        for i, stream in enumerate(probe["streams"]):
            assert (stream["codec_type"], stream["codec_name"], stream["profile"]) == ("audio", "aac", "LC")
            assert (stream["sample_rate"], stream["channels"]) == (str(RATE), 2)
            # 256 kb/s on average where there is so much to say: simple stems take less.
            assert (230000 if i == 0 else 60000) < int(stream["bit_rate"]) < 282000
            assert float(stream["start_time"]) == 0 and stream["duration_ts"] == SECONDS * RATE
            assert stream["disposition"]["default"] == (i == 0)


def test_ffmpeg_decodes_without_a_complaint(mp4):
    for name, subset in songs(mp4).items():
        result = subprocess.run(["ffmpeg", "-v", "warning", "-i", mp4 / subset / f"{name}.stem.mp4", "-map", "0",
                                 "-f", "null", "-"], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
