"""Published models as a test offers them: random weights of the reference packages under the published names and layouts,
from a server of the test, for a home folder of its own."""

import hashlib
import json
import os
import subprocess

import pytest
from demucs_packages import python, song
from model_server import ModelServer
from programs import BIN

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
