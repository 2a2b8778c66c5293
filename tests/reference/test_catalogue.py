"""Published models by name, from a server of the test: random weights of the reference packages under the
published names and layouts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import soundfile
import torch
from demucs_packages import python, song
from model_server import ModelServer
from programs import BIN

for name in ("torchaudio", "tqdm"):  # imported there, not used by the networks
    sys.modules.setdefault(name, types.ModuleType(name))
from openunmix.model import OpenUnmix  # noqa: E402

SMALL = ("HTDemucs(sources=STEMS, channels=8, depth=4, t_layers=1, t_heads=1, bottom_channels=16, "
         "segment=Fraction(39, 20))")
FULL = "HTDemucs(sources=STEMS, segment=Fraction(39, 5))"
PACKAGE = """
torch.manual_seed(5)
model = MODEL
args, kwargs = model._init_args_kwargs
torch.save({"klass": model.__class__, "args": args, "kwargs": kwargs, "state": model.state_dict()}, sys.argv[1])
"""


def package(folder, model):
    """The bytes of a package of Demucs, and the name it is published under."""
    python(4, PACKAGE.replace("MODEL", model), folder / "package.th")
    content = (folder / "package.th").read_bytes()
    return content, f"955717e8-{hashlib.sha256(content).hexdigest()[:8]}.th"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return package(tmp_path_factory.mktemp("package"), SMALL)


class Place:
    """A home folder, a server, and a catalogue that names it."""

    def __init__(self, folder, published):
        self.folder, self.server = folder, ModelServer()
        self.content, self.file = published
        self.path = f"/demucs/hybrid_transformer/{self.file}"
        self.server.files[self.path] = self.content
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.lower().endswith("_proxy") and not name.startswith(("XDG_", "HF_", "TORCH_"))}
        self.environment |= {"HOME": str(folder), "STEMSMITH_CATALOGUE": str(folder / "catalogue.yaml")}
        self.write_catalogue([self.server.address + self.path])
        (folder / "work").mkdir()
        song(folder / "work/song.wav", 2)

    def write_catalogue(self, addresses, checksum=None, more=""):
        checksum = self.file.rpartition("-")[2].removesuffix(".th") if checksum is None else checksum
        (self.folder / "catalogue.yaml").write_text(f"""
models:
  htdemucs:
    summary: a small one
    stems: [drums, bass, other, vocals]
    licence: MIT
    sources:
      - import: htdemucs.yaml
        texts: {{htdemucs.yaml: "models: ['955717e8']\\n"}}
        files: [{{name: {self.file}, sha256: "{checksum}", addresses: {json.dumps(addresses)}{more}}}]
  packed:
    summary: quantised
    stems: [vocals]
    licence: MIT
    unsupported: its weights are packed
    instead: htdemucs
