"""The exported files in Python: torch.jit and onnxruntime run them, agree with each other and with `separate`.

The whole road is walked once with each model of the table: songs, cache, two training steps, export. Then Python opens
model.ts and model.onnx by themselves, as another app would. A slow test does it with weights that have learnt.
"""

import functools
import json
import os
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
import tract
import yaml
from model_probe import probe
from programs import run

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
STEMS = ["drums", "bass", "other", "vocals"]
MODELS = {
    "unet": "{name: unet, n_fft: 1024, hop: 256, channels: 4, depth: 3}",
    "unet_magnitudes": "{name: unet, n_fft: 512, hop: 128, channels: 4, depth: 3, mask: none, input: linear, kernel_size: 5, "
                       "position: false, dropout: 0.5}",
    "unet_recurrent": "{name: unet, n_fft: 512, hop: 128, channels: 4, depth: 3, mask: sigmoid, residual: true, "
                      "attention: true, bottleneck: blstm, bottleneck_width: 16}",
    "demucs_v2": "{name: demucs_v2, channels: 4, depth: 4}",
    "open_unmix": "{name: open_unmix, n_fft: 1024, hop: 256, hidden_size: 32, niter: 1}",
    "wave_unet": "{name: wave_unet, channels: 8, depth: 4}",
    "demucs": "{name: demucs, channels: 8, depth: 4, resample: false, norm_starts: 2, dconv_attn: 2, dconv_lstm: 2}",
    "hdemucs": "{name: hdemucs, channels: 8, nfft: 256, depth: 5, norm_starts: 2, dconv_comp: 2, dconv_attn: 3, dconv_lstm: 3}",
    "hdemucs_otherwise": "{name: hdemucs, channels: 8, nfft: 1024, norm_starts: 999, multi_freqs: [0.1, 0.3], cac: false, "
                         "hybrid_old: true}",
    "htdemucs": "{name: htdemucs, channels: 8, nfft: 1024, depth: 3, t_layers: 3, dconv_mode: 3, bottom_channels: 32}",
    "scnet": "{name: scnet, nfft: 1024, hop_size: 256, win_size: 1024, dims: [4, 8, 16], num_dplayer: 2}",
    "scnet_masked": "{name: scnet_masked, nfft: 1024, hop_size: 256, win_size: 1024, dims: [4, 8, 16], num_dplayer: 2}",
    "mdx23c": "{name: mdx23c, n_fft: 1024, hop_length: 256, dim_f: 512, num_channels: 8, growth: 8, num_scales: 2}",
    "bag": "{name: bag, models: [{name: demucs_v2, channels: 4, depth: 3}, {name: wave_unet, channels: 4, depth: 4}], "
           "weights: [[1, 1, 0, 1], [1, 2, 1, 0]]}",
}
# The others are exported for the length that they were trained with.
DYNAMIC = {"demucs", "demucs_v2", "hdemucs", "hdemucs_otherwise", "unet", "unet_magnitudes", "unet_recurrent", "open_unmix",
           "wave_unet", "mdx23c"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    run("stemsmith", "synth", folder / "songs", "--songs", 3, "--seconds", 6, "--seed", 5,
        "--valid-songs", 1, "--test-songs", 1, "--quiet")
    run("stemsmith", "prepare", "folders", folder / "songs", "--out", folder / "cache.h5", "--quiet")
    return folder / "cache.h5"


def train_and_export(name, cache, folder, seconds, steps):
    config = folder / "train.yaml"
    config.write_text(f"dataset: {{cache: '{cache}', segment_seconds: {seconds}}}\n"
                      f"model: {MODELS[name]}\n"
                      f"train: {{steps: {steps}, batch_size: 2, seed: 1, log_every_steps: 2}}\n"
                      f"optimizer: {{lr: 3e-3}}\nvalidate: {{max_segments: 4}}\n")
    run("stemsmith", "train", config, "--run", folder / "run", "--device", "cpu", "--threads", 1,
        "--quiet")
    result = run("stemsmith", "export", folder / "run", "--out", folder, "--json")
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module", params=MODELS)
def exported(request, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, train_and_export(request.param, cache, folder, seconds=0.25, steps=2)


def noise(*shape):
    return (0.2 * np.random.default_rng(7).standard_normal(shape)).astype(np.float32)


def error(a, b):
    return float(np.abs(a - b).max() / np.abs(a).max())


@functools.cache
def session(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])


@functools.cache
def script(folder):
    extra = {"manifest.json": ""}
    module = torch.jit.load(str(folder / "model.ts"), _extra_files=extra)
    return module.eval(), json.loads(extra["manifest.json"])


def test_both_files_hold_the_same_manifest(exported):
    name, folder, report = exported
    manifest = json.loads(session(folder).get_modelmeta().custom_metadata_map["stemsmith.manifest"])
    assert manifest == script(folder)[1] == report["manifest"]
    assert manifest["model"] == re.fullmatch("name: ([a-z0-9_]+)", MODELS[name][1:].split(",")[0]).group(1)
    assert manifest["stems"] == STEMS
    assert manifest["sample_rate_hz"] == 44100
    assert manifest["training"]["step"] == 2


def test_the_onnx_file_is_valid(exported):
    _, folder, report = exported
    frames = "frames" if report["manifest"]["length"]["dynamic"] else report["manifest"]["segment_frames"]
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    # Attention is ONNX Runtime's own operator, which OpenVINO reads too.
    attention = any(node.domain == "com.microsoft" for node in model.graph.node)
    assert {node.op_type for node in model.graph.node if node.domain} == ({"MultiHeadAttention"} if attention else set())
    opsets = [("", 17), ("com.microsoft", 1)] if attention else [("", 17)]
    assert [(item.domain, item.version) for item in model.opset_import] == opsets
    assert model.ir_version == 8
    mix, = model.graph.input
    estimates, = model.graph.output
    dimensions = lambda value: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
    assert (mix.name, estimates.name) == ("mix", "estimates")
    assert dimensions(mix) == ["batch", 2, frames]
    assert dimensions(estimates) == ["batch", len(STEMS), 2, frames]


def test_an_engine_that_knows_nothing_of_us_runs_it(exported):
    """tract, of apps written in Rust."""
    _, folder, report = exported
    manifest = report["manifest"]
    for batch, steps in [(1, 0), *([(2, 3), (1, 4), (1, 5), (1, 6)] if manifest["length"]["dynamic"] else [])]:
        mix = noise(batch, 2, manifest["segment_frames"] + steps * manifest["length"]["multiple_frames"])
        model = tract.onnx().load(folder / "model.onnx")
        model.set_input_fact(0, ",".join(map(str, mix.shape)) + ",f32")
        model.analyse()
        estimates, = model.into_model().into_runnable().run([mix])
        assert error(session(folder).run(None, {"mix": mix})[0], estimates.to_numpy()) <= 1e-4


def test_python_runs_both_alike_at_other_sizes(exported):
    name, folder, report = exported
    manifest = report["manifest"]
    onnx_session, (module, _) = session(folder), script(folder)
    assert manifest["length"]["dynamic"] == (name in DYNAMIC)
    for batch, steps in [(1, 0), (4, 0), (2, 3 if manifest["length"]["dynamic"] else 0)]:
        mix = noise(batch, 2, manifest["segment_frames"] + steps * manifest["length"]["multiple_frames"])
        with torch.no_grad():
            expected = module(torch.from_numpy(mix)).numpy()
        actual, = onnx_session.run(None, {"mix": mix})
        assert expected.shape == (batch, len(STEMS), *mix.shape[1:])
        assert error(expected, actual) < 1e-5


def test_openvino_agrees_with_default_settings(exported):
    """These mean bfloat16 where the processor has AMX."""
    openvino = pytest.importorskip("openvino", reason="no openvino here: ./tools/setup.sh --tests installs it")
    _, folder, report = exported
    mix = noise(1, 2, report["manifest"]["segment_frames"])
    with torch.no_grad():
        expected = script(folder)[0](torch.from_numpy(mix)).numpy()
    actual = openvino.Core().compile_model(folder / "model.onnx", "CPU")(mix)[0]
    assert 10 * np.log10(np.square(expected).sum() / np.square(actual - expected).sum()) >= 40


def test_the_report_states_the_errors(exported):
    _, _, report = exported
    assert {file["format"] for file in report["files"]} == {"torchscript", "onnx"}
    for file in report["files"]:
        assert 0 <= file["largest_error"] <= file["tolerance"]
        assert os.path.getsize(file["path"]) == file["bytes"]


@pytest.mark.parametrize("file", ["model.onnx", "model.ts"])
def test_separate_gives_what_python_gives_for_one_segment(exported, file, tmp_path):
    _, folder, report = exported
    manifest = report["manifest"]
    mix = noise(1, 2, manifest["segment_frames"])
    soundfile.write(tmp_path / "noise.wav", mix[0].T, manifest["sample_rate_hz"], subtype="FLOAT")
    run("separate", folder / file, tmp_path / "noise.wav", "-o", tmp_path / "stems", "--bits", "32f", "--quiet",
        "--device", "cpu", "--threads", 1)
    if file == "model.onnx":
        expected, = session(folder).run(None, {"mix": mix})
    else:
        with torch.no_grad():
            expected = script(folder)[0](torch.from_numpy(mix)).numpy()
    for index, stem in enumerate(STEMS):
        actual, rate = soundfile.read(tmp_path / "stems" / "noise" / f"{stem}.wav", dtype="float32")
        assert rate == manifest["sample_rate_hz"]
        assert np.abs(actual.T - expected[0, index]).max() <= 1e-5 * np.abs(expected).max()


def test_parameters_keep_their_names(exported):
    name, folder, _ = exported
    names = {key for key, _ in script(folder)[0].named_parameters()}
    assert {"unet": "encoder.0.conv.weight", "unet_magnitudes": "decoder.2.conv.weight",
            "unet_recurrent": "bottleneck.blstm.lstm.weight_hh_l0_reverse", "demucs_v2": "encoder.0.0.weight",
            "wave_unet": "encoder.0.conv.weight", "open_unmix": "target_models.drums.fc1.weight",
            "demucs": "encoder.0.3.layers.0.0.weight", "hdemucs": "encoder.0.conv.weight",
            "hdemucs_otherwise": "encoder.0.layers.2.conv.weight", "bag": "models.1.encoder.0.conv.weight",
            "scnet": "encoder.0.SDlayer.convs.2.weight", "scnet_masked": "pos_embed_f",
            "mdx23c": "decoder_blocks.1.tfc_tdf.blocks.0.tdf.2.weight",
            "htdemucs": "crosstransformer.layers.1.cross_attn.in_proj_weight"}[name] in names


def test_weights_beside_the_model_load_in_python_and_in_separate(cache, tmp_path):
    folder = tmp_path
    report = train_and_export("wave_unet", cache, folder, seconds=0.25, steps=1)
    run("stemsmith", "export", folder / "run", "--out", tmp_path / "out", "--format", "onnx", "--onnx-inline-mib", 0, "--quiet")
    manifest = report["manifest"]
    assert os.path.getsize(tmp_path / "out" / "model.onnx.data") > 4096
    onnx.checker.check_model(str(tmp_path / "out" / "model.onnx"))
    mix = noise(1, 2, manifest["segment_frames"])
    expected, = session(folder).run(None, {"mix": mix})
    actual, = session(tmp_path / "out").run(None, {"mix": mix})
    assert np.array_equal(expected, actual)
    soundfile.write(tmp_path / "noise.wav", mix[0].T, manifest["sample_rate_hz"], subtype="FLOAT")
    run("separate", tmp_path / "out" / "model.onnx", tmp_path / "noise.wav", "-o", tmp_path / "stems", "--bits", "32f",
        "--quiet", "--device", "cpu", "--threads", 1)
    stem, _ = soundfile.read(tmp_path / "stems" / "noise" / f"{STEMS[0]}.wav", dtype="float32")
    assert np.abs(stem.T - expected[0, 0]).max() <= 1e-5 * np.abs(expected).max()


def test_nothing_is_left_where_the_source_is_no_checkpoint(tmp_path):
    (tmp_path / "text.safetensors").write_text("not a checkpoint")
    result = run("stemsmith", "export", tmp_path / "text.safetensors", "--out", tmp_path / "out", status=1)
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "model.ts").exists() and not (tmp_path / "out" / "model.onnx").exists()


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    run("stemsmith", "synth", folder / "songs", "--songs", 8, "--seconds", 20, "--seed", 3,
        "--valid-songs", 1, "--test-songs", 1, "--quiet")
    run("stemsmith", "prepare", "folders", folder / "songs", "--out", folder / "cache.h5", "--quiet")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_trained_weights_on_a_song_never_heard(name, songs, tmp_path):
    """Fresh weights give stems near noise. Here models have learnt something, and errors are told by the peaks of the
    stems that they separate from a song."""
    report = train_and_export(name, songs / "cache.h5", tmp_path, seconds=0.75, steps=150)
    losses = [record["loss"] for record in map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
              if record["event"] == "train"]
    learnt = np.mean(losses[-20:]) / np.mean(losses[:2])
    frames = report["manifest"]["segment_frames"]
    mixture, _ = soundfile.read(next((songs / "songs" / "test").iterdir()) / "mixture.wav", dtype="float32", always_2d=True)
    mix = np.stack([mixture[start:start + frames].T for start in (220500, 441000)])
    options = yaml.safe_load(MODELS[name])
    if name == "htdemucs":
        options["segment"] = f"{frames}/44100"
    inputs = {"mix": torch.from_numpy(mix)}
    expected = probe(tmp_path, options.pop("name"), options, STEMS, 2, tmp_path / "run/checkpoints/best.safetensors",
                     inputs)["estimates"].numpy()
    with torch.no_grad():
        figures = {"model.ts": script(tmp_path)[0](inputs["mix"]).numpy()}
    figures["model.onnx"], = session(tmp_path).run(None, {"mix": mix})
    # Of each stem the largest error by its own peak, of all stems the worst.
    by_stem = (0, 2, 3)
    worst = {file: float((np.abs(stems - expected).max(by_stem) / np.abs(expected).max(by_stem)).max())
             for file, stems in figures.items()}
    print(f"{name}: loss {learnt:.2f} of the first; worst error of a stem by its peak:",
          ", ".join(f"{file} {figure:.1e}" for file, figure in worst.items()))
    assert learnt < 0.9
    # These divide the mixture's spectrum by its magnitudes. Near zeros of the spectrum the direction of the quotient is
    # that of rounding, and another Fourier transform rounds otherwise.
    divides = name in ("hdemucs_otherwise", "unet_magnitudes")
    assert worst["model.ts"] <= 1e-5
    assert worst["model.onnx"] <= (1e-4 if divides else 1e-5)
