"""Every format of `separate --format` in the readers of others: ffprobe, ffmpeg, soundfile and stempeg."""

import json
import os
import subprocess

import ffmpeg
import numpy as np
import pytest
import soundfile
import stempeg
from programs import BIN, run

RATE, FRAMES = 44100, 100003
# Ending, codec as ffprobe calls it, sample rate, and whether soundfile reads it.
FORMATS = {
    "wav": (".wav", "pcm_s16le", 44100, True),
    "rf64": (".rf64", "pcm_s16le", 44100, True),
    "w64": (".w64", "pcm_s16le", 44100, True),
    "flac": (".flac", "flac", 44100, True),
    "alac": (".m4a", "alac", 44100, False),
    "mp3": (".mp3", "mp3", 44100, True),
    "ogg": (".ogg", "vorbis", 44100, True),
    "opus": (".opus", "opus", 48000, True),
    "m4a": (".m4a", "aac", 44100, False),
    "stem.mp4": (".stem.mp4", "aac", 44100, False),
}


def tones():
    seconds = np.arange(FRAMES) / RATE
    audio = np.stack([0.4 * np.sin(2 * np.pi * hz * seconds) for hz in (440, 660)], axis=1)
    audio[:5000] = 0
    return audio


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A song and a model whose one stem is the song itself."""
    folder = tmp_path_factory.mktemp("formats")
    soundfile.write(folder / "song.wav", tones(), RATE, subtype="FLOAT")
    subprocess.run([os.path.join(BIN, "make_tiny_onnx"), folder / "model.onnx", str(RATE)], check=True)
    return folder


# A file of stems holds four of them.
FOUR = [word for mix in "abcd" for word in ("--mix", f"{mix}=mixture")]


def separated(work, name, *arguments):
    out = work / f"out-{name}{''.join(arguments)}"
    if not out.exists():
        run("separate", work / "model.onnx", work / "song.wav", "-o", out, "--format", name, "--quiet",
            *(FOUR if name == "stem.mp4" else []), *arguments)
    ending = FORMATS[name][0]
    return out / f"song{ending}" if name == "stem.mp4" else out / "song" / f"mixture{ending}"


def expect_audio(audio, rate, tolerance_db=-25, most=0):
    """`audio` is the song at `rate`, `most` frames longer at the most."""
    frames = round(FRAMES * rate / RATE)
    assert frames <= len(audio) <= frames + most
    seconds = np.arange(frames) / rate
    for channel, hz in enumerate((440, 660)):
        wanted = 0.4 * np.sin(2 * np.pi * hz * seconds)
        inside = slice(frames // 5, frames - 2000)
        error = audio[:frames, channel][inside] - wanted[inside]
        # A shift by one sample would leave -24 dB at 440 Hz.
        assert 10 * np.log10(np.mean(error**2) / np.mean(wanted[inside] ** 2) + 1e-20) < tolerance_db


def decoded(path, stream=0):
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", f"0:a:{stream}", "-f", "f32le", "-"],
                         capture_output=True, check=True)
    assert raw.stderr == b""
    return np.frombuffer(raw.stdout, "<f4").reshape(-1, 2)


def test_every_format_is_known_here():
    """A format that is added is tested here, too."""
    text = run("separate", "--help").stdout
    assert all(f"{name} (" in " ".join(text.split()) for name in FORMATS)
    result = run("separate", "model", "song", "-o", "out", "--format", "none", status=2)
    assert result.stderr.split("known: ")[1].strip() == ", ".join(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_ffprobe_and_ffmpeg(work, name):
    path = separated(work, name)
    _, codec, rate, _ = FORMATS[name]
    probe = ffmpeg.probe(str(path))
    assert len(probe["streams"]) == (5 if name == "stem.mp4" else 1)
    for index, stream in enumerate(probe["streams"]):
        assert (stream["codec_name"], stream["sample_rate"], stream["channels"]) == (codec, str(rate), 2)
        if codec in ("aac", "alac"):
            assert float(stream["start_time"]) == 0 and stream["duration_ts"] == FRAMES
        # Up to version 8.1 ffmpeg gives the last AAC block whole, although the file tells its end.
        expect_audio(decoded(path, index), rate, most=1023 if codec == "aac" else 0)


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row[3]])
def test_soundfile(work, name):
    audio, rate = soundfile.read(separated(work, name), always_2d=True)
    assert (rate, audio.shape[1]) == (FORMATS[name][2], 2)
    expect_audio(audio, rate)


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "flac"])
@pytest.mark.parametrize("bits, subtype", [("16", "PCM_16"), ("24", "PCM_24"), ("32f", "FLOAT")])
def test_bits(work, name, bits, subtype):
    if (name, bits) == ("flac", "32f"):
        return
    path = separated(work, name, *([] if bits == "16" else ["--bits", bits]))
    assert soundfile.info(path).subtype == subtype
    step = {"16": 2.0**-15, "24": 2.0**-23, "32f": 0}[bits]
    # The model's arithmetic is float32.
    assert np.abs(soundfile.read(path)[0] - tones()).max() <= step / 2 + 2e-7


def test_alac_of_24_bits(work):
    path = separated(work, "alac", "--bits", "24")
    assert ffmpeg.probe(str(path))["streams"][0]["bits_per_raw_sample"] == "24"
    assert np.abs(decoded(path) - tones()).max() <= 2.0**-24 + 2e-7


def test_stems_of_alac(work):
    path = separated(work, "stem.mp4", "--bits", "16")
    assert [stream["codec_name"] for stream in ffmpeg.probe(str(path))["streams"]] == 5 * ["alac"]
    assert np.abs(decoded(path, 3) - tones()).max() <= 2.0**-16 + 2e-7
    assert stempeg.read_stems(str(path))[0].shape == (5, FRAMES, 2)


def test_bit_rates(work):
    for name, kbps in (("mp3", 128), ("mp3", 256), ("m4a", 64), ("opus", 64), ("ogg", 96)):
        size = separated(work, name, "--bitrate", str(kbps)).stat().st_size
        assert size * 8 / (FRAMES / RATE) < 1.3e3 * kbps, (name, kbps)
    assert ffmpeg.probe(str(separated(work, "mp3", "--bitrate", "256")))["streams"][0]["bit_rate"] == "256000"


def test_stempeg(work):
    path = separated(work, "stem.mp4")
    info = stempeg.Info(str(path))
    assert info.nb_audio_streams == 5
    assert info.title_streams == ["mixture", *"abcd"]
    stems, rate = stempeg.read_stems(str(path))
    assert rate == RATE and stems.shape[0] == 5 and stems.shape[2] == 2
    for stem in stems:
        expect_audio(stem, RATE, most=1023)


def test_the_stem_atom_as_native_instruments_has_it(work):
    """The same place and keys as in the file that stempeg brings along."""

    def atom(path):
        data = open(path, "rb").read()
        begin, end = 0, len(data)
        for kind in (b"moov", b"udta", b"stem"):
            while data[begin + 4:begin + 8] != kind:
                begin += int.from_bytes(data[begin:begin + 4], "big")
                assert begin < end, kind
            begin, end = begin + 8, begin + int.from_bytes(data[begin:begin + 4], "big")
        return json.loads(data[begin:end])

    ours, theirs = atom(separated(work, "stem.mp4")), atom(stempeg.example_stem_path())
    assert ours.keys() == theirs.keys()
    assert ours["version"] == theirs["version"]
    assert {stem.keys() == theirs["stems"][0].keys() for stem in ours["stems"]} == {True}
    for part in ("compressor", "limiter"):
        assert ours["mastering_dsp"][part].keys() == theirs["mastering_dsp"][part].keys()
    assert len(ours["stems"]) == len(theirs["stems"]) == 4


@pytest.fixture(scope="module")
def tagged(work):
    """Songs with tags, and a cover where the format has one."""
    tags = ["-metadata", "title=Söng", "-metadata", "artist=Sömeone", "-metadata", "album=Album", "-metadata", "date=1999",
            "-metadata", "genre=Pop"]
    command = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*command, "-f", "lavfi", "-i", "color=red:size=32x32:duration=0.04", "-frames:v", "1", work / "cover.png"],
                   check=True)
    subprocess.run([*command, "-i", work / "song.wav", *tags, work / "tagged.wav"], check=True)
    for ending in ("ogg", "opus"):
        subprocess.run([*command, "-i", work / "tagged.wav", work / f"tagged.{ending}"], check=True)
    for ending in ("mp3", "flac", "m4a"):
        subprocess.run([*command, "-i", work / "tagged.wav", "-i", work / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy",
                        "-disposition:v", "attached_pic", work / f"tagged.{ending}"], check=True)
    return work


@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "m4a", "ogg", "opus"])
@pytest.mark.parametrize("name", FORMATS)
def test_tags_and_covers_are_copied(tagged, name, ending):
    out = tagged / f"tags-{name}-{ending}"
    run("separate", tagged / "model.onnx", tagged / f"tagged.{ending}", "-o", out, "--format", name, "--quiet",
        *(FOUR if name == "stem.mp4" else []))
    whole = name == "stem.mp4"
    probe = ffmpeg.probe(str(out / "tagged.stem.mp4" if whole else out / "tagged" / f"mixture{FORMATS[name][0]}"))
    tags = {**probe["streams"][0].get("tags", {}), **probe["format"].get("tags", {})}
    tags = {key.lower(): value for key, value in tags.items()}
    wanted = {"title": "Söng" if whole else "Söng (mixture)", "artist": "Sömeone", "album": "Album", "date": "1999", "genre": "Pop"}
    assert {key: tags.get(key) for key in wanted} == (dict.fromkeys(wanted) if name == "w64" else wanted)
    pictures = [stream for stream in probe["streams"] if stream["disposition"]["attached_pic"]]
    assert len(pictures) == (name in ("flac", "alac", "mp3", "m4a", "stem.mp4") and ending in ("mp3", "flac", "m4a"))
    if name in ("mp3", "flac") and ending == "flac":  # the audio is where the header says, behind the picture
        expect_audio(decoded(out / "tagged" / f"mixture.{name}"), RATE)