""")

    def start(self, program, *arguments):
        return subprocess.Popen([os.path.join(BIN, program), *map(str, arguments)], cwd=self.folder / "work", text=True,
                                env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, program, *arguments, status=0):
        process = self.start(program, *arguments)
        out, err = process.communicate()
        assert process.returncode == status, f"{program} {arguments}: {out}\n{err}"
        return out + err

    def download(self, *arguments, status=0):
        return self.run("stemsmith", "download", "htdemucs", "--pause-seconds", "0", *arguments, status=status)

    def fetch(self, attempts=5, stall=60, status=0):
        """Of a download, the files alone: in a fiftieth of the time."""
        return self.run("fetch_files", self.folder / "catalogue.yaml", self.fetched, attempts, stall, status=status)

    @property
    def fetched(self):
        return self.folder / "fetched"

    @property
    def model(self):
        return self.folder / ".local/share/stemsmith/models/htdemucs"

    @property
    def part(self):
        return self.folder / f".local/share/stemsmith/downloads/htdemucs/{self.file}.part"

    def close(self):
        self.server.close()


@pytest.fixture
def place(tmp_path, small):
    place = Place(tmp_path, small)
    yield place
    place.close()


def assert_here(place):
    assert sorted(file.name for file in place.model.iterdir()) == ["entry.json", "model.onnx"]
    entry = json.loads((place.model / "entry.json").read_text())
    assert entry["licence"] == "MIT" and entry["stems"] == ["drums", "bass", "other", "vocals"]
    assert entry["files"][0]["sha256"] == hashlib.sha256(place.content).hexdigest()
    assert list((place.folder / ".local/share/stemsmith/downloads").iterdir()) == []
    return entry


def assert_fetched(place):
    assert (place.fetched / place.file).read_bytes() == place.content
    assert sorted(file.name for file in place.fetched.iterdir()) == [place.file, "htdemucs.yaml"]


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


@pytest.mark.parametrize("fault", [
    [("cut", 100000)], [("cut", 0), ("cut", 70000), ("cut", 1)], [("status", 503), ("cut", 1000)],
    [("cut", 100000), ("whole", None)], [("cut", 100000), ("shifted", None), ("cut", 1)], [("redirect", "SAME")]], ids=str)
def test_faults_that_pass(place, fault):
    place.server.faults[place.path] = [(name, place.path if value == "SAME" else value) for name, value in fault]
    place.fetch()
    assert_fetched(place)


def test_goes_on_where_it_stopped(place):
    place.server.faults[place.path] = [("cut", 100000)] + 4 * [("cut", 0)]
    said = place.fetch(attempts=1, status=1)
    assert "run this again to continue" in said
    assert (place.fetched / (place.file + ".part")).stat().st_size == 100000
    place.server.faults[place.path] = []
    place.fetch()
    assert place.server.requests[-1][1] == "bytes=100000-" and place.server.requests[-1][2].startswith('"')
    assert_fetched(place)


def test_a_file_that_changed_is_begun_again(place):
    """Between two requests, to the right one and to a wrong one."""
    right = place.content
    place.server.files[place.path] = bytes(200000)
    place.server.faults[place.path] = [("cut", 100000), ("other", right)]
    place.fetch()
    assert_fetched(place)


@pytest.mark.parametrize("wrong", [lambda content: content[:-1] + b"x", lambda content: content[:5000],
                                   lambda content: content + b"more", lambda content: b""], ids=range(4))
def test_a_wrong_file_is_refused(place, wrong):
    place.server.files[place.path] = wrong(place.content)
    said = place.fetch(status=1)
    assert "not what the catalogue says" in said or "sent nothing" in said
    assert not (place.fetched / place.file).exists()
    place.server.files[place.path] = place.content
    place.fetch()
    assert_fetched(place)


def test_sizes_mirrors_and_endless_answers(place):
    other = ModelServer()
    other.files["/x"] = b"something else"
    refused = "http://127.0.0.1:9"
    place.write_catalogue([refused + "/x", other.address + "/none", other.address + "/x", place.server.address + place.path])
    place.fetch()
    assert_fetched(place)
    (place.fetched / place.file).unlink()
    place.write_catalogue([place.server.address + place.path], more=", bytes: 1000")
    assert "the catalogue's 1000" in place.fetch(status=1)
    place.write_catalogue([refused + "/x"])
    said = place.fetch(attempts=2, status=1)
    assert "is there a network?" in said and "https_proxy" in said
    other.close()


def test_silence_is_given_up(place):
    place.server.faults[place.path] = [("stall", 50000)]
    place.fetch(stall=1)
    assert place.server.requests[-1][1] == "bytes=50000-"
    assert_fetched(place)


def test_files_of_python_are_used(place):
    hub = place.folder / ".cache/torch/hub/checkpoints"
    hub.mkdir(parents=True)
    (hub / place.file).write_bytes(place.content[:-1])
    assert "passed over" in place.download()
    assert len(place.server.requests) == 1
    (hub / place.file).write_bytes(place.content)
    place.download("--again")
    assert len(place.server.requests) == 1 and assert_here(place)["files"][0]["from"] == str(hub / place.file)
    place.download("--again", "--no-local-copies")
    assert len(place.server.requests) == 2


def test_one_at_a_time_and_stops(place):
    place.server.slow = 0.2
    first = place.start("stemsmith", "download", "htdemucs")
    while not place.part.exists():
        time.sleep(0.05)
    assert "another process" in place.download(status=2)
    first.send_signal(signal.SIGINT)
    assert first.wait(20) == 130
    place.server.slow = None
    place.download()
    assert place.server.requests[-1][1] is not None
    assert_here(place)


@pytest.mark.parametrize("catalogue, said", [
    ("models: {}", "names no models"), ("models: {a/b: {}}", "is no name"), ("models: {a: {summary: x, licence: y}}", "no sources"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: ../x, addresses: [http://h/x]}]}]}}", "no plain name"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: x, addresses: [file:///etc/x]}]}]}}", "no address"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: x, sha256: XY, addresses: [http://h/x]}]}]}}", "no SHA-256"),
    ("models: {a: {summary: x, licence: y, sources: [{import: z, files: [{name: x, addresses: [http://h/x]}]}]}}", "none of the files"),
    ("models: {a: {sumary: x}}", "summary"), ("models: [", "catalogue.yaml"), ("nothing", "catalogue.yaml")])
def test_catalogues_are_checked(place, catalogue, said):
    (place.folder / "catalogue.yaml").write_text(catalogue)
    assert said in place.download(status=1)
    assert said in place.run("stemsmith", "models", "--catalogue", status=1)
    told = place.run("separate", "any_model", "song.wav", status=1)
    assert said in told and "STEMSMITH_CATALOGUE" in told


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


def test_what_is_no_model_does_not_stay(place):
    place.server.files[place.path] = b"<html><body>moved</body></html>"
    place.write_catalogue([place.server.address + place.path], checksum="")
    said = place.download(status=1)
    assert place.server.address + place.path in said and "it was removed" in said
    place.server.files[place.path] = place.content
    place.download()
    assert_here(place)


def test_what_is_gone_is_told(place):
    (where,), name = [place.server.address + "/none"], place.file
    place.write_catalogue([where])
    said = place.download(status=1)
    assert where in said and "404" in said and "another try would bring the same" in said and "to continue where" not in said
    assert f"put {name} into" in said and len(place.server.requests) == 1
    assert list((place.folder / ".local/share/stemsmith/downloads").iterdir()) == []


def test_each_try_is_told_and_either_source_suffices(place):
    text = (place.folder / "catalogue.yaml").read_text()
    refused = "http://127.0.0.1:9/x"
    second = f"      - files: [{{name: other.th, addresses: ['{refused}']}}]\n  packed:"
    (place.folder / "catalogue.yaml").write_text(
        text.replace(place.server.address + place.path, refused).replace("  packed:", second, 1))
    begin = time.monotonic()
    said = place.run("stemsmith", "download", "htdemucs", "--pause-seconds", "0.1", status=1)
    assert time.monotonic() - begin < 5
    assert said.count("127.0.0.1:9:") >= 4 and "try 2 of 3 in 0.1 s" in said and "try 3 of 3 in 0.2 s" in said
    assert f"put {place.file}, or else other.th, into" in said


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


def test_open_unmix_is_published_without_its_folder(place):
    for stem in ("noise", "speech"):
        torch.manual_seed(7)
        path = place.folder / f"{stem}.pth"
        torch.save(OpenUnmix(nb_bins=65, nb_channels=1, hidden_size=16, max_bin=40).state_dict(), path)
        place.server.files[f"/{stem}_0.pth"] = path.read_bytes()
    files = ", ".join(f"{{name: {stem}.pth, addresses: ['{place.server.address}/{stem}_0.pth']}}" for stem in ("noise", "speech"))
    settings = json.dumps({"nfft": 128, "nhop": 64, "nb_channels": 1, "sample_rate": 16000})
    (place.folder / "catalogue.yaml").write_text(
        f"models: {{htdemucs: {{summary: x, licence: y, sources: [{{texts: {{separator.json: '{settings}'}}, files: [{files}]}}]}}}}")
    said = place.download()
    assert said.count("no checksum is published") == 2
    entry = json.loads((place.model / "entry.json").read_text())
    assert entry["stems"] == ["noise", "speech"] and entry["sample_rate_hz"] == 16000 and not entry["files"][0]["checked"]


def test_the_shipped_catalogue(place):
    """Names, checksums and bags are those of Demucs' own files."""
    import pathlib
    import yaml
    del place.environment["STEMSMITH_CATALOGUE"]
    listed = json.loads(place.run("stemsmith", "models", "--catalogue", "--json"))["catalogue"]
    rows = {row["name"]: row for row in listed}
    remote = pathlib.Path(os.environ["STEMSMITH_DEMUCS4"]) / "demucs/remote"
    root, published = "", {}
    for line in (remote / "files.txt").read_text().splitlines():
        if line.startswith("root:"):
            root = line.split()[1]
        elif line and not line.startswith("#"):
            published[line.partition("-")[0]] = root + line
    for name in ("htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx", "mdx_extra"):
        original = yaml.safe_load((remote / f"{name}.yaml").read_text())
        for source in rows[name]["sources"]:
            bag = yaml.safe_load(dict(source["texts"])[source["import"]])
            assert bag == original, name
            assert [file["name"].split(".")[0].split("-")[0] for file in source["files"]] == bag["models"]
        for file, signature in zip(rows[name]["sources"][0]["files"], original["models"]):
            assert file["addresses"] == ["https://dl.fbaipublicfiles.com/demucs/" + published[signature]]
            assert file["sha256"] == published[signature].rpartition("-")[2].removesuffix(".th")
    assert rows["mdx_q"]["instead"] == "mdx" and place.server.requests == []


@pytest.mark.slow
def test_the_full_size_killed_at_ten_moments(tmp_path):
    place = Place(tmp_path, package(tmp_path, FULL))
    place.server.slow = 0.002
    folder = place.folder / ".local/share/stemsmith"

    def arrived():
        return max((file.stat().st_size for file in folder.rglob(f"{place.file}*")), default=0)

    # Eight while it arrives, two while it is made into a model.
    for moment in range(1, 11):
        process = place.start("stemsmith", "download", "htdemucs")
        while arrived() < min(moment / 9, 1) * len(place.content):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(max(0, moment - 8) * 0.2)
        process.kill()
        process.wait()
        assert not place.model.exists()
    place.download()
    resumed = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted, _ in place.server.requests if wanted]
    assert len(resumed) >= 8 and resumed == sorted(resumed) and resumed[7] > len(place.content) * 0.8
    assert_here(place)
    place.run("separate", "htdemucs", "song.wav")
    assert len(list((place.folder / "work/stems/song").iterdir())) == 4
    place.close()
