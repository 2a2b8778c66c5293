"""The SLAKH layout of `stemsmith synth` in the readers of others: PyYAML, soundfile, mido, and ffmpeg's loudness meter."""

import json
import math
import re
import subprocess

import mido
import numpy as np
import pytest
import soundfile
import yaml
from programs import run

SONGS, SECONDS, RATE = 4, 10, 44100


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("slakh")
    run("stemsmith", "synth", out, "--layout", "slakh", "--songs", SONGS, "--seconds", SECONDS, "--seed", 9, "--quiet")
    return out


@pytest.fixture(scope="module")
def tracks(root):
    found = sorted(root.glob("*/Track*"))
    assert len(found) == SONGS
    return [(folder, yaml.safe_load((folder / "metadata.yaml").read_text())) for folder in found]


def test_tracks_lie_in_slakhs_splits(root):
    places = {"train": "train", "valid": "validation", "test": "test"}
    listed = json.loads((root / "synth.json").read_text())["songs"]
    for i, song in enumerate(listed):
        assert (root / places[song["split"]] / f"Track{i + 1:05d}" / "mix.flac").is_file()


def test_stems_sum_to_the_mix(tracks):
    for folder, metadata in tracks:
        mix, rate = soundfile.read(folder / "mix.flac")
        assert rate == RATE and mix.shape == (SECONDS * RATE,)
        assert soundfile.info(folder / "mix.flac").subtype == "PCM_16"
        rendered = [key for key, stem in metadata["stems"].items() if stem["audio_rendered"]]
        total = sum(soundfile.read(folder / "stems" / f"{key}.flac")[0] for key in rendered)
        assert np.abs(total - mix).max() < 1e-3
        assert np.abs(mix).max() <= 10 ** (metadata["target_peak"] / 20) + 1e-4


def test_loudness_is_what_ffmpeg_measures(tracks):
    for folder, metadata in tracks:
        wanted = metadata["normalization_factor"] + 20 * math.log10(metadata["overall_gain"])
        for key, stem in metadata["stems"].items():
            if not stem["audio_rendered"]:
                continue
            meter = subprocess.run(["ffmpeg", "-nostats", "-i", folder / "stems" / f"{key}.flac", "-af", "ebur128",
                                    "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
            # The summary has one decimal.
            measured = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", meter)[-1])
            assert abs(measured - wanted) < 0.2, (folder, key)


def test_midi_files_hold_the_instruments(tracks):
    for folder, metadata in tracks:
        song = mido.MidiFile(folder / "all_src.mid")
        assert song.type == 1 and len(song.tracks) == len(metadata["stems"]) + 1
        assert song.length < SECONDS + 10
        for track, (key, stem) in zip(song.tracks[1:], metadata["stems"].items()):
            program = next(message for message in track if message.type == "program_change")
            notes = [message for message in track if message.type == "note_on"]
            assert notes and all(message.velocity > 0 for message in notes)
            assert (program.channel == 9) == stem["is_drum"]
            if not stem["is_drum"]:
                assert program.program == stem["program_num"]
            path = folder / "MIDI" / f"{key}.mid"
            assert path.is_file() == stem["midi_saved"]
            if path.is_file():
                single = mido.MidiFile(path)
                assert [message for message in single.tracks[1] if message.type == "note_on"
                        ] == [message.copy(channel=single_channel(single)) for message in notes]


def single_channel(midi):
    return next(message.channel for message in midi.tracks[1] if message.type == "program_change")


def test_notes_start_where_the_stem_sounds(tracks):
    """Before an instrument's first note its audio is silent; soon after it is not."""
    for folder, metadata in tracks:
        for key, stem in metadata["stems"].items():
            if not stem["audio_rendered"]:
                continue
            now, first = 0.0, None
            for message in mido.MidiFile(folder / "MIDI" / f"{key}.mid"):
                now += message.time
                if message.type == "note_on":
                    first = now
                    break
            audio, _ = soundfile.read(folder / "stems" / f"{key}.flac")
            loud = np.abs(audio).max()
            onset = int(first * RATE)
            assert np.abs(audio[: max(0, onset - 2000)]).max(initial=0) < 0.02 * loud, (folder, key)
            assert np.abs(audio[onset : onset + RATE]).max() > 0.02 * loud, (folder, key)
