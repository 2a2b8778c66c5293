"""Every command that the docs show in a `console` block does what the page says: it ends without an error, in the
page's order, in a folder outside of the clone that holds what a reader has (songs with stems, a song, a published model).
So does the Python of PYTHON_PAGES, all of a page as one program.

A block that cannot run here is marked in the page, on the line before it: <!-- not run: REASON -->"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from model_server import ModelServer
from programs import BIN
from published_models import SMALL, package

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MOST_NOT_RUN = 12
PYTHON_PAGES = [ROOT / "docs/python.md"]
BLOCK = re.compile(r"(?:^<!-- not run: (.*?) -->\n)?^(?: *)```console\n(.*?)^(?: *)```", re.MULTILINE | re.DOTALL)
# Trainings end after seconds, and servers work beside the commands after them; big models are made of the same kinds of layers.
WRAPPER = """#!/bin/bash
if [ "$1" = train ]; then set -- "$@" --set train.max_seconds=4; fi
if [ "$1" = serve ]; then
  setsid {program} "$@" >serve.log 2>&1 &
  echo $! >serve.pid
  for _ in $(seq 300); do grep -q listening serve.log && exit 0; sleep 0.1; done
  cat serve.log >&2
  exit 1
fi
exec {program} "$@"
"""


def blocks(page):
    """(reason why it is not run or "", text) of each block."""
    return [(reason or "", text) for reason, text in BLOCK.findall(page.read_text())]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    server = ModelServer()
    content, name = package(folder, SMALL)
    server.files["/" + name] = content
    (folder / "catalogue.yaml").write_text(f"""
models:
  htdemucs:
    summary: the architecture with random weights
    stems: [drums, bass, other, vocals]
    licence: MIT
    sources: [{{import: htdemucs.yaml, texts: {{htdemucs.yaml: "models: ['955717e8']"}},
      files: [{{name: {name}, sha256: {name[9:17]}, addresses: ["{server.address}/{name}"]}}]}}]
""")
    (folder / "bin").mkdir()
    wrapper = folder / "bin/stemsmith"
    wrapper.write_text(WRAPPER.format(program=os.path.join(BIN, "stemsmith")))
    wrapper.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HF_", "TORCH_"))}
    environment |= {"PYTHONPATH": str(ROOT / "python"), "STEMSMITH_LIBRARY": os.path.join(BIN, "../lib/libstemsmith.so")}
    environment |= {"PATH": f"{folder}/bin:{BIN}:{os.environ['PATH']}", "STEMSMITH_CATALOGUE": str(folder / "catalogue.yaml")}
    subprocess.run([os.path.join(BIN, "stemsmith"), "synth", folder / "songs", "--songs", "5", "--seconds", "12", "--quiet"], check=True)
    song = next((folder / "songs/valid").iterdir()) / "mixture.wav"
    if not song.exists():
        song = next(song.parent.glob("*.wav"))
    for command in (["song.wav"], ["song.mp3"], ["new_song.wav"], ["new_song.mp3"]):
        subprocess.run(["ffmpeg", "-v", "error", "-t", "4", "-i", song, folder / command[0]], check=True)
    yield folder, environment
    server.close()


def run_page(page, place, tmp_path):
    folder, environment = place
    for name in ("songs", "song.wav", "song.mp3", "new_song.wav", "new_song.mp3"):
        source = folder / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    environment = dict(environment, HOME=str(tmp_path))
    try:
        for reason, text in blocks(page):
            if reason:
                continue
            result = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert result.returncode == 0, f"{page.relative_to(ROOT)}:\n{text}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    finally:
        if (tmp_path / "serve.pid").exists():
            os.kill(int((tmp_path / "serve.pid").read_text()), signal.SIGTERM)
    if page in PYTHON_PAGES:
        program = "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
        result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{page.relative_to(ROOT)}:\n{program}\n{result.stderr[-2000:]}"


def test_readme(place, tmp_path):
    run_page(ROOT / "README.md", place, tmp_path)
    stems = ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]
    for folder in ("stems/song", "my_stems/song"):
        assert sorted(file.name for file in (tmp_path / folder).iterdir()) == stems
    entry = json.loads((tmp_path / ".local/share/stemsmith/models/htdemucs/entry.json").read_text())
    assert entry["licence"] == "MIT"


def test_few_blocks_are_not_run():
    skipped = [(page.relative_to(ROOT), reason, text.splitlines()[0]) for page in PAGES for reason, text in blocks(page) if reason]
    for page, reason, line in skipped:
        print(f"{page}: {reason}: {line}")
    assert len(skipped) <= MOST_NOT_RUN
    assert sum(len(blocks(page)) for page in PAGES) > 2 * len(skipped)
    # All that a reader would type is in such blocks.
    for page in PAGES:
        for text in re.findall(r"^ *```(?:sh|bash|shell)\n(.*?)```", page.read_text(), re.MULTILINE | re.DOTALL):
            raise AssertionError(f"{page.relative_to(ROOT)} has commands in a block that no test runs:\n{text}")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES[1:] if any(not reason for reason, _ in blocks(page))],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, place, tmp_path):
    run_page(page, place, tmp_path)
