"""examples/web in Chromium: its stems are those of `separate`, and what fails is one line in the page.

With STEMSMITH_SCREENSHOT=FILE.png the page is photographed too.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import onnx
import pytest
import soundfile
from onnx import helper, numpy_helper
from playwright.sync_api import expect, sync_playwright
from programs import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
PACKAGE = ROOT / ".deps/web/node_modules"
pytestmark = pytest.mark.skipif(CHROMIUM is None or not PACKAGE.is_dir(),
                                reason="there is no chromium or no onnxruntime-web (tools/setup.sh --tests installs them)")
RATE = 44100
expect.set_options(timeout=60_000)  # beside other tests
MANIFEST = {
    "version": 1, "model": "test", "stems": ["drums", "vocals"], "sample_rate_hz": RATE, "channels": 2, "segment_frames": 4000,
    "length": {"dynamic": True, "offset_frames": 3, "multiple_frames": 7}, "song_normalization": "none", "tail": "zeros",
    "window": "triangle", "overlap": 0.25, "precision": "float32", "stft": None, "training": None, "versions": None,
}


def write_model(path, **settings):
    """A model whose output depends on where a segment begins and on all of it, so that every rule of cutting and joining
    shows; its channels are not alike either."""
    manifest = {**MANIFEST, **settings}
    stems, channels = len(manifest["stems"]), manifest["channels"]
    constant = lambda name, values, kind=np.float32: numpy_helper.from_array(np.array(values, kind), name)
    mixing = np.eye(channels) + 0.3 * np.tri(channels, k=-1)
    nodes = [
        helper.make_node("MatMul", ["mixing", "mix"], ["mixed"]),
        helper.make_node("CumSum", ["mixed", "time"], ["sum"]),
        helper.make_node("ReduceMean", ["mix"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("Mul", ["sum", "small"], ["drift"]),
        helper.make_node("Add", ["mixed", "drift"], ["moved"]),
        helper.make_node("Add", ["moved", "mean"], ["whole"]),
        helper.make_node("Unsqueeze", ["whole", "stem_axis"], ["wide"]),
        helper.make_node("Mul", ["wide", "gains"], ["estimates"]),
    ]
    frames = "frames" if manifest["length"]["dynamic"] else manifest["segment_frames"]
    graph = helper.make_graph(
        nodes, "test",
        [helper.make_tensor_value_info("mix", onnx.TensorProto.FLOAT, ["batch", channels, frames])],
        [helper.make_tensor_value_info("estimates", onnx.TensorProto.FLOAT, ["batch", stems, channels, frames])],
        [constant("mixing", mixing), constant("time", 2, np.int64), constant("small", 1e-2),
         constant("stem_axis", [1], np.int64), constant("gains", np.linspace(0.5, -1, stems).reshape(stems, 1, 1))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"other": "key", **({} if settings.get("version") == 0 else
                                                     {"stemsmith.manifest": json.dumps(manifest)})})
    onnx.save(model, path)
    return path


def write_song(path, frames, channels=2, subtype="FLOAT"):
    noise = np.random.default_rng(frames).standard_normal((frames, channels)).cumsum(0)
    soundfile.write(path, 0.05 + 0.5 * noise / np.abs(noise).max(), RATE, subtype=subtype)
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The example as somebody has it who copied its folder and ran `npm install` there."""
    folder = tmp_path_factory.mktemp("web") / "site"
    shutil.copytree(ROOT / "examples/web", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(PACKAGE)
    with subprocess.Popen(["node", folder / "serve.js", "0"], stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().split()[0]
        server.terminate()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    assert problems == []
    page.close()


def choose(page, model, song=None):
    page.set_input_files("#model input", [str(file) for file in (model if isinstance(model, tuple) else (model,))])
    if song is not None:
        page.set_input_files("#song input", str(song))


def stems_in_page(page, model, song, folder, seconds=120):
    """Downloads of what the page makes of the song: stem → [frames, channels]."""
    choose(page, model, song)
    page.click("#start:not([disabled])", timeout=1000 * seconds)
    expect(page.locator("#status")).to_have_text(re.compile("^Done"), timeout=1000 * seconds)
    stems = {}
    for link in page.locator("a[download]").all():
        with page.expect_download() as download:
            link.click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        assert rate == RATE
        stems[file.stem.removeprefix(pathlib.Path(song).stem + "_")] = samples
    return stems


def check_equal_to_separate(page, model, song, folder, seconds=120):
    first = model[0] if isinstance(model, tuple) else model
    run("separate", first, song, "-o", folder / "expected", "--bits", "32f", "--quiet", "--device", "cpu", "--threads", 1)
    actual = stems_in_page(page, model, song, folder, seconds)
    files = sorted((folder / "expected" / pathlib.Path(song).stem).iterdir())
    assert sorted(actual) == [file.stem for file in files]
    for file in files:
        expected, _ = soundfile.read(file, dtype="float32", always_2d=True)
        assert actual[file.stem].shape == expected.shape
        assert np.abs(actual[file.stem] - expected).max() <= 1e-4 * np.abs(expected).max(), file.stem


FIXED = {"dynamic": False, "offset_frames": 4000, "multiple_frames": 1}


@pytest.mark.parametrize("settings, frames, channels", [
    ({}, 7000, 2),  # the second segment ends with the song
    ({}, 2500, 2),  # shorter than a segment
    ({"overlap": 0, "window": "rectangle"}, 13001, 2),
    ({"overlap": 0.6, "window": "hann"}, 10000, 2),
    ({"tail": "context", "length": {"dynamic": True, "offset_frames": 3, "multiple_frames": 700}}, 10500, 2),
    ({"tail": "context", "length": {"dynamic": True, "offset_frames": 3, "multiple_frames": 1100}, "segment_frames": 4403,
      "kept_frames": 4000}, 9001, 2),
    ({"tail": "context", "length": FIXED, "song_normalization": "mean_std"}, 9001, 2),
    ({"song_normalization": "mean_std"}, 9000, 1),  # mono in a stereo model
    ({"song_normalization": "mean_std"}, 9000, 3),
    ({"channels": 3}, 1, 2),
], ids=str)
def test_songs_go_through_by_the_rules_of_separate(settings, frames, channels, page, tmp_path):
    check_equal_to_separate(page, write_model(tmp_path / "model.onnx", **settings),
                            write_song(tmp_path / "song.wav", frames, channels), tmp_path)


@pytest.mark.parametrize("subtype, channels", [("PCM_16", 2), ("PCM_24", 1), ("PCM_32", 3), ("FLOAT", 6)])
def test_wav_samples_are_those_of_the_file(subtype, channels, page, address, tmp_path):
    song = write_song(tmp_path / "song.wav", 999, channels, subtype)
    page.route("**/song.wav", lambda route: route.fulfill(path=song))
    read = "async (rate) => (await import('/wav.js')).readWav(await (await fetch('/song.wav')).arrayBuffer(), rate)?.map((c) => [...c])"
    expected, _ = soundfile.read(song, dtype="float32", always_2d=True)
    assert np.array_equal(np.array(page.evaluate(read, RATE), np.float32).T, expected)
    assert page.evaluate(read, 48000) is None


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Both demo models, as tools/demo.sh makes them but for a single step, on songs of few seconds."""
    folder = tmp_path_factory.mktemp("models")
    run("stemsmith", "synth", folder / "songs", "--songs", 3, "--seconds", 6, "--seed", 1, "--valid-songs", 1,
        "--test-songs", 1, "--quiet")
    run("stemsmith", "prepare", "folders", folder / "songs", "--out", folder / "cache.h5", "--quiet")
    for name in ("unet", "demucs_v2"):
        run("stemsmith", "train", ROOT / f"configs/demo_{name}.yaml", "--run", folder / f"run_{name}", "--quiet", "--device", "cpu",
            "--threads", 1, "--set", f"dataset.cache={folder}/cache.h5", "--set", "train.steps=1", "--set", "train.batch_size=1",
            "--set", "validate.max_segments=1", "--set", "report.seconds=1")
        run("stemsmith", "export", folder / f"run_{name}", "--out", folder / name, "--format", "onnx", "--quiet",
            *(["--onnx-inline-mib", 0] if name == "demucs_v2" else []))
    return folder


@pytest.mark.parametrize("name", ["unet", "demucs_v2"])
def test_demo_models_separate_as_the_program_does(name, exported, page, tmp_path):
    """The second one's weights lie beside the model."""
    files = tuple(sorted((exported / name).iterdir()))
    assert [file.name for file in files] == ["model.onnx", "model.onnx.data"][:1 + (name == "demucs_v2")]
    mixture, = (exported / "songs/test").glob("*/mixture.wav")
    song = shutil.copy(mixture, tmp_path / "song.wav")  # `separate` names a mixture's stems by its folder
    check_equal_to_separate(page, files, song, tmp_path)
    assert page.evaluate("crossOriginIsolated")
    assert int(page.locator("dd").nth(5).inner_text()) == os.cpu_count()
    # Every waveform has been drawn, and a click on one leads its player there.
    heard = page.evaluate("""async () => {
      const times = [];
      for (const sound of document.querySelectorAll(".sound")) {
        const audio = sound.querySelector("audio"), view = sound.querySelector(".view");
        while (audio.readyState < 1) await new Promise((go) => setTimeout(go, 20));
        view.dispatchEvent(new MouseEvent("click", {clientX: view.getBoundingClientRect().x + view.clientWidth / 2}));
        times.push(audio.currentTime / audio.duration);
      }
      return times;
    }""")
    assert len(heard) == 5 and all(abs(time - 0.5) < 0.02 for time in heard)
    screenshot = os.environ.get("STEMSMITH_SCREENSHOT")
    for scheme in ("light", "dark") if screenshot else ():
        for width in (1200, 390):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(300)
            page.screenshot(path=screenshot.replace(".png", f"_{name}_{scheme}_{width}.png"), full_page=True)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_htdemucs_of_published_size_separates_as_the_program_does(page, tmp_path):
    """With noise on every weight: fresh layer scales would hide the transformer."""
    from demucs4 import make
    from demucs.htdemucs import HTDemucs
    from model_probe import write_config, write_safetensors
    options = {"dconv_mode": 3, "bottom_channels": 512, "segment": "39/5"}
    write_config(tmp_path / "config.yaml", "htdemucs", options, ["drums", "bass", "other", "vocals"], 2)
    weights = make(HTDemucs, {**options, "segment": 7.8}, 2, 4)
    write_safetensors(tmp_path / "htdemucs.safetensors", weights.state_dict())
    run("stemsmith", "import", tmp_path / "htdemucs.safetensors", "--config", tmp_path / "config.yaml", "--out", tmp_path / "imported",
        "--quiet")
    run("stemsmith", "export", tmp_path / "imported", "--out", tmp_path / "model", "--format", "onnx", "--quiet")
    check_equal_to_separate(page, tmp_path / "model/model.onnx", write_song(tmp_path / "song.wav", 9 * RATE), tmp_path, seconds=900)


def problem(page):
    line = page.locator("#problem")
    expect(line).to_be_visible()
    assert page.locator("#start").is_disabled() or page.locator("#start").inner_text() == "Separate"
    text = line.inner_text()
    assert "\n" not in text
    return text


def test_files_that_are_no_models_are_named(page, tmp_path):
    model = write_model(tmp_path / "model.onnx").read_bytes()
    wrong = {
        "text.onnx": (b"Hello, I am no model.", "text.onnx is no ONNX model"),
        "empty.onnx": (b"", "empty.onnx is no ONNX model"),
        "cut.onnx": (model[:len(model) // 2], "cut.onnx is no ONNX model, or was cut off"),
    }
    for name, (content, expected) in wrong.items():
        (tmp_path / name).write_bytes(content)
        choose(page, tmp_path / name)
        assert expected in problem(page)
        assert page.locator("#status").inner_text() == "Choose a model and a song."
    # After all of these a good one works.
    stems_in_page(page, tmp_path / "model.onnx", write_song(tmp_path / "song.wav", 5000), tmp_path)


@pytest.mark.parametrize("settings, expected", [
    ({"version": 0}, "bare.onnx carries no stemsmith manifest"),
    ({"version": 2}, "version 2, and this page reads 1"),
    ({"window": "kaiser"}, "asks for a window"),
    ({"segment_frames": 0}, "a number is missing or out of range"),
    ({"external_data": {"file": "model.onnx.data", "bytes": 100, "id": "abc"}}, "choose both files together"),
], ids=str)
def test_manifests_that_cannot_be_used_are_named(settings, expected, page, tmp_path):
    choose(page, write_model(tmp_path / "bare.onnx", **settings))
    assert expected in problem(page)


def test_weights_of_another_export_are_refused(page, tmp_path):
    (tmp_path / "model.onnx.data").write_bytes(b"stemsmith weights xyz\n" + bytes(78))
    model = write_model(tmp_path / "model.onnx", external_data={"file": "model.onnx.data", "bytes": 100, "id": "abc"})
    choose(page, (model, tmp_path / "model.onnx.data"))
    assert "model.onnx.data does not belong to model.onnx" in problem(page)


def test_a_graph_that_is_not_what_its_manifest_says_is_named(page, tmp_path):
    model = write_model(tmp_path / "model.onnx")
    graph = onnx.load(model)
    graph.metadata_props[-1].value = graph.metadata_props[-1].value.replace('"drums", ', "")
    onnx.save(graph, model)
    choose(page, model, write_song(tmp_path / "song.wav", 5000))
    page.click("#start:not([disabled])")
    assert "not what its manifest says" in problem(page)


def test_files_that_are_no_audio_are_named(page, tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    choose(page, write_model(tmp_path / "model.onnx"), tmp_path / "text.wav")
    page.click("#start:not([disabled])")
    assert problem(page) == "text.wav is no audio that this browser decodes"
    # The model is still open.
    stems_in_page(page, tmp_path / "model.onnx", write_song(tmp_path / "song.wav", 5000), tmp_path)


def test_a_worker_that_ended_is_told(page, tmp_path):
    choose(page, write_model(tmp_path / "model.onnx"), write_song(tmp_path / "song.wav", 5000))
    expect(page.locator("#status")).to_have_text("Ready.")
    next(worker for worker in page.workers if "worker.js" in worker.url).evaluate("self.close()")
    assert "the worker that ran the model has ended" in problem(page)
    assert page.locator("#start").is_disabled()
    stems_in_page(page, tmp_path / "model.onnx", tmp_path / "song.wav", tmp_path)


def test_a_song_can_be_stopped(page, tmp_path):
    model = write_model(tmp_path / "model.onnx", segment_frames=100_000, overlap=0.98)
    choose(page, model, write_song(tmp_path / "song.wav", 60 * RATE))
    page.click("#start:not([disabled])")
    expect(page.locator("#status")).to_have_text(re.compile("left$"))
    page.click("text=Stop")
    expect(page.locator("#status")).to_have_text("Ready.")
    assert page.locator("#progress").evaluate("bar => bar.value") == 0
    assert page.locator("#problem").is_hidden()


def test_without_the_package_the_page_says_what_to_install(browser, address):
    page = browser.new_page()
    page.route("**/ort.wasm.bundle.min.mjs", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.set_input_files("#model input", {"name": "model.onnx", "mimeType": "", "buffer": b"x"})
    assert "npm install" in problem(page)
    page.close()


def test_the_server_gives_nothing_but_its_folder(address):
    import http.client
    import urllib.parse
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc)
    for path in ("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//", "/node_modules"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404, path
        assert answer.getheader("Cross-Origin-Opener-Policy") == "same-origin"
