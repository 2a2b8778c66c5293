"""Weights in both directions: packages of Python's demucs 2 and 4 become checkpoints bit for bit, and Python loads and
runs the packages that `stemsmith export` writes.
"""

import numpy as np
import pytest
import soundfile
import torch
from demucs_packages import MODELS, SAVE, STEMS, assert_same, demucs, imported, python, save, song
from programs import run


@pytest.mark.parametrize("kind", ["whole", "half", "legacy"])
@pytest.mark.parametrize("name", MODELS)
def test_packages_become_checkpoints_bit_for_bit(name, kind, tmp_path):
    expected = save(name, tmp_path, kind)
    report, actual = imported(tmp_path, tmp_path / "model.th")
    assert report["model"] == name and report["stems"] == STEMS
    assert report["segment_frames"] == MODELS[name][2]
    assert_same(actual, expected)


@pytest.mark.parametrize("name", MODELS)
def test_python_loads_what_we_write(name, tmp_path):
    """load_model builds the class from our keyword arguments; the state it holds then is ours."""
    expected = save(name, tmp_path, "whole")
    report, _ = imported(tmp_path, tmp_path / "model.th")
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "repo", "--format", "th", "--name", "sig",
        "--quiet")
    package, = (tmp_path / "repo").glob("sig-*.th")
    python(MODELS[name][0], "model = load_model(sys.argv[1])\n"
           "torch.save(model.state_dict(), sys.argv[2])\n"
           "segment = getattr(model, 'segment_length', None) or int(model.samplerate * model.segment)\n"
           "assert segment == int(sys.argv[3]), segment\n"
           "assert model.sources == STEMS", package, tmp_path / "back.pt", MODELS[name][2])
    assert_same(torch.load(tmp_path / "back.pt"), expected)


def test_safetensors_of_demucs_4_1(tmp_path):
    expected = save("htdemucs", tmp_path, "whole")
    # As the project's own tools/export_hf.py lays them out.
    python(4, """
from safetensors.torch import save_file
import json
package = torch.load(sys.argv[1] + "/model.th", weights_only=False)
encode = lambda value: {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
save_file({name: tensor.contiguous() for name, tensor in package["state"].items()}, sys.argv[1] + "/hub.safetensors",
          metadata={"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps(package["args"]),
                    "kwargs": json.dumps(package["kwargs"], default=encode)})
""", tmp_path)
    report, actual = imported(tmp_path, tmp_path / "hub.safetensors")
    assert report["segment_frames"] == MODELS["htdemucs"][2]
    assert_same(actual, expected)
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "back", "--format", "safetensors", "--name",
        "sig", "--quiet")
    python(4, "from demucs.hf import load_safetensors_model\n"
              "model = load_safetensors_model(sys.argv[1])\n"
              "assert model.segment == Fraction(39, 20)\n"
              "torch.save(model.state_dict(), sys.argv[2])",
           tmp_path / "back" / "sig.safetensors", tmp_path / "back.pt")
    assert_same(torch.load(tmp_path / "back.pt"), expected)


def test_folders_are_taken_for_what_lies_in_them(tmp_path):
    save("demucs_v2", tmp_path, "whole")
    run("stemsmith", "import", tmp_path / "model.th", "--out", tmp_path / "imported")
    for command in (["inspect", tmp_path / "imported"],
                    ["export", tmp_path / "imported", "--out", tmp_path / "exported", "--format", "th,onnx"],
                    ["inspect", tmp_path / "exported"]):
        run("stemsmith", *command)
    assert len(list((tmp_path / "exported").glob("model-*.th"))) == 1  # named as the file, not as its folder
    song(tmp_path / "song.wav", 1.2)
    run("separate", tmp_path / "exported", tmp_path / "song.wav", "-o", tmp_path / "stems", "--quiet")
    assert sorted(path.stem for path in (tmp_path / "stems" / "song").iterdir()) == sorted(STEMS)
    result = run("separate", tmp_path / "imported", tmp_path / "song.wav", "-o", tmp_path / "stems", status=1)
    assert "stemsmith export" in result.stderr


def packed(folder, name):
    """A folder with sig-CHECKSUM.th, for Python, and model.onnx and model.ts, for `separate`, of the same weights."""
    save(name, folder, "whole")
    report, _ = imported(folder, folder / "model.th")
    run("stemsmith", "export", report["checkpoint"], "--out", folder / "repo", "--format", "th,onnx,torchscript", "--name",
        "sig", "--quiet")
    return folder / "repo"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("package"), "htdemucs")


@pytest.fixture(scope="module")
def package_of_hdemucs(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("package_of_hdemucs"), "hdemucs")


@pytest.fixture(scope="module")
def package_of_demucs(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("package_of_demucs"), "demucs")


def stems_in(folder):
    return np.array([soundfile.read(folder / f"{stem}.wav")[0] for stem in STEMS])


