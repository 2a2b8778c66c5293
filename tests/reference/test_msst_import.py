"""Checkpoints of Music-Source-Separation-Training and of the packages around it, with the configurations that lie beside
them: `stemsmith import` makes of each the model that its package computes.
"""

import hashlib
import json
import shutil
import time

import pytest
import soundfile
import torch
import yaml
from demucs_packages import read_tensors
from model_probe import fresh_state, music, probe, relative_error
from msst_files import (BS_BANDS, TABLE, prefixed, save_safetensors, save_weights, small, stored, write_yaml, yaml_text)
from programs import run
from roformers import BS_INFER, MEL_INFER, make, original, separate

ROWS = {row.name: row for row in TABLE}
SMALL = {row.name: small(row) for row in TABLE}
# Options that the packages for inference do not have.
BEYOND = {"mlp_expansion_factor", "skip_connection", "use_pope", "linear_transformer_depth"}
NOT_THEIRS = {"stereo", "num_stems"}


def in_package(row):
    return "roformer" in row.kind and not any(row.model.get(key) for key in BEYOND)


def channels_of(row):
    return 2 if row.model.get("stereo", True) else 1


def heads_of(row):
    return 1 if row.target else len(row.stems)


def package_model(row, **noise):
    module = BS_INFER() if row.kind == "bs_roformer" else MEL_INFER()
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in row.model.items()
               if key not in NOT_THEIRS | BEYOND}
    return make(module, options, channels_of(row), heads_of(row), **noise)


def own_state(row, folder):
    """Weights of our own model, whose names and numbers other tests compare with the originals."""
    options = {key: value for key, value in row.model.items() if key != "audio_channels"} | {
        key: value for key, value in row.more.get("audio", {}).items()}
    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    return fresh_state(probe(folder, row.kind, options, [f"s{i}" for i in range(heads_of(row))], channels_of(row), None,
                             {"mix": torch.zeros(1, channels_of(row), 12288)}))


def weights_of(row, folder, **noise):
    return package_model(row, **noise).state_dict() if in_package(row) else own_state(row, folder / "fresh")


def import_all(folder, *files, status=0, options=()):
    result = run("stemsmith", "import", *files, "--out", folder / "imported", "--json", *options, status=status)
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["file"].rsplit("/", 1)[-1].split(".")[0]: line for line in lines}, result.stderr


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """All rows, small, each written as its row says, imported by one command: folder, weights and reports by name."""
    folder = tmp_path_factory.mktemp("table")
    states, files = {}, []
    for name, row in SMALL.items():
        states[name] = weights_of(row, folder)
        files.append(save_weights(folder, name, row.wrapping, states[name]))
        write_yaml(folder / f"{name}.yaml", row)
    reports, _ = import_all(folder, *files)
    return folder, states, reports


def config_of(report):
    return yaml.safe_load(report["model_config"])


@pytest.mark.parametrize("name", SMALL)
def test_the_table_of_configurations(name, table):
    folder, states, reports = table
    row, report = SMALL[name], reports[name]
    assert report["model"] == row.kind
    assert report["stems"] == ([row.target] if row.target else row.stems)
    assert report["channels"] == channels_of(row) and report["sample_rate_hz"] == 44100
    assert report["segment_frames"] == row.more.get("inference", {}).get("chunk_size", row.chunk)
    config = config_of(report)
    for key, value in {**row.model, **row.more.get("audio", {})}.items():
        if key not in ("stereo", "num_stems", "audio_channels", "sample_rate"):
            assert config[key] == value, key
    assert report["source"]["config"]["file"] == f"{name}.yaml" and len(report["source"]["weights"]["sha256"]) == 64
    # Every weight has its value; what is computed is as exact as it can be.
    actual = read_tensors(report["checkpoint"])
    for key, tensor in stored(states[name], row.wrapping).items():
        if not key.endswith(("rotary_embed.freqs", "pope_embed.inv_freqs")):
            assert torch.equal(actual[key], tensor), key
    inspected = json.loads(run("stemsmith", "inspect", report["checkpoint"], "--json").stdout)
    assert inspected["model"] == row.kind and inspected["source"] == report["source"]


@pytest.mark.parametrize("name", [name for name, row in SMALL.items() if in_package(row)])
def test_estimates_are_the_packages(name, table, tmp_path):
    _, states, reports = table
    row = SMALL[name]
    model = package_model(row)
    angles = {key: tensor.clone() for key, tensor in states[name].items() if key.endswith("freqs")}
    model.load_state_dict({**stored(states[name], row.wrapping), **angles})
    mix = music(2, channels_of(row), 16384 + 441)
    options = {**config_of(reports[name]), "zero_dc": False}  # as these packages
    output = probe(tmp_path, options.pop("name"), options, reports[name]["stems"], channels_of(row),
                   tmp_path.__class__(reports[name]["checkpoint"]), {"mix": mix})
    with torch.no_grad():
        error = relative_error(output["estimates"], separate(model, mix))
    print(f"{name}: {error:.1e} of the peak")
    assert error <= 1e-5


