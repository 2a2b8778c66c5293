"""TensorBoard itself reads the event files of a training run: every number of metrics.jsonl, the sounds, the pictures.

The run is resumed from a checkpoint before its end, so that its last steps were recorded twice.
"""

import io
import json

import numpy as np
import pytest
import soundfile
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from programs import run

STEMS = ["drums", "bass", "other", "vocals"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run("stemsmith", "synth", folder / "songs", "--songs", 3, "--seconds", 6, "--seed", 5,
        "--valid-songs", 1, "--test-songs", 1, "--quiet")
    run("stemsmith", "prepare", "folders", folder / "songs", "--out", folder / "cache.h5", "--quiet")
    config = folder / "train.yaml"
    config.write_text(f"dataset: {{cache: '{folder}/cache.h5', segment_seconds: 1.0}}\n"
                      "model: {name: unet, n_fft: 512, hop: 256, channels: 4, depth: 3}\n"
                      "train: {steps: 6, batch_size: 2, seed: 1, log_every_steps: 1}\n"
                      "validate: {every_steps: 2, max_segments: 2}\n"
                      "checkpoint: {every_steps: 2}\n"
                      "report: {seconds: 2}\n")
    train = ["train", config, "--run", folder / "run", "--device", "cpu", "--threads", 1, "--quiet"]
    run("stemsmith", *train)
    for name in ("last", "step_000006"):
        (folder / "run/checkpoints" / f"{name}.safetensors").unlink()
    run("stemsmith", *train, "--resume")
    return folder / "run"


@pytest.fixture(scope="module")
def events(trained):
    accumulator = event_accumulator.EventAccumulator(str(trained / "tensorboard"), size_guidance={
        event_accumulator.SCALARS: 0, event_accumulator.IMAGES: 0, event_accumulator.AUDIO: 0})
    return accumulator.Reload()


def test_every_number_is_there_once(trained, events):
    records = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    expected = {}
    for record in records:
        if record["event"] in ("start", "end"):
            continue
        for key, value in record.items():
            values = value if isinstance(value, dict) else {None: value}
            for name, number in values.items():
                if key in ("event", "step") or isinstance(number, bool) or number is None:
                    continue
                tag = f"{record['event']}/{key}" + (f"/{name}" if name else "")
                expected.setdefault(tag, []).append((record["step"], number))
    assert {"train/loss", "train/learning_rate", "train/samples_per_second", "train/data_wait", "validation/loss",
            *(f"validation/sdr_db/{stem}" for stem in STEMS)} <= set(expected)
    assert set(events.Tags()["scalars"]) == set(expected)
    for tag, values in expected.items():
        read = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in read] == [step for step, _ in values], tag
        assert [number for _, number in read] == pytest.approx([number for _, number in values], rel=1e-6), tag
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert len(list((trained / "tensorboard").iterdir())) == 2


def test_sounds_are_those_of_the_excerpts(trained, events):
    index = json.loads((trained / "listen/index.json").read_text())
    song = trained / "listen" / index["songs"][0]["folder"]
    tags = {"audio/mixture", *(f"audio/{stem}/{kind}" for stem in STEMS for kind in ("target", "estimate"))}
    assert set(events.Tags()["audio"]) == tags
    for tag in tags:
        heard = events.Audio(tag)
        # Mixture and targets stay the same: they are there once.
        assert [event.step for event in heard] == ([2, 4, 6] if tag.endswith("estimate") else [2])
        assert heard[-1].content_type == "audio/wav"
        audio, rate = soundfile.read(io.BytesIO(heard[-1].encoded_audio_string), dtype="float32")
        assert (rate, audio.shape) == (44100, (2 * 44100, 2))
        assert (heard[-1].sample_rate, heard[-1].length_frames) == (44100, 2 * 44100)
        name = tag.removeprefix("audio/").replace("/", ".")
        lossy, lossy_rate = soundfile.read(song / f"{name}.ogg", dtype="float32")
        assert (lossy_rate, lossy.shape) == (rate, audio.shape)
        # Vorbis is lossy, but the sound is the same.
        assert np.abs(lossy - audio).max() < 0.2 and np.corrcoef(lossy.ravel(), audio.ravel())[0, 1] > 0.95


def test_pictures_open_and_differ(events):
    tags = {"spectrogram/mixture", *(f"spectrogram/{stem}/{kind}" for stem in STEMS for kind in ("target", "estimate"))}
    assert set(events.Tags()["images"]) == tags
    seen = set()
    for tag in tags:
        event = events.Images(tag)[-1]
        picture = Image.open(io.BytesIO(event.encoded_image_string))
        assert picture.size == (event.width, event.height) == (544, 154)  # the spectrogram with its axes
        # Words beside the axes, dark on white.
        assert np.asarray(picture.convert("L"))[:, :40].min() < 150 and np.asarray(picture.convert("L"))[-16:].min() < 150
        pixels = np.asarray(picture.convert("L"))[6:134, 48:528]
        # Something sounds; a stem alone may be quiet.
        assert pixels.std() > (20 if "mixture" in tag else 1), tag
        seen.add(pixels.tobytes())
    assert len(seen) == len(tags)


def test_a_run_may_do_without(trained, tmp_path):
    config = trained.parent / "train.yaml"
    run("stemsmith", "train", config, "--run", tmp_path / "run", "--device", "cpu", "--threads", 1, "--quiet",
        "--set", "train.steps=2", "report.tensorboard=false", "report.songs=0")
    assert not (tmp_path / "run/tensorboard").exists() and not (tmp_path / "run/listen").exists()