def assert_every_engine_gives(expected, model, tmp_path, *options):
    """`separate` of song.wav in all engines, within 1e-4 of the peak of the expected stems, as far as these go."""
    peak = np.abs(expected).max()
    assert peak > 1e-3
    for engine in ("onnxruntime", "openvino", "torchscript"):
        run("separate", model, tmp_path / "song.wav", "-o", tmp_path / engine, "--bits", "32f", "--quiet", "--threads", 1,
            "--engine", engine, *options)
        largest = np.abs(stems_in(tmp_path / engine / "song")[:, : expected.shape[1]] - expected).max()
        print(f"{engine}: {largest / peak:.1e} of the peak")
        assert largest <= 1e-4 * peak, engine


@pytest.mark.parametrize("seconds", [5.1, 1.2, 3.9])
def test_python_separates_with_our_package_as_we_do(seconds, package, tmp_path):
    """demucs' command with a package of ours against `separate` with exported files of the same weights."""
    assert_every_engine_gives(separated_by_python(package, seconds, tmp_path), package, tmp_path)


# Segments of 1.5 s begin every 49612 frames, and the last is as long as what is left: much, and less than the STFT's window.
@pytest.mark.parametrize("frames", [224_910, 52_920, 2 * 49_612 + 700, 1000])
def test_python_separates_with_our_package_of_hdemucs_as_we_do(frames, package_of_hdemucs, tmp_path):
    assert_every_engine_gives(separated_by_python(package_of_hdemucs, frames / 44100, tmp_path), package_of_hdemucs, tmp_path)


# Python fills up each segment with the audio around it to a length that the strides divide.
@pytest.mark.parametrize("frames", [224_910, 52_920, 2 * 49_612 + 700, 1000])
def test_python_separates_with_our_package_of_demucs_as_we_do(frames, package_of_demucs, tmp_path):
    assert_every_engine_gives(separated_by_python(package_of_demucs, frames / 44100, tmp_path), package_of_demucs, tmp_path)


def test_segments_of_demucs_have_any_length(package_of_demucs, tmp_path):
    expected = separated_by_python(package_of_demucs, 2.7, tmp_path, "--segment", "1", "--overlap", "0.4")
    assert_every_engine_gives(expected, package_of_demucs, tmp_path, "--segment", "1", "--overlap", "0.4")


def separated_by_python(package, seconds, tmp_path, *options):
    song(tmp_path / "song.wav", seconds)
    demucs("--repo", package, "-n", "sig", "--shifts", "0", "--float32", "--clip-mode", "none", "-d", "cpu", "-o",
           tmp_path / "python", tmp_path / "song.wav", *options)
    return stems_in(tmp_path / "python" / "sig" / "song")


def test_shifts_are_those_of_python(package, tmp_path):
    """The offsets that demucs draws, given to `separate`; and the same mean whichever way they are given."""
    song(tmp_path / "song.wav", 3.9)
    offsets = [5000, 0, 22050, 17]
    python(4, f"""
import random
offsets = iter({offsets})
random.randint = lambda low, high: next(offsets) if (low, high) == (0, 22050) else 1 / 0
from demucs.separate import main
main(sys.argv[1:])
""", "--repo", package, "-n", "sig", "--shifts", str(len(offsets)), "--float32", "--clip-mode", "none", "-d", "cpu", "-o",
           tmp_path / "python", tmp_path / "song.wav")
    run("separate", package / "model.onnx", tmp_path / "song.wav", "-o", tmp_path / "plain", "--bits", "32f", "--quiet", "--threads", 1)
    expected = stems_in(tmp_path / "python" / "sig" / "song")
    # Or nothing would be shown.
    assert np.abs(stems_in(tmp_path / "plain" / "song") - expected).max() > 1e-3 * np.abs(expected).max()
    assert_every_engine_gives(expected, package, tmp_path, "--shift-frames", ",".join(map(str, offsets)))


def test_a_bag_separates_alike(tmp_path):
    for index in (1, 2):
        folder = tmp_path / str(index)
        folder.mkdir()
        python(4, SAVE.replace("MODEL", MODELS["htdemucs"][1]).replace("manual_seed(3)", f"manual_seed({index})"),
               folder, "whole")
        (folder / "model.th").rename(tmp_path / f"m{index}.th")
    (tmp_path / "both.yaml").write_text("models: ['m1', 'm2']\nweights: [\n  [1., 1., 0., 0.],\n  [0., 1., 1., 3.],\n]\n")
    report, _ = imported(tmp_path, tmp_path / "both.yaml")
    assert report["model"] == "bag"
    run("stemsmith", "export", report["checkpoint"], "--out", tmp_path / "repo", "--format", "th,onnx,torchscript", "--name",
        "pair", "--quiet")
    song(tmp_path / "song.wav", 2.3)
    stems = {}
    for name, repo in (("both", tmp_path), ("pair", tmp_path / "repo")):
        demucs("--repo", repo, "-n", name, "--shifts", "0", "--float32", "--clip-mode", "none", "-d", "cpu", "-o",
               tmp_path / "python", tmp_path / "song.wav")
        stems[name] = stems_in(tmp_path / "python" / name / "song")
    assert np.abs(stems["both"] - stems["pair"]).max() <= 1e-6 * np.abs(stems["both"]).max()
    assert_every_engine_gives(stems["both"], tmp_path / "repo", tmp_path)
    assert_every_engine_gives(stems["both"], tmp_path / "repo", tmp_path, "--stems", "vocals")
