"""schemathesis asks `stemsmith serve` whatever serve/openapi.yaml allows, and what it does not: every answer is as the file
says, and none is a fault of the server."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from programs import run
from serve_process import BYTES, Served, noise

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMATHESIS = ROOT / ".deps/schemathesis"
RATE = 48000
# Of requests that the file allows some name a song that is not there, or a preset that no model has.
EXCLUDED_CHECKS = "positive_data_acceptance"
# Streams without an end; test_serve_api.py reads them.
STREAMS = ["events", "jobEvents"]
pytestmark = pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="tools/setup.sh --tests installs schemathesis")

# Ids and names of what is there, for half of what is asked.
HOOKS = """
import json, os, schemathesis

@schemathesis.serializer("application/offset+octet-stream", "audio/*", "video/*")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode()

known = json.loads(os.environ["STEMSMITH_KNOWN"])

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, values in known.items():
        if context.operation.method.upper() != "DELETE" and path_parameters and name in path_parameters:
            place = hash(str(path_parameters[name])) % (2 * len(values))
            if place < len(values):
                path_parameters[name] = values[place]
    return path_parameters

@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and isinstance(body.get("song"), str) and len(body["song"]) % 2 == 0:
        return {**body, "song": known["song"][0]}
    return body
"""

# Statuses that refuse, beside the usual: tus' own for its version, and those of HTTP for what is too long.
SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 411, 412, 413, 414, 415, 422, 429, 431]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 406, 411, 412, 415, 422]
"""


@pytest.fixture
def folder(tmp_path):
    run("make_tiny_onnx", tmp_path / "tiny.onnx", RATE, 0.5, 0.25, 0.125, 0.0625)
    noise(tmp_path / "song.wav", 0.2, RATE)
    return tmp_path


def judged(folder, server, known, examples, *options):
    (folder / "hooks.py").write_text(HOOKS)
    (folder / "schemathesis.toml").write_text(SETTINGS)
    environment = {**os.environ, "PYTHONPATH": f"{SCHEMATHESIS}:{folder}", "SCHEMATHESIS_HOOKS": "hooks", "STEMSMITH_KNOWN": json.dumps(known), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "schemathesis.cli", "run", ROOT / "serve/openapi.yaml", "--url", server.url, "--checks", "all", "--exclude-checks", EXCLUDED_CHECKS,
               "--max-examples", str(examples), "--seed", "1", "--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "30", *options]
    for name in STREAMS:
        command += ["--exclude-operation-id", name]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-2000:]
    assert server.process.poll() is None


def known_of(job):
    return {"job": [job["id"]], "song": [job["song"]], "stem": job["stems"] or ["bass"], "file": ["bass.wav", "stems.zip", "bass.flac", "stems.stem.mp4"], "upload": ["A" * 22]}


@pytest.mark.parametrize("examples", [pytest.param(4, id="few"), pytest.param(100, id="many", marks=pytest.mark.slow)])
def test_nobody_works(folder, examples):
    """Other processes would work: jobs stay queued, until the queue is full."""
    with open(folder / "log", "w") as log:
        server = Served(folder / "data", folder / "tiny.onnx", "--workers", "0", "--queue", "2", log=log)
        job = server.upload(folder / "song.wav").json
        judged(folder, server, known_of(job), examples)
        # The queue is full in the end, and its answer is as the file says.
        statuses = [server.upload(noise(folder / "more.wav", 0.1, RATE, seed)).status for seed in range(1, 4)]
        assert statuses[-1] == 429
        assert server.close() == 0
    assert (folder / "log").read_text() == ""


@pytest.mark.slow
def test_with_a_worker(folder):
    with open(folder / "log", "w") as log:
        server = Served(folder / "data", folder / "tiny.onnx", log=log)
        job = server.ended(server.upload(folder / "song.wav").json["id"])
        assert job["state"] == "done"
        judged(folder, server, known_of(job), 100)
        assert server.close() == 0
    assert (folder / "log").read_text() == ""
