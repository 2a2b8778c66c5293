"""The layouts `moisesdb` and `medleydb` of `stemsmith synth`, read by json, PyYAML and soundfile as the datasets' libraries read them.

Those libraries are in no package index that tests could install them from. This follows what they do: which files make which stem; and these
must add up to what `stemsmith prepare` makes of them.
"""

import json
from collections import defaultdict

import h5py
import numpy as np
import pytest
import soundfile
import yaml
from programs import run

SONGS, SECONDS = 3, 6


def synth(out, layout):
    run("stemsmith", "synth", out, "--layout", layout, "--songs", SONGS, "--seconds", SECONDS, "--seed", 9, "--quiet")
    return out


@pytest.fixture(scope="module")
def moisesdb(tmp_path_factory):
    return synth(tmp_path_factory.mktemp("moisesdb"), "moisesdb")


@pytest.fixture(scope="module")
def medleydb(tmp_path_factory):
    return synth(tmp_path_factory.mktemp("medleydb"), "medleydb")


def prepare(layout, root, out, *options):
    """{split/song: {stem: [T, C]}}"""
    run("stemsmith", "prepare", layout, root, "--out", out, "--splits", root / "splits.json", "--format", "float32", "--quiet", *options)
    songs = {}
    with h5py.File(out) as cache:
        for track in json.loads(cache["index"][()])["tracks"]:
            group = cache["tracks/" + track["name"]]
            audio, stems = group["audio"][()], json.loads(group.attrs["stems"])
            songs[track["split"] + "/" + track["name"]] = {stem: audio[:, 2 * i : 2 * i + 2] for i, stem in enumerate(stems)}
    return songs


def names_in_splits(root):
    return {f"{split}/{name}" for split, names in json.loads((root / "splits.json").read_text()).items() for name in names}


def padded_sum(recordings):
    total = np.zeros((max(len(audio) for audio in recordings), 2))
    for audio in recordings:
        total[: len(audio)] += audio  # mono goes to both channels
    return total


def assert_equal(ours, want):
    assert len(ours) >= len(want)
    np.testing.assert_allclose(ours[: len(want)], want, atol=1e-6)
    assert not ours[len(want) :].any()


@pytest.mark.parametrize("rate", [44100, 48000])
def test_moisesdb_stems_are_the_sums_of_their_recordings(moisesdb, tmp_path, rate):
    """At each rate the stems that have it: the others are resampled."""
    songs = prepare("moisesdb", moisesdb, tmp_path / "cache.h5", "--sample-rate", rate)
    assert set(songs) == names_in_splits(moisesdb)
    compared = 0
    for name, stems in songs.items():
        folder = moisesdb / "moisesdb_v0.1" / name.split("/")[1]
        recordings, rates = defaultdict(list), defaultdict(set)
        for stem in json.loads((folder / "data.json").read_text())["stems"]:
            for track in stem["tracks"]:
                audio, file_rate = soundfile.read(folder / stem["stemName"] / f"{track['id']}.{track['extension']}", always_2d=True)
                key = stem["stemName"].replace("_", " ")
                recordings[key].append(audio)
                rates[key].add(file_rate)
        for stem, audio in stems.items():
            if stem not in recordings:
                assert not audio.any(), stem
            elif rates[stem] == {rate}:
                assert_equal(audio, padded_sum(recordings[stem]))
                compared += 1
    assert compared >= (SONGS if rate == 48000 else 3 * SONGS)


def test_medleydb_stems_are_the_sums_of_their_instruments(medleydb, tmp_path):
    songs = prepare("medleydb", medleydb, tmp_path / "cache.h5", "--metadata", medleydb / "Metadata")
    with h5py.File(tmp_path / "cache.h5") as cache:  # what prepares it again
        assert f"--metadata {medleydb / 'Metadata'}" in json.loads(cache["index"][()])["command"]
    assert set(songs) == names_in_splits(medleydb)
    for name, stems in songs.items():
        name = name.split("/")[1]
        metadata = yaml.safe_load((medleydb / "Metadata" / f"{name}_METADATA.yaml").read_text())
        folder = medleydb / "Audio" / name
        recordings = defaultdict(list)
        for stem in metadata["stems"].values():
            audio, rate = soundfile.read(folder / metadata["stem_dir"] / stem["filename"], always_2d=True)
            assert rate == 44100
            recordings[stem["instrument"]].append(audio)
            for raw in stem["raw"].values():
                assert (folder / metadata["raw_dir"] / raw["filename"]).is_file()
        for instrument, audio in stems.items():
            if instrument in recordings:
                assert_equal(audio, padded_sum(recordings[instrument]))
            else:
                assert not audio.any(), instrument
        assert set(recordings) <= {stem.replace("-", "/") for stem in stems} | set(stems)