# Networks of later versions of the package whose names differ, and what they are here.
VERSIONS = {
    "value_residual": ("0.5.1", "bs_roformer", {}, {"value_residual": True}),
    "linear": ("0.4.1", "mel_band_roformer", {"linear_transformer_depth": 1}, {"linear_transformer_depth": 1}),
    "shifted": ("0.4.1", "mel_band_roformer", {"linear_transformer_depth": 0}, {"linear_transformer_depth": 0}),
}


def version_model(name):
    version, kind, more, _ = VERSIONS[name]
    module = original(version, f"bs_roformer.{kind}")()
    row = SMALL["anvuew" if kind == "bs_roformer" else "kim"]
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in row.model.items()
               if key not in NOT_THEIRS | {"linear_transformer_depth"}}
    return row, make(module, {**options, **more})


@pytest.mark.parametrize("name", VERSIONS)
def test_later_packages(name, tmp_path):
    row, model = version_model(name)
    path = save_weights(tmp_path, name, "plain", model.state_dict())
    write_yaml(tmp_path / f"{name}.yaml", row)
    reports, _ = import_all(tmp_path, path)
    options = {**config_of(reports[name]), "zero_dc": False}
    assert VERSIONS[name][3].items() <= options.items()
    mix = music(2, 2, 16384)
    output = probe(tmp_path, options.pop("name"), options, ["vocals"], 2, tmp_path / "imported" / f"{name}.safetensors",
                   {"mix": mix})
    with torch.no_grad():
        assert relative_error(output["estimates"], separate(model, mix)) <= 1e-5


@pytest.mark.parametrize("name", ["anvuew", "kim", "scnet", "scnet_masked", "drumsep"])
def test_a_song_is_separated(name, table, tmp_path):
    _, _, reports = table
    run("stemsmith", "export", reports[name]["checkpoint"], "--out", tmp_path / "model", "--format", "onnx",
        "--segment-seconds", 1.5, "--quiet")
    soundfile.write(tmp_path / "song.wav", music(1, 2, 40000)[0].T.numpy(), 44100, subtype="FLOAT")
    mix = ["--mix", "other=mixture-vocals", "--stems", "vocals"] if SMALL[name].target else []
    run("separate", tmp_path / "model", tmp_path / "song.wav", "-o", tmp_path / "stems", "--quiet", "--threads", 1, *mix)
    stems = sorted(path.stem for path in (tmp_path / "stems" / "song").iterdir())
    assert stems == sorted(["vocals", "other"] if mix else SMALL[name].stems)
    manifest = json.loads(run("stemsmith", "inspect", tmp_path / "model" / "model.onnx", "--json").stdout)
    assert reports[name]["source"]["config"]["sha256"] in json.dumps(manifest)


def kim(folder, name="kim", wrapping="plain", state=None, **changes):
    """A small model like Kim's with its configuration beside it."""
    path = save_weights(folder, name, wrapping, state or package_model(SMALL["kim"]).state_dict())
    write_yaml(folder / f"{name}.yaml", SMALL["kim"], **changes)
    return path


def refused(folder, path, *options, status=1):
    error = run("stemsmith", "import", path, "--out", folder / "out", *options, status=status).stderr
    assert error.count("\n") == 1, error
    assert not (folder / "out").exists()
    return error.replace(str(folder) + "/", "").strip()


def refused_again(folder, path):
    """Beside what an earlier import of the test wrote."""
    return run("stemsmith", "import", path, "--out", folder / "imported", status=1).stderr.replace(str(folder) + "/", "")


def test_without_a_configuration_the_error_says_what_is_seen_and_what_is_missing(tmp_path):
    path = kim(tmp_path)
    (tmp_path / "kim.yaml").rename(tmp_path / "downloaded.yaml")
    assert refused(tmp_path, path) == (
        'error: the weights are of a model "mel_band_roformer" (1 stem, 2 channels, dim 12, depth 3, num_bands 60, stft_n_fft '
        "2048); only its configuration says the names of the stems and the hop of the STFT (kim.ckpt); give the model with "
        "--config FILE.yaml; beside it lies downloaded.yaml")
    # A few lines are enough.
    (tmp_path / "own.yaml").write_text("model: {name: mel_band_roformer, stft_hop_length: 441}\nstems: [vocals]\n")
    reports, _ = import_all(tmp_path, path, options=["--config", tmp_path / "own.yaml"])
    assert config_of(reports["kim"])["stft_hop_length"] == 441 and config_of(reports["kim"])["dim"] == 12


