"""Chains give what their steps give one by one, in files."""

import numpy as np
import soundfile
from filter_models import write_model
from programs import run

RATE = 44100


def test_a_chain_is_its_steps_one_by_one(tmp_path):
    write_model(tmp_path / "four.onnx", 1, ["drums", "bass", "vocals", "other"])
    write_model(tmp_path / "lead.onnx", 2, ["lead", "backing"], song_normalization="mean_std")  # reads its input twice
    write_model(tmp_path / "low.onnx", 3, ["kick", "snare"], rate=22050, segment=7000)  # at another rate
    (tmp_path / "chain.yaml").write_text("""
steps:
  - model: four.onnx
  - {model: lead.onnx, input: vocals, stems: {lead: lead, backing: choir}}
  - {model: low.onnx, input: drums}
  - mix: practice=mixture-0.5*lead
  - {model: low.onnx, input: practice, stems: {kick: beat}}
files: [vocals, lead, choir, snare, kick, practice, beat]
""")
    random = np.random.default_rng(5)
    mixture = (0.2 * random.standard_normal((150_001, 2))).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", mixture, RATE, subtype="FLOAT")

    def separate(model, song, out):
        run("separate", *model, song, "-o", tmp_path / out, "--bits", "32f", "--quiet", "--threads", 1, "--tta")
        return {file.stem: soundfile.read(file, dtype="float32")[0] for file in (tmp_path / out / song.stem).iterdir()}

    actual = separate(["--chain", tmp_path / "chain.yaml"], tmp_path / "song.wav", "chain")
    one = separate([tmp_path / "four.onnx"], tmp_path / "song.wav", "one")
    two = separate([tmp_path / "lead.onnx"], tmp_path / "one" / "song" / "vocals.wav", "two")
    three = separate([tmp_path / "low.onnx"], tmp_path / "one" / "song" / "drums.wav", "three")
    practice = mixture - np.float32(0.5) * two["lead"]
    soundfile.write(tmp_path / "practice.wav", practice, RATE, subtype="FLOAT")
    five = separate([tmp_path / "low.onnx"], tmp_path / "practice.wav", "five")
    expected = {"vocals": one["vocals"], "lead": two["lead"], "choir": two["backing"], "snare": three["snare"],
                "kick": three["kick"], "practice": practice, "beat": five["kick"]}
    assert actual.keys() == expected.keys()
    for name, stem in expected.items():
        assert np.abs(actual[name] - stem).max() <= 1e-6, name
