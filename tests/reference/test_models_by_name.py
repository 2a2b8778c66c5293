"""Models by name: `separate NAME`, the settings file, `register`, and what is said where a model is not whole."""

import os
import subprocess

import numpy as np
import soundfile
from programs import BIN
from published_models import assert_here, place, small  # noqa: F401 (fixtures)


def test_a_song_is_split_by_a_name(place):
    said = place.run("separate", "htdemucs", "song.wav", status=1)
    assert "stemsmith download htdemucs" in said and place.server.requests == []  # nothing unasked
    said = place.download()
    assert "licence: MIT" in said and "separate htdemucs SONG" in said
    assert_here(place)["origin"] == "catalogue"
    place.run("separate", "htdemucs", "song.wav")
    stems = sorted(file.name for file in (place.folder / "work/stems/song").iterdir())
    assert stems == ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]
    # The same stems as the package gives when it is imported by hand.
    (place.folder / place.file).write_bytes(place.content)
    place.run("stemsmith", "import", place.folder / place.file, "--out", place.folder / "by_hand")
    place.run("stemsmith", "export", place.folder / "by_hand", "--out", place.folder / "exported", "--format", "onnx")
    place.run("separate", place.folder / "exported", "song.wav", "-o", "by_hand")
    for stem in stems:
        ours, theirs = (soundfile.read(place.folder / "work" / folder / "song" / stem)[0] for folder in ("stems", "by_hand"))
        assert np.array_equal(ours, theirs), stem
    # The only model needs no name; a second download finds it.
    place.run("separate", "song.wav", "-o", "again")
    assert (place.folder / "work/again/song/drums.wav").exists()
    before = len(place.server.requests)
    assert "there already" in place.download() and len(place.server.requests) == before


def test_download_flag_and_settings_file(place):
    place.run("separate", "--download", "htdemucs", "song.wav", "-o", "out")
    assert (place.folder / "work/out/song/vocals.wav").exists()
    settings = place.folder / ".config/stemsmith/separate.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('default-model = "htdemucs"\nformat = "flac"\n')
    place.run("separate", "song.wav", "-o", "flac")
    assert (place.folder / "work/flac/song/vocals.flac").exists()
    settings.write_text("formt = 1\n")
    said = place.run("separate", "song.wav", status=2)
    assert f"{settings}, line 1" in said and "did you mean 'format'?" in said


def test_words(place):
    place.download()
    (place.folder / "work/htdemucs").mkdir()
    said = place.run("separate", "htdemucs", "song.wav", status=2)
    assert "--model htdemucs" in said and "./htdemucs" in said
    place.run("separate", "--model", "htdemucs", "song.wav")
    (place.folder / "work/htdemucs").rmdir()
    assert "did you mean 'htdemucs'?" in place.run("separate", "htdemuc", "song.wav", status=2)
    assert "two of the words are models" in place.run("separate", "htdemucs", "umxhq", "song.wav", status=2)
    assert "'mdx_extra'" in place.run("separate", "mdx_extra_q", "song.wav", status=2)
    assert "no songs" in place.run("separate", "htdemucs", status=2)
    assert "'htdemucs'" in place.run("stemsmith", "download", "packed", status=2)
    assert "did you mean 'htdemucs'?" in place.run("stemsmith", "download", "htdemus", status=2)
    listed = place.run("stemsmith", "models", "--catalogue")
    assert "* htdemucs" in listed and "not supported: its weights are packed; take htdemucs" in listed


def test_register(place):
    place.download("--keep-checkpoint")
    checkpoint = place.model / "checkpoint.safetensors"
    place.run("stemsmith", "register", checkpoint, "--name", "mine", "--licence", "CC0")
    assert "--replace" in place.run("stemsmith", "register", place.model, "--name", "mine", status=2)
    place.run("stemsmith", "register", place.model, "--name", "mine", "--replace")
    assert "published model" in place.run("stemsmith", "register", place.model, "--name", "umxl", status=2)
    assert "no name" in place.run("stemsmith", "register", place.model, "--name", "../mine", status=2)
    place.run("separate", "mine", "song.wav", "--stems", "bass")
    assert [file.name for file in (place.folder / "work/stems/song").iterdir()] == ["bass.wav"]
    said = place.run("separate", "song.wav", status=2)
    assert "no model is named" in said and "htdemucs, mine" in said