CONTRADICTIONS = {
    "another_dim": ({"model": {"dim": 512, "depth": 12}},
                    "the configuration is of another model than the weights: dim: 512 in the configuration, 12 in the weights; "
                    "depth: 12 in the configuration, 3 in the weights"),
    "another_architecture": ({"training": {"model_type": "bs_roformer"}},
                             'the configuration is of a model "bs_roformer", the weights are of a model "mel_band_roformer"'),
    "another_network": ({"training": {"model_type": "bandit"}},
                        'the configuration is of a network "bandit", which stemsmith does not have'),
    "another_n_fft": ({"model": {"stft_n_fft": 4096}}, "stft_n_fft: 4096 in the configuration, 2048 in the weights"),
    "mono": ({"model": {"stereo": False}}, "the configuration is of a model of 1 channel, the weights are of 2 (kim.yaml:14)"),
    "no_target": ({"training": {"target_instrument": "null"}},
                  "the weights have 1 stem, the configuration names 2: vocals, other"),
    "another_rate": ({"audio": {"sample_rate": 48000}},
                     "the bands of the weights are those of 44100 Hz, the configuration says 48000 Hz"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_configurations_of_other_models_are_refused(name, tmp_path):
    changes, expected = CONTRADICTIONS[name]
    assert expected in refused(tmp_path, kim(tmp_path, **changes))


def test_stems_of_other_numbers_are_refused(table, tmp_path):
    folder, _, _ = table
    shutil.copy(folder / "mega53.ckpt", tmp_path)
    write_yaml(tmp_path / "mega53.yaml", SMALL["sw6"], model={"mlp_expansion_factor": 2, "num_stems": 53})
    assert ("the weights have 53 stems, the configuration names 6: bass, drums, other, vocals, guitar, piano"
            in refused(tmp_path, tmp_path / "mega53.ckpt"))


def notes_of(folder, path, *options):
    reports, _ = import_all(folder, path, options=options)
    return next(iter(reports.values()))["notes"]


def test_merge_keys_and_numbers_of_yaml_1_1_are_read_as_by_python(tmp_path):
    path = kim(tmp_path)
    (tmp_path / "kim.yaml").write_text(
        "base: &base {stft_hop_length: 512, zero_dc: false, num_bands: 60}\n"
        "model: {<<: *base, stft_hop_length: 0x1b9}\n"
        "common: &common {chunk_size: 44_100, sample_rate: 44100}\n"
        "more: &more {sample_rate: 48000}\n"
        "audio:\n  <<: [*common, *more]\n"
        "training: {<<: {instruments: [vocals, other]}, target_instrument: vocals}\n"
        "inference: {num_overlap: '2'}\n")
    report = next(iter(import_all(tmp_path, path)[0].values()))
    config = config_of(report)
    assert (config["stft_hop_length"], config["zero_dc"]) == (441, False)
    assert (report["segment_frames"], report["sample_rate_hz"], report["stems"]) == (44100, 44100, ["vocals"])
    (tmp_path / "kim.yaml").write_text("model:\n  <<: 3\n  num_bands: 60\n")
    assert "'<<' merges maps alone (kim.yaml:2)" in refused(tmp_path, path, status=2)


def test_configurations_without_training_name_their_stems(tmp_path):
    path = kim(tmp_path)
    text = "model: {num_bands: 60, stft_hop_length: 441}\naudio: {chunk_size: 44100}\n"
    (tmp_path / "kim.yaml").write_text(text)
    assert "add stems: [drums, bass, …]" in refused(tmp_path, path, status=2)
    (tmp_path / "kim.yaml").write_text(text + "stems: [voice]\n")
    assert next(iter(import_all(tmp_path, path)[0].values()))["stems"] == ["voice"]
    (tmp_path / "kim.yaml").write_text(text + "stems: [mixture]\n")
    error = refused_again(tmp_path, path)
    assert "the stem name 'mixture' means the song itself (kim.yaml)" in error


def test_windows_and_hops_that_are_missing_are_said(tmp_path):
    row = SMALL["anvuew"]
    row = row._replace(model={**row.model, "stft_n_fft": 512, "stft_win_length": 512, "freqs_per_bands": [17, 80, 160]})
    path = save_weights(tmp_path, "bs", "plain", package_model(row).state_dict())
    (tmp_path / "bs.yaml").write_text("model: {stft_hop_length: 100}\nstems: [vocals]\n")
    notes = next(iter(import_all(tmp_path, path)[0].values()))["notes"]
    assert "the configuration has no stft_win_length, which weights do not show; 512, that of stft_n_fft, is taken" in notes
    (tmp_path / "bs.yaml").write_text(f"model: {{dim: {row.model['dim']}, stft_win_length: 512}}\nstems: [vocals]\n")
    assert ("the configuration has no stft_hop_length, which weights do not show, and the program's default, 512, is too long "
            "for windows of 512 (bs.yaml:1); add stft_hop_length under model") in refused_again(tmp_path, path)
    (tmp_path / "bs.yaml").write_text("model: {stft_win_length: {frames: 512}}\nstems: [vocals]\n")
    error = run("stemsmith", "import", path, "--out", tmp_path / "imported", status=2).stderr
    assert "error: 'stft_win_length' must be a whole number, not a map (" in error
    (tmp_path / "bs.yaml").write_text("model: {sr: 44100, feature_dim: 256}\nstems: [vocals]\n")
    assert ("the configuration is of another model than bs_roformer, which has none of its options: sr, feature_dim"
            in refused_again(tmp_path, path))


def test_what_the_weights_decide_is_noted(tmp_path):
    notes = notes_of(tmp_path, kim(tmp_path, model={"mask_estimator_depth": 3, "hyperace": "x", "heads": 8}))
    assert ("the weights contradict the configuration, and count: dim_head: " not in str(notes))
    assert ("the weights contradict the configuration, and count: heads: 8 in the configuration, 2 in the weights; "
            "mask_estimator_depth: 3 in the configuration, 2 in the weights") in notes
    assert "keys of the configuration that the model does not have, left out: hyperace" in notes
    path = kim(tmp_path, model={"num_stems": 4}, audio={"num_channels": 1})
    shutil.copy(tmp_path / "kim.yaml", tmp_path / "config_kim.yml")
    others = notes_of(tmp_path, path)
    for key, said, shown in (("num_stems", 4, 1), ("num_channels", 1, 2)):
        assert (f"the weights contradict the configuration, and count: {key}: {said} in the configuration, {shown} in the "
                "weights") in others
    assert f"model taken from {tmp_path / 'kim.yaml'}; not read: config_kim.yml" in others
    assert ('one stem, vocals; separate gives the rest of the song as "other" with --mix \'other=mixture-vocals\'') in notes
    assert "it separates with num_overlap 2, which is --overlap 0.5 of separate" in notes


def test_a_hop_that_does_not_divide_the_segment_is_noted(tmp_path):
    notes = notes_of(tmp_path, kim(tmp_path, model={"stft_hop_length": 512}))
    assert ("the segment of 352800 frames is no multiple of stft_hop_length, 512, but of 441 and 882; weights do not show the "
            "hop: if the stems sound wrong, look for another configuration") in notes
    row = SMALL["kim"]
    row = row._replace(model={key: value for key, value in row.model.items() if key != "stft_hop_length"})
    write_yaml(tmp_path / "kim.yaml", row)
    assert ("the configuration has no stft_hop_length, which weights do not show; 512, the program's default, is taken"
            in notes_of(tmp_path, tmp_path / "kim.ckpt"))


def test_values_that_the_model_refuses_are_said_with_their_line(tmp_path):
    path = kim(tmp_path, model={"stft_hop_length": -5})
    line = 1 + (tmp_path / "kim.yaml").read_bytes().decode().split("\n").index("  stft_hop_length: -5")
    assert f"(kim.yaml:{line})" in refused(tmp_path, path, status=2)
    (tmp_path / "own.yaml").write_text("stems: [vocals]\nmodel:\n  name: mel_band_roformer\n  stft_hop_length: 1e9\n")
    assert "(own.yaml:4)" in refused(tmp_path, path, "--config", tmp_path / "own.yaml", status=2)
    path = kim(tmp_path, model={"stft_hop_length": {"frames": 441}})
    assert "'stft_hop_length' must be a whole number, not a map (kim.yaml" in refused(tmp_path, path, status=2)
    row = SMALL["drumsep"]
    path = save_weights(tmp_path, "drums", "plain", own_state(row, tmp_path / "fresh"))
    write_yaml(tmp_path / "drums.yaml", row, audio={"hop_length": 0})
    line = 1 + (tmp_path / "drums.yaml").read_text().split("\n").index("  hop_length: 0")
    assert f"(drums.yaml:{line})" in refused(tmp_path, path, status=2)


def test_keys_that_stand_twice_stand_for_the_last_as_in_python(tmp_path):
    path = kim(tmp_path)
    text = (tmp_path / "kim.yaml").read_bytes() + b"training: {instruments: [voice, rest], target_instrument: voice}\n"
    (tmp_path / "kim.yaml").write_bytes(text)
    reports, _ = import_all(tmp_path, path)
    assert reports["kim"]["stems"] == ["voice"] == [yaml.load(text, yaml.UnsafeLoader)["training"]["target_instrument"]]
    line = text.count(b"\n")
    assert f"the key 'training' stands twice, and the last one counts: {tmp_path}/kim.yaml:{line}" in reports["kim"]["notes"]
    (tmp_path / "own.yaml").write_text("model: {name: mel_band_roformer}\nstems: [a]\nstems: [b]\n")
    assert ("the key 'stems' stands twice (own.yaml:3); keep one of them"
            in refused(tmp_path, path, "--config", tmp_path / "own.yaml", status=2))


def test_a_target_that_is_no_instrument_is_noted(tmp_path):
    reports, _ = import_all(tmp_path, kim(tmp_path, training={"target_instrument": "voice"}))
    assert reports["kim"]["stems"] == ["voice"]
    assert ('training.target_instrument, "voice", is none of training.instruments (vocals, other): the stem is called so all '
            "the same") in reports["kim"]["notes"]


def test_weights_in_lists_and_tuples_are_found(tmp_path):
    path = kim(tmp_path)
    state = torch.load(path)
    name = "band_split.to_features.0.1.weight"
    for content in [state], (3, state), {"epoch": 3, "models": [state]}, {"state_dict": (state,)}:
        torch.save(content, path)
        reports, _ = import_all(tmp_path, path)
        assert torch.equal(read_tensors(reports["kim"]["checkpoint"])[name], state[name])


def test_weights_beside_others_are_noted(tmp_path):
    path = kim(tmp_path)
    state = torch.load(path)
    averages = {name: 0 * tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "model_state_dict": state, "ema_model": averages, "optimizer_state_dict": {
        "state": {i: {"exp_avg": tensor} for i, tensor in enumerate(state.values())}}}, path)
    reports, _ = import_all(tmp_path, path)
    assert 'the weights under "model_state_dict" are taken; --prefix takes those under "ema_model."' in reports["kim"]["notes"]
    assert read_tensors(reports["kim"]["checkpoint"])["band_split.to_features.0.1.weight"].any()
    reports, _ = import_all(tmp_path, path, options=["--prefix", "ema_model."])
    assert not read_tensors(reports["kim"]["checkpoint"])["band_split.to_features.0.1.weight"].any()
    assert "are taken" not in str(reports["kim"]["notes"])


OTHER_NETWORKS = {
    "a BS-RoFormer with a HyperACE v2 head": ["mask_estimators.0.segm.upsample_head.block1.out_conv.weight"],
    "a BS-RoFormer with a HyperACE head": ["mask_estimators.0.segm.backbone.stem.conv.weight"],
    "a BS-RoFormer with an FNO head": ["mask_estimators.0.to_freqs.0.0.fno_blocks.convs.0.bias"],
    "a BS-RoFormer with the head of Large v2": ["mask_estimators.0.layers.0.0.layers.0.0.norm.gamma"],
    "a Siamese BS-RoFormer": ["layers.0.0.layers.0.0.y_attn.weight"],
    "a RoFormer with hyper-connections (BS-RoFormer 0.6 and later)": ["layers.0.0.layers.0.0.static_alpha"],
    "a Bandit v2": ["band_split.norm_fc_modules.0.combined.0.weight"],
    "a Bandit": ["bsrnn.band_split.norm_fc_modules.0.norm.weight"],
    "a BSRNN": ["bandsequence.bsrnn.0.0.groupnorm.weight"],
    "a VR network of Ultimate Vocal Remover": ["stg1_low_band_net.enc1.conv1.conv.0.weight"],
    "an Apollo": ["net.0.band_net.input_norm.weight"],
    "a BS-Mamba2": ["layers.0.forward_blocks.0.mixer.in_proj.weight"],
    "a Conformer": ["layers.0.0.layers.0.ff1.ff.net.0.gamma"],
    "an SCNet-Tran": ["separation_net.dp_modules.0.time_layer.layers.0.0.norm.gamma"],
    "a Swin-UperNet": ["swin_upernet_model.decode_head.classifier.weight"],
    "a segmentation model (torchseg)": ["unet_model.encoder.conv1.weight"],
    "a Moises-Light": ["dec_heavy_blocks.0.split.weight"],
}


@pytest.mark.parametrize("network", OTHER_NETWORKS)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_networks_that_are_not_had_are_named(network, prefix, tmp_path):
    path = save_weights(tmp_path, "x", "plain", prefixed(prefix, {name: torch.ones(2) for name in OTHER_NETWORKS[network]}))
    assert refused(tmp_path, path).startswith(f"error: the weights are of {network}, which stemsmith does not have (x.ckpt)")


def test_hyper_connections_are_named(tmp_path):
    module = original("1.1.0")()
    torch.manual_seed(1)
    model = module.BSRoformer(16, depth=1, heads=2, dim_head=8, time_transformer_depth=1, freq_transformer_depth=1)
    assert "with hyper-connections (BS-RoFormer 0.6 and later)" in refused(
        tmp_path, save_weights(tmp_path, "x", "plain", model.state_dict()))


BAD_YAML = {
    "object": ("training: !!python/object/apply:os.system [ls]\n",
               "error: a Python object (!!python/object/apply:os.system), which is not read (kim.yaml:1); write a number, a "
               "text, a list or a map in its place"),
    "name": ("model: {dim: !!python/name:os.system }\n",
             "error: a Python object (!!python/name:os.system), which is not read (kim.yaml:1); write a number, a text, a list "
             "or a map in its place"),
    "no_yaml": ("{ dim: 3\n", "error: this is not valid YAML"),
    "list": ("- 3\n", "error: a configuration must be a map of keys (kim.yaml)"),
    "no_stems": ("training: {lr: 1e-05}\nmodel: {num_bands: 60, stft_hop_length: 441}\n",
                 "error: the configuration does not name the stems (kim.yaml:1)"),
    "odd_chunk": ("audio: {chunk_size: -3}\ntraining: {instruments: [vocals]}\nmodel: {num_bands: 60}\n",
                  "error: 'chunk_size' is -3, outside 1"),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_bad_configurations(name, tmp_path):
    path = kim(tmp_path)
    (tmp_path / "kim.yaml").write_text(BAD_YAML[name][0])
    assert refused(tmp_path, path, status=2).startswith(BAD_YAML[name][1])


def test_cut_off_files_and_rubbish_are_refused(tmp_path):
    path = kim(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    assert "kim.ckpt" in refused(tmp_path, path)
    path.write_bytes(bytes(range(256)) * 40)
    assert "not a file that torch.save wrote" in refused(tmp_path, path)
    state = package_model(SMALL["kim"]).state_dict()
    del state["layers.0.0.layers.0.0.to_gates.weight"]
    assert ("the weights are incomplete: the tensor layers.0.0.layers.0.0.to_gates.weight is missing"
            in refused(tmp_path, kim(tmp_path, state=state)))
    state = package_model(SMALL["kim"]).state_dict()
    state["layers.1.0.layers.0.0.to_qkv.weight"][0, 0] = torch.nan
    assert "holds values that are not finite" in refused(tmp_path, kim(tmp_path, state=state))


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_of_types_that_are_not_read_are_named(legacy, tmp_path):
    path = kim(tmp_path)
    state = torch.load(path)
    for kind in (torch.float8_e4m3fn, torch.complex64, torch.uint16):
        torch.save({**state, "layers.0.x": torch.ones(3).to(kind)}, path, _use_new_zipfile_serialization=not legacy)
        assert refused(tmp_path, path) == (
            f'error: the tensor "layers.0.x" is of the type {str(kind).removeprefix("torch.")}, which is not read (kim.ckpt); '
            "convert it to float32 with Python, or leave it out, and save the file again")
    # What lies beside the weights may be of any.
    torch.save({"state_dict": state, "loss": {"window": torch.ones(3, dtype=torch.complex64)}}, path,
               _use_new_zipfile_serialization=not legacy)
    import_all(tmp_path, path)


def test_files_that_are_no_configuration_are_said_to_be_what_they_are(tmp_path):
    path = kim(tmp_path)
    (tmp_path / "page.yaml").write_text("<!DOCTYPE html>\n<html><body>Not found</body></html>\n")
    (tmp_path / "pointer.yaml").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    for name, what in {"page.yaml": "a web page (HTML)", "pointer.yaml": "a pointer of Git LFS in place of the file",
                       "kim.ckpt": "a file of another program's weights"}.items():
        assert (f"error: this is {what}, not a configuration ({name})"
                in refused(tmp_path, path, "--config", tmp_path / name))
    (tmp_path / "page.yaml").rename(tmp_path / "kim.yaml")  # found beside the weights
    assert "a web page (HTML), not a configuration (kim.yaml)" in refused(tmp_path, path)
    (tmp_path / "pointer.yaml").rename(path)
    assert "a pointer of Git LFS in place of the file, not weights of another program (kim.ckpt)" in refused(tmp_path, path)
    assert "a web page (HTML), not a LoRA adapter (kim.yaml)" in refused(
        tmp_path, kim(tmp_path, "new"), "--lora", tmp_path / "kim.yaml")


def test_configurations_in_the_file(tmp_path):
    """safetensors of PyPI unblend bring theirs along, with the rest of the song as a second stem."""
    row = SMALL["kim"]
    save_safetensors(tmp_path / "kim.safetensors", package_model(row).state_dict(), {
        "unblend_format": "1", "architecture": row.kind, "sources": '["vocals", "other"]', "samplerate": "44100",
        "segment_samples": "352800", "config": json.dumps(row.model)})
    reports, _ = import_all(tmp_path, tmp_path / "kim.safetensors")
    assert reports["kim"]["stems"] == ["vocals"] and reports["kim"]["segment_frames"] == 352800
    assert config_of(reports["kim"])["stft_hop_length"] == 441


RANK, ALPHA = 3, 12


def adapters(state, merged_qkv=False):
    """lora_A and lora_B of every linear layer, and what they add to it."""
    torch.manual_seed(5)
    lora, delta = {}, {}
    for name, weight in state.items():
        if not name.endswith("weight") or weight.ndim != 2:
            continue
        layer = name.removesuffix(".weight")
        out, inputs = weight.shape
        if merged_qkv and layer.endswith("to_qkv"):  # queries and values, not keys
            a, b = torch.randn(2 * RANK, inputs), torch.randn(out // 3 * 2, RANK)
            rows = out // 3
            delta[name] = torch.cat([b[:rows] @ a[:RANK], torch.zeros(rows, inputs), b[rows:] @ a[RANK:]])
        elif merged_qkv:
            continue
        else:
            a, b = torch.randn(RANK, inputs), torch.randn(out, RANK)
            delta[name] = b @ a
        lora |= {f"{layer}.lora_A": a, f"{layer}.lora_B": b}
    return lora, {name: state[name] + ALPHA / RANK * change for name, change in delta.items()}


def assert_merged(folder, expected, *options):
    reports, _ = import_all(folder, folder / "kim.ckpt", options=options)
    actual = read_tensors(reports["kim"]["checkpoint"])
    for name, tensor in expected.items():
        assert torch.allclose(actual[name], tensor, rtol=1e-6, atol=1e-6), name
    note, = [note for note in reports["kim"]["notes"] if note.startswith("merged adapters")]
    assert f"merged adapters of {len(expected)} layers, of rank {RANK} with alpha {ALPHA}" in note
    return reports["kim"]


def test_adapters_of_ours_say_their_alpha(tmp_path):
    lora, expected = adapters(torch.load(kim(tmp_path)))
    save_safetensors(tmp_path / "lora.safetensors", lora, {"lora_alpha": str(ALPHA), "lora_rank": str(RANK)})
    assert_merged(tmp_path, expected, "--lora", tmp_path / "lora.safetensors")


def test_adapters_are_merged_into_a_checkpoint_of_ours(tmp_path):
    lora, expected = adapters(torch.load(kim(tmp_path)))
    save_safetensors(tmp_path / "lora.safetensors", lora, {"lora_alpha": str(ALPHA)})
    reports, _ = import_all(tmp_path, tmp_path / "kim.ckpt")
    run("stemsmith", "import", reports["kim"]["checkpoint"], "--out", tmp_path / "merged", "--lora", tmp_path / "lora.safetensors")
    merged, = (tmp_path / "merged").glob("*.safetensors")
    actual = read_tensors(merged)
    for name, tensor in expected.items():
        assert torch.allclose(actual[name], tensor, rtol=1e-6, atol=1e-6), name
    assert "an alpha without adapters" in refused(tmp_path, tmp_path / "kim.ckpt", "--lora-alpha", 2, status=2)


def test_stems_whose_names_are_no_names_of_files_are_refused(tmp_path):
    path = kim(tmp_path)
    text = (tmp_path / "kim.yaml").read_text()
    (tmp_path / "kim.yaml").write_text(text.replace("vocals", "../vocals"))
    assert "the stem name '../vocals'" in refused(tmp_path, path)


@pytest.mark.parametrize("merged_qkv", [False, True])
def test_adapters_of_loralib_are_merged(merged_qkv, tmp_path):
    path = kim(tmp_path)
    state = torch.load(path)
    lora, expected = adapters(state, merged_qkv)
    torch.save({"epoch": 3, "model_state_dict": lora}, tmp_path / "lora.ckpt")
    text = "lora:\n  r: 3\n  lora_alpha: 12\n  enable_lora: [True, False, True]\n"
    (tmp_path / "kim.yaml").write_text(yaml_text(SMALL["kim"]) + text)
    report = assert_merged(tmp_path, expected, "--lora", tmp_path / "lora.ckpt")
    assert report["source"]["lora"]["file"] == "lora.ckpt"
    write_yaml(tmp_path / "kim.yaml", SMALL["kim"])
    assert_merged(tmp_path, expected, "--lora", tmp_path / "lora.ckpt", "--lora-alpha", ALPHA)
    assert ("the file of adapters does not say their alpha (lora.ckpt); give it with --lora-alpha, or lora.lora_alpha in the "
            "configuration") in refused(tmp_path, path, "--lora", tmp_path / "lora.ckpt", status=2)


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_adapters_of_peft_are_merged(ending, tmp_path):
    kim(tmp_path, wrapping="lightning")
    lora, expected = adapters({name: tensor for name, tensor in package_model(SMALL["kim"]).state_dict().items()})
    folder = tmp_path / "peft"
    folder.mkdir()
    named = {f"base_model.model.{name}.weight": tensor for name, tensor in lora.items()}
    if ending == "bin":
        torch.save(named, folder / "adapter_model.bin")
    else:
        save_safetensors(folder / "adapter_model.safetensors", named, {"format": "pt"})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "use_rslora": False, "alpha_pattern": {}, "bias": "none",
              "target_modules": ["to_qkv"], "modules_to_save": None, "use_dora": False, "fan_in_fan_out": False}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    source = assert_merged(tmp_path, expected, "--lora", folder)["source"]["lora"]
    for record, file in ((source, f"adapter_model.{ending}"), (source["config"], "adapter_config.json")):
        assert record["file"] == file and record["sha256"] == hashlib.sha256((folder / file).read_bytes()).hexdigest()
    assert "this is a LoRA adapter" in refused(tmp_path, folder)
    (folder / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))
    assert "adapters with use_dora" in refused(tmp_path, tmp_path / "kim.ckpt", "--lora", folder)


def test_adapters_in_place_of_weights_are_recognised(tmp_path):
    lora, _ = adapters(torch.load(kim(tmp_path)))
    peft = {f"base_model.model.{name}.weight": tensor for name, tensor in lora.items()}
    save_safetensors(tmp_path / "lora.safetensors", lora, {"lora_alpha": str(ALPHA)})
    save_safetensors(tmp_path / "peft.safetensors", peft)
    torch.save({"epoch": 3, "model_state_dict": lora}, tmp_path / "lora.ckpt")
    torch.save(peft, tmp_path / "peft.bin")
    torch.save(lora, tmp_path / "legacy.ckpt", _use_new_zipfile_serialization=False)
    for file in ("lora.safetensors", "peft.safetensors", "lora.ckpt", "peft.bin", "legacy.ckpt"):
        expected = (f"({tmp_path / file}); give it with --lora beside the weights of its base: stemsmith import BASE --lora "
                    f"{tmp_path / file} --out DIR")
        for program, *arguments in (["stemsmith", "import", tmp_path / file, "--out", tmp_path / "out"],
                                    ["stemsmith", "export", tmp_path / file, "--out", tmp_path / "out"],
                                    ["separate", tmp_path / file, tmp_path / "song.wav", "-o", tmp_path / "out"]):
            error = run(program, *arguments, status=1).stderr
            assert error.startswith("error: this is a LoRA adapter, not ") and expected in error


def test_adapters_among_the_weights_are_refused(tmp_path):
    path = kim(tmp_path)
    weights = torch.load(path)
    lora, _ = adapters(weights)
    torch.save({"state_dict": {**weights, **lora}}, path)
    assert (".lora_A\") beside the weights, and does not show whether these contain them already, as those that loralib saves in "
            "eval mode (kim.ckpt)") in refused(tmp_path, path)
    torch.save(lora, path, pickle_protocol=4)
    assert refused(tmp_path, path).startswith("error: this is a LoRA adapter, not ")


def test_adapters_that_are_not_finite_are_named(tmp_path):
    path = kim(tmp_path)
    lora, _ = adapters(torch.load(path))
    name = "layers.0.0.layers.0.0.to_qkv.lora_B"
    for value in (torch.inf, torch.nan):
        lora[name][0, 0] = value
        torch.save(lora, tmp_path / "lora.ckpt")
        assert refused(tmp_path, path, "--lora", tmp_path / "lora.ckpt", "--lora-alpha", 1) == (
            f'error: the adapters\' tensor "{name}" holds values that are not finite (lora.ckpt); their training diverged, or '
            "the file is damaged")


def test_adapters_of_other_models_are_refused(tmp_path):
    path = kim(tmp_path)
    lora, _ = adapters(torch.load(path))
    option = ("--lora", tmp_path / "lora.ckpt", "--lora-alpha", 1)
    torch.save({f"other.{name}": tensor for name, tensor in lora.items() if "to_qkv" in name}
               | {"encoder.0.lora_A": torch.ones(1, 2), "encoder.0.lora_B": torch.ones(2, 1)}, option[1])
    assert ('the adapters are of another model: the weights do not have all of their layers, such as "encoder.0" (lora.ckpt)'
            in refused(tmp_path, path, *option))
    name = "layers.0.0.layers.0.0.to_qkv"
    torch.save({f"{name}.lora_A": torch.ones(2, 5), f"{name}.lora_B": torch.ones(48, 2)}, option[1])
    assert (f"the adapter of {name} does not fit its layer: lora_A [2, 5], lora_B [48, 2] for [36, 12]"
            in refused(tmp_path, path, *option))
    torch.save({f"{name}.lora_A": torch.ones(2, 12)}, option[1])
    assert f"the adapter of {name} lacks its lora_B" in refused(tmp_path, path, *option)
    assert "no adapters (lora_A, lora_B) were found" in refused(tmp_path, path, "--lora", path, "--lora-alpha", 1)
    assert "no such file or folder of adapters" in refused(tmp_path, path, "--lora", tmp_path / "none", "--lora-alpha", 1)
    assert "no adapters of PEFT in this folder" in refused(tmp_path, path, "--lora", tmp_path)


# The smallest of each kind, and others whose speed is of interest.
SEPARATING = ["room_mono", "guitar", "scnet", "scnet_masked", "drumsep", "kim", "mdx23c_vocals"]
SONG_SECONDS = 12
SEGMENT_SECONDS = 2  # with the published ones the table takes hours


def seconds_of(action):
    start = time.monotonic()
    result = action()
    return time.monotonic() - start, result


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_published_sizes(name, tmp_path):
    """Random weights of the published sizes; `-k` runs one row, `-s` shows the figures as rows of a table."""
    row = ROWS[name]
    path = save_weights(tmp_path, name, row.wrapping, weights_of(row, tmp_path, noise=0.02))
    write_yaml(tmp_path / f"{name}.yaml", row)
    importing, (reports, _) = seconds_of(lambda: import_all(tmp_path, path))
    checkpoint = reports[name]["checkpoint"]
    path.unlink()
    inspected = json.loads(run("stemsmith", "inspect", checkpoint, "--json").stdout)
    assert inspected["model"] == row.kind
    exporting, exported = seconds_of(lambda: run("stemsmith", "export", checkpoint, "--out", tmp_path / "model", "--format",
                                                 "onnx", "--segment-seconds", SEGMENT_SECONDS, "--json"))
    report = next(json.loads(line) for line in exported.stdout.splitlines() if '"files"' in line)
    file = report["files"][0]
    assert file["largest_error"] <= 1e-4
    separating = None
    if name in SEPARATING:
        song = music(1, channels_of(row), 44100)[0].repeat(1, SONG_SECONDS)
        soundfile.write(tmp_path / "song.wav", song.T.numpy(), 44100, subtype="FLOAT")
        separating, _ = seconds_of(lambda: run("separate", tmp_path / "model", tmp_path / "song.wav", "-o",
                                               tmp_path / "stems", "--quiet", "--threads", 2))
        stems = sorted(path.stem for path in (tmp_path / "stems" / "song").iterdir())
        assert stems == sorted([row.target] if row.target else row.stems)
    print(f"| `{name}` | {row.kind} | {row.wrapping} | {report['parameters'] / 1e6:.1f} | {importing:.1f} | "
          f"{exporting:.0f} | "
          f"{(file['bytes'] + file.get('data_bytes', 0)) / 2**20:.0f} | {file['largest_error']:.1e} | "
          f"{'' if separating is None else f'{separating:.0f}'} |")
    shutil.rmtree(tmp_path)  # gigabytes