def test_homes_without_models(place):
    """A model file needs no home; a damaged entry is named."""
    place.download()
    place.run("separate", place.model, "song.wav", "-o", "first")
    (place.model / "entry.json").write_text("{")
    said = place.run("separate", "htdemucs", "song.wav", status=1)
    assert "entry.json is no JSON object" in said and "stemsmith download htdemucs" in said
    del place.environment["HOME"]
    place.run("separate", place.model / "model.onnx", "song.wav", "-o", "second")
    assert "XDG_DATA_HOME" in place.run("stemsmith", "register", place.model, "--name", "x", status=2)
    place.environment["HOME"] = str(place.folder)
    assert "a song" in place.run("stemsmith", "register", "song.wav", "--name", "x", status=1)


def test_separate_knows_the_own_catalogue(place):
    text = (place.folder / "catalogue.yaml").read_text()
    (place.folder / "catalogue.yaml").write_text(text.replace("  htdemucs:", "  choir:"))
    said = place.run("separate", "choir", "song.wav", status=1)
    assert "stemsmith download choir" in said and place.server.requests == []
    assert "did you mean 'choir'?" in place.run("separate", "chior", "song.wav", status=2)
    assert "its weights are packed" in place.run("separate", "packed", "song.wav", status=2)
    assert "env -u STEMSMITH_CATALOGUE stemsmith download umxhq" in place.run("separate", "umxhq", "song.wav", status=1)
    place.run("separate", "--download", "choir", "song.wav")
    assert (place.folder / "work/stems/song/drums.wav").exists()


def test_damaged_models_are_told(place):
    place.download()
    entry, model = place.model / "entry.json", place.model / "model.onnx"
    whole = entry.read_bytes()
    for break_it, what in [(lambda: entry.unlink(), "entry.json is missing"), (lambda: entry.write_text("["), "no JSON object"),
                           (lambda: model.write_bytes(b""), "model.onnx is empty"), (lambda: model.unlink(), "model.onnx is missing"),
                           (lambda: model.mkdir(), "model.onnx is a folder")]:
        break_it()
        said = place.run("separate", "htdemucs", "song.wav", status=1)
        assert f"'htdemucs' is damaged ({what}" in said.replace("entry.json is no JSON", "no JSON"), said
        assert "stemsmith download htdemucs --again" in said
        entry.write_bytes(whole)
    assert "is damaged" in place.run("separate", "song.wav", status=2)
    place.download("--again")
    place.run("separate", "htdemucs", "song.wav")


def test_register_says_what_cannot_be_written_and_leaves_nothing(place):
    place.download()
    model = place.folder / "copied.onnx"
    model.write_bytes((place.model / "model.onnx").read_bytes())
    for name in ("Mine", "HTDEMUCS"):
        status = 0 if name == "Mine" else 2
        said = place.run("stemsmith", "register", model, "--name", name, status=status)
    assert "'htdemucs' in capital letters alone" in said
    assert "'Mine'" in place.run("stemsmith", "register", model, "--name", "mine", status=2)
    program = os.path.join(BIN, "stemsmith")
    result = subprocess.run(f"ulimit -f 100 && '{program}' register '{model}' --name big", shell=True, text=True,
                            cwd=place.folder / "work", env=place.environment, capture_output=True)
    assert result.returncode == 1 and "models/big/model.onnx" in result.stderr and "ulimit -f" in result.stderr, result.stderr
    assert str(model) not in result.stderr
    assert list((place.folder / ".local/share/stemsmith/downloads").iterdir()) == []
