"""The interface of `stemsmith serve`, as programs use it: each route, uploads in pieces, what is refused and in which words,
and what happens around it: models replaced, full disks, signals, programs that break down."""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import soundfile
from programs import run
from serve_process import BIN, BYTES, ENVIRONMENT, Served, noise, programs_with_gate, until

STEMS = ["drums", "bass", "other", "vocals"]
RATE = 48000
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
NOWHERE = "A" * 22  # an id that nothing has


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve_api")
    run("make_tiny_onnx", folder / "tiny.onnx", RATE, 0.5, 0.25, 0.125, 0.0625)
    run("make_tiny_onnx", folder / "two.onnx", RATE, 0.5, 0.25)
    return folder


@pytest.fixture(scope="module")
def programs(folder):
    return programs_with_gate(folder / "gate")


@pytest.fixture
def hold(folder):
    """Jobs that begin now wait until it is called."""
    gate = folder / "gate/hold"
    gate.touch()
    yield lambda: gate.unlink(missing_ok=True)
    gate.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def runs(folder):
    """What a training leaves, made by hand, and a page of a comparison."""
    for name in ("training", "comparison", "neither"):
        (folder / "runs" / name).mkdir(parents=True)
    records = [{"event": "start", "version": "0.1", "steps": 2}, {"event": "step", "step": 1, "loss": 0.5}]
    (folder / "runs/training/metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "runs/training/report.html").write_text("<p>of a training")
    (folder / "runs/comparison/results.json").write_text("{}")
    (folder / "runs/comparison/report.html").write_text("<p>of a comparison")
    return folder / "runs"


@pytest.fixture(scope="module")
def server(folder, programs, runs):
    with open(folder / "log", "w") as log:
        server = Served(folder / "data", folder / "tiny.onnx", "--model", folder / "two.onnx", "--most-upload", "0.001", "--most-minutes", "0.1",
                        "--runs", runs, programs=programs, log=log)
        yield server
        assert server.close() == 0
    assert (folder / "log").read_text() == ""  # no fault of the server


@pytest.fixture(scope="module")
def song(folder):
    return noise(folder / "a song.wav", 0.5, RATE)


@pytest.fixture(scope="module")
def job(server, song):
    answer = server.ask("POST", "/api/v1/jobs?name=a%20song.wav", song.read_bytes(), BYTES)
    assert answer.status == 201 and answer.headers["Location"] == "/api/v1/jobs/" + answer.json["id"], answer.body
    job = server.ended(answer.json["id"])
    assert job["state"] == "done", job
    return job


def test_general_routes(server, job, runs):
    health = server.get("/api/v1/health").json
    assert health["status"] == "ok" and health["workers"] == 1 and health["queue_limit"] == 50
    offer = server.get("/api/v1/models").json
    assert [model["name"] for model in offer["models"]] == ["tiny", "two"] and offer["models"][0]["stems"] == STEMS
    assert offer["limits"]["upload_bytes"] == int(0.001 * 2**30) and offer["limits"]["song_seconds"] == 6
    assert server.get("/api/v1/openapi.yaml").body == (pathlib.Path(__file__).parents[2] / "serve/openapi.yaml").read_bytes()
    metrics = server.get("/metrics").body.decode()
    assert re.search(r'^stemsmith_jobs\{state="done"\} [1-9]', metrics, re.M) and "stemsmith_http_connections 1" in metrics
    assert b"<!doctype html>" in server.get("/").body.lower()
    page = server.get("/")
    for header in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"):
        assert page.headers[header]
    # Runs: listed, shown, refused.
    listed = server.get("/api/v1/runs").json["runs"]
    assert sorted((each["name"], each["kind"], each["page"]) for each in listed) == [
        ("comparison", "comparison", "/runs/comparison"), ("training", "training", "/runs/training")]
    report = server.get("/runs/comparison")
    assert report.body == b"<p>of a comparison" and "sandbox" in report.headers["Content-Security-Policy"]
    assert server.get("/runs/training").body
    # One with newer figures is written again; one that cannot be is shown as it is.
    (runs / "training/report.html").write_text("<p>kept")
    os.utime(runs / "training/report.html", (1, 1))
    assert server.get("/runs/training").status == 200


def test_jobs_and_songs(server, job, song):
    assert job["title"] == "a song" and job["stems"] == STEMS and job["progress"] == 1 and job["message"] is None
    assert job["result"]["seconds"] == 0.5 and job["result"]["sample_rate_hz"] == RATE and job["result"]["channels"] == 2
    stored = server.get(f"/api/v1/songs/{job['song']}").json
    assert stored["bytes"] == song.stat().st_size and stored["seconds"] == 0.5 and stored["channels"] == 2
    waveform = server.get(f"/api/v1/songs/{job['song']}/peaks").json
    assert waveform["seconds"] == 0.5 and len(waveform["peaks"]) == 4000
    # The same again is the same, by any way.
    again = server.ask("POST", "/api/v1/jobs?name=other.wav", song.read_bytes(), BYTES)
    assert again.status == 200 and again.json["id"] == job["id"]
    again = server.post("/api/v1/jobs", {"song": job["song"]})
    assert again.status == 200 and again.json["id"] == job["id"]
    again = server.post("/api/v1/jobs", job["request"])
    assert again.status == 200 and again.json["id"] == job["id"]
    again = server.ask("POST", "/api/v1/songs", song.read_bytes(), BYTES)
    assert again.status == 200 and again.json["id"] == job["song"]
    # Another request is another job; listed newest first, page by page, searched.
    other = server.post("/api/v1/jobs", {"song": job["song"], "model": "two", "two_stems": "bass"})
    assert other.status == 201 and other.json["stems"] == ["bass", "no_bass"]
    mixed = server.ask("POST", "/api/v1/jobs?mixes=band=drums%2Bbass,voice=vocals&shifts=1", song.read_bytes(), BYTES)
    assert mixed.status == 201 and mixed.json["stems"] == ["band", "voice"] and mixed.json["request"]["shifts"] == 1
    for each in (other, mixed):
        assert server.ended(each.json["id"])["state"] == "done"
    page = server.get("/api/v1/jobs?limit=2&search=SONG&state=done").json
    assert [each["id"] for each in page["jobs"]] == [mixed.json["id"], other.json["id"]]
    following = server.get(f"/api/v1/jobs?limit=2&search=SONG&before={page['next']}").json
    assert following["jobs"][0]["id"] == job["id"] and following["next"] is None
    assert server.get("/api/v1/jobs?search=nothing%25of_it").json["jobs"] == []
    # A song goes with its last job.
    assert server.ask("DELETE", f"/api/v1/songs/{job['song']}").status == 409
    for each in (other, mixed):
        assert server.ask("DELETE", f"/api/v1/jobs/{each.json['id']}").status == 204
        assert server.get(f"/api/v1/jobs/{each.json['id']}").status == 404
        assert not (server.data / "jobs" / each.json["id"]).exists()
    assert server.get(f"/api/v1/songs/{job['song']}").status == 200


def test_events(server, job, folder):
    assert next(server.events(f"/api/v1/jobs/{job['id']}/events"))[1]["state"] == "done"
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", "/api/v1/events")
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "text/event-stream"
        created = server.upload(noise(folder / "of events.wav", 0.2, RATE, 5)).json

        def event():
            lines = []
            while not lines or lines[-1]:
                lines.append(response.readline().decode().rstrip("\n"))
            return re.fullmatch(r"event: (\w+)\ndata: (.*)\n", "\n".join(lines)) or event()

        states = []
        while "done" not in states:
            name, data = event().groups()
            assert name == "job" and json.loads(data)["id"] == created["id"]
            states.append(json.loads(data)["state"])
        assert sorted(states, key=["queued", "running", "done"].index) == states
        server.ask("DELETE", f"/api/v1/jobs/{created['id']}")
        name, data = event().groups()
        assert name == "removed" and json.loads(data) == {"id": created["id"]}


def test_every_format_is_what_separate_writes(server, job, song, folder):
    formats = server.get("/api/v1/models").json["formats"]
    choices = [(form, None) for form in formats] + [(form, form["bits"][-1]) for form in formats if form["name"] in ("wav", "flac", "stem.mp4")]
    for form, bits in choices:
        out = folder / "separated" / f"{form['name']}-{bits}"
        more = ["--bits", bits] if bits else []
        run("separate", folder / "tiny.onnx", song, "--out", out, "--format", form["name"], "--quiet", *more)
        query = f"?format={form['name']}" + (f"&bits={bits}" if bits else "")
        if form["many_streams"]:
            answer = server.get(f"/api/v1/jobs/{job['id']}/files/stems.stem.mp4{query}")
            assert answer.status == 200 and answer.body == (out / "a song.stem.mp4").read_bytes(), (form["name"], bits)
            continue
        answer = server.get(f"/api/v1/jobs/{job['id']}/files/vocals{form['ending']}{query}")
        assert answer.status == 200 and answer.body == (out / "a song" / f"vocals{form['ending']}").read_bytes(), (form["name"], bits)
        if form["name"] in ("wav", "flac", "opus"):
            answer = server.get(f"/api/v1/jobs/{job['id']}/files/stems.zip{query}")
            with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
                assert sorted(archive.namelist()) == sorted(f"a song/{stem}{form['ending']}" for stem in STEMS)
                for stem in STEMS:
                    assert archive.read(f"a song/{stem}{form['ending']}") == (out / "a song" / f"{stem}{form['ending']}").read_bytes(), (form["name"], stem)
    saved = server.get(f"/api/v1/jobs/{job['id']}/files/vocals.flac?download=1")
    assert saved.headers["Content-Disposition"].startswith('attachment; filename="a song (vocals).flac"')


def test_parts_of_files(server, job):
    path = f"/api/v1/jobs/{job['id']}/files/bass.wav"
    whole = server.get(path)
    size, tag = len(whole.body), whole.headers["ETag"]
    assert whole.headers["Accept-Ranges"] == "bytes" and tag.startswith('"')
    for text, begin, end in (("0-9", 0, 10), ("100-", 100, size), ("-7", size - 7, size), (f"5-{10 * size}", 5, size)):
        part = server.get(path, Range=f"bytes={text}")
        assert (part.status, part.body) == (206, whole.body[begin:end]) and part.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{size}"
    beyond = server.get(path, Range=f"bytes={size}-")
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{size}"
    assert server.get(path, Range="bytes=0-3", If_Range='"another"').status == 200
    assert server.get(path, Range="bytes=0-3", If_Range=tag).status == 206
    for path in (path, f"/api/v1/jobs/{job['id']}/peaks/bass", f"/api/v1/jobs/{job['id']}/spectrograms/bass", f"/api/v1/songs/{job['song']}/peaks"):
        whole = server.get(path)
        assert whole.status == 200
        unchanged = server.get(path, If_None_Match=whole.headers["ETag"])
        assert (unchanged.status, unchanged.body) == (304, b"") and unchanged.headers["ETag"] == whole.headers["ETag"]
        head = server.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"") and int(head.headers["Content-Length"]) == len(whole.body)
    # Closed in mid-download: others are served.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET /api/v1/jobs/{job['id']}/files/bass.wav HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connection.recv(100)
    assert server.get(path).status == 200


def test_files_that_are_wanted_at_once(server, song, job):
    """As by several browsers that open a song."""
    made = server.post("/api/v1/jobs", {"song": job["song"], "shifts": 1}).json
    assert server.ended(made["id"])["state"] == "done"
    wanted = [f"/api/v1/jobs/{made['id']}/{kind}" for stem in STEMS for kind in (f"peaks/{stem}", f"spectrograms/{stem}", f"files/{stem}.flac")] * 2
    with ThreadPoolExecutor(len(wanted)) as threads:
        assert {answer.status for answer in threads.map(server.get, wanted)} == {200}
    assert server.ask("DELETE", f"/api/v1/jobs/{made['id']}").status == 204


# ---------------------------------------------------------------- uploads in pieces


def begin(server, length, name="pieces.wav"):
    encoded = base64.b64encode(name.encode()).decode()
    answer = server.ask("POST", "/api/v1/uploads", headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded}, is_confidential"})
    assert answer.status == 201, answer.body
    return answer.headers["Location"]


def offset(server, path):
    answer = server.ask("HEAD", path, headers=TUS)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


def test_an_upload_in_pieces(server, folder):
    data = noise(folder / "pieces.wav", 0.6, RATE, 2).read_bytes()
    options = server.ask("OPTIONS", "/api/v1/uploads")
    assert options.status == 204 and options.headers["Tus-Version"] == "1.0.0" and "creation" in options.headers["Tus-Extension"]
    path = begin(server, len(data), "../päth/to/pieces.wav")
    assert server.ask("PATCH", path, data[:1000], {**PIECE, "Upload-Offset": "0"}).headers["Upload-Offset"] == "1000"
    # The connection breaks in the middle of a piece: what has arrived stays.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in {**PIECE, "Upload-Offset": 1000, "Content-Length": 50000, "Host": "localhost"}.items())
        connection.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + data[1000:21000])
        until(lambda: offset(server, path) == 21000)
        # Meanwhile nobody else may write.
        second = server.ask("PATCH", path, data[21000:22000], {**PIECE, "Upload-Offset": "21000"})
        assert second.status == 423 and "Another request" in second.json["detail"]
    def goes_on():
        answer = server.ask("PATCH", path, data[21000:30000], {**PIECE, "Upload-Offset": "21000"})
        return answer.status != 423 and answer
    assert until(goes_on).headers["Upload-Offset"] == "30000"
    wrong = server.ask("PATCH", path, b"x", {**PIECE, "Upload-Offset": "7"})
    assert wrong.status == 409 and "30000 bytes" in wrong.json["detail"] and wrong.headers["Upload-Offset"] == "30000"
    long = server.ask("PATCH", path, data[30000:] + b"x", {**PIECE, "Upload-Offset": "30000"})
    assert long.status == 400 and "longer than its Upload-Length" in long.json["detail"]
    at = until(lambda: offset(server, path))
    last = server.ask("PATCH", path, data[at:], {**PIECE, "Upload-Offset": str(at)})
    assert last.status == 204, last.body
    identity = last.headers["Stemsmith-Song"]
    stored = server.get(f"/api/v1/songs/{identity}").json
    assert stored["name"] == "pieces" and stored["bytes"] == len(data)
    # Who lost the last answer asks for it.
    head = server.ask("HEAD", path, headers=TUS)
    assert head.headers["Upload-Offset"] == head.headers["Upload-Length"] == str(len(data)) and head.headers["Stemsmith-Song"] == identity
    over = server.ask("PATCH", path, b"", {**PIECE, "Upload-Offset": str(len(data))})
    assert over.status in (204, 409)
    # The same bytes whole are the same song.
    assert server.ask("POST", "/api/v1/songs", data, BYTES).json["id"] == identity
    assert server.ask("DELETE", f"/api/v1/songs/{identity}").status == 204
    # One that is given up.
    path = begin(server, 10)
    assert server.ask("DELETE", path, headers=TUS).status == 204
    assert server.ask("HEAD", path, headers=TUS).status == 404
    # One that turns out to be no audio has nothing to go on with.
    path = begin(server, 10)
    refused = server.ask("PATCH", path, b"0123456789", {**PIECE, "Upload-Offset": "0"})
    assert refused.status == 422 and server.ask("HEAD", path, headers=TUS).status == 404
    assert list((server.data / "uploads").iterdir()) == []


def form(*parts, end=True):
    """A form of (Content-Disposition, bytes)."""
    body = b"".join(b"--sep\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
    return body + (b"--sep--\r\n" if end else b""), {"Content-Type": "multipart/form-data; boundary=sep"}


@pytest.mark.parametrize("disposition, name", [
    ('name="file"; filename="plain.flac"', "plain"),
    ('name="file"; filename="../../etc/pass wd.wav"', "pass wd"),
    (r'name="file"; filename="C:\\songs\\a \"b\".mp3"', 'a "b"'),
    ('name="file"; filename="über%22.wav"', 'über"'),
    ("name=\"file\"; filename=\"x.wav\"; filename*=UTF-8''na%C3%AFve%20%E2%98%83.wav", "naïve ☃"),
    ('name="file"; filename="..wav"', "."),
    ('name="file"; filename="<b>&amp;.wav"', "<b>&amp;"),
    ('name="file"; filename="' + "ä" * 300 + '.wav"', "ä" * 100),
    ('name="file"; filename="tab\tand\x01bell.wav"', "tab and bell"),
], ids=range(9))
def test_forms_with_odd_names(server, folder, disposition, name):
    data = noise(folder / "form.wav", 0.1, RATE, 100 + len(disposition)).read_bytes()
    body, headers = form(('name="ignored"', b"x"), (disposition, data))
    answer = server.ask("POST", "/api/v1/songs", body, headers)
    assert answer.status == 201, answer.body
    assert answer.json["name"] == ("song" if name in (".", "..") else name) and answer.json["bytes"] == len(data)
    server.ask("DELETE", f"/api/v1/songs/{answer.json['id']}")


# ---------------------------------------------------------------- what is refused


def flac(path, seconds, length=True):
    soundfile.write(path, np.zeros(int(seconds * 8000), "int16"), 8000, format="FLAC")
    data = bytearray(path.read_bytes())
    if not length:  # the count of samples in the header, which may be unknown
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    return bytes(data)


@pytest.fixture(scope="module")
def bodies(folder, song):
    wav = song.read_bytes()
    return {
        "song": wav,
        "text": b"this is not audio, but it is longer than any header of a file\n" * 20,
        "empty": b"",
        "long": flac(folder / "long.flac", 3600),
        "long_unsaid": flac(folder / "long.flac", 3600, length=False),
        "half": wav[:30],
        "html": b"<html><body>" + b"x" * 1000,
    }


# Method, path, headers, body, status, words of the sentence.
JSON = {"Content-Type": "application/json"}
J = "/api/v1/jobs"
REFUSED = [
    ("POST", J, BYTES, "text", 422, "no audio|not audio|unknown|format"),
    ("POST", J + "?name=x.wav", BYTES, "html", 422, "audio|format"),
    ("POST", J, BYTES, "empty", 422, "empty"),
    ("POST", "/api/v1/songs", BYTES, "empty", 422, "empty"),
    ("POST", J, BYTES, "half", 422, "."),
    ("POST", J, BYTES, "long", 422, "longer than"),
    ("POST", J, BYTES, "long_unsaid", 422, "longer than"),
    ("POST", J, JSON, b"", 400, "JSON"),
    ("POST", J, JSON, b"[]", 400, "JSON object"),
    ("POST", J, JSON, b"{", 400, "JSON"),
    ("POST", J, JSON, b"\xff{}", 400, "JSON"),
    ("POST", J, JSON, b'{"song": "{song}"' + b" " * 70000 + b"}", 413, "longer"),
    ("POST", J, JSON, b'{"song": ' + b"[" * 50000 + b"}", 400, "JSON"),
    ("POST", J, JSON, {}, 422, "'song' is missing"),
    ("POST", J, JSON, {"song": 7}, 422, "'song' must be a text"),
    ("POST", J, JSON, {"song": NOWHERE}, 422, "no such song"),
    ("POST", J, JSON, {"song": "../../etc/passwd"}, 422, "no such song"),
    ("POST", J, JSON, {"song": "{song}", "stem": ["vocals"]}, 422, "no key 'stem'; did you mean 'stems'"),
    ("POST", J, JSON, {"song": "{song}", "model": "tinny"}, 422, "no model 'tinny'; did you mean 'tiny'"),
    ("POST", J, JSON, {"song": "{song}", "model": "../tiny.onnx"}, 422, "no model"),
    ("POST", J, JSON, {"song": "{song}", "model": None}, 422, "'model' must be a text"),
    ("POST", J, JSON, {"song": "{song}", "stems": ["vocal"]}, 422, "did you mean 'vocals'"),
    ("POST", J, JSON, {"song": "{song}", "stems": ["../vocals"]}, 422, "."),
    ("POST", J, JSON, {"song": "{song}", "stems": "vocals"}, 422, "stems"),
    ("POST", J, JSON, {"song": "{song}", "stems": [7]}, 422, "stems"),
    ("POST", J, JSON, {"song": "{song}", "stems": {}}, 422, "stems"),
    ("POST", J, JSON, {"song": "{song}", "preset": "4stems"}, 422, "did you mean '4stem'"),
    ("POST", J, JSON, {"song": "{song}", "two_stems": "vocls"}, 422, "did you mean 'vocals'"),
    ("POST", J, JSON, {"song": "{song}", "two_stems": 1}, 422, "two_stems"),
    ("POST", J, JSON, {"song": "{song}", "mixes": ["../../x=vocals"]}, 422, "."),
    ("POST", J, JSON, {"song": "{song}", "mixes": ["a/b=vocals"]}, 422, "."),
    ("POST", J, JSON, {"song": "{song}", "mixes": ["vocals"]}, 422, "."),
    ("POST", J, JSON, {"song": "{song}", "shifts": -1}, 422, "shifts"),
    ("POST", J, JSON, {"song": "{song}", "shifts": "many"}, 422, "shifts"),
    ("POST", J, JSON, {"song": "{song}", "shifts": 1e300}, 422, "shifts"),
    ("POST", J, JSON, {"song": "{song}", "shifts": 1.5}, 422, "shifts"),
    ("POST", J + "?model=tinny", BYTES, "song", 422, "did you mean 'tiny'"),
    ("POST", J + "?stems=vocal", BYTES, "song", 422, "did you mean 'vocals'"),
    ("POST", J + "?shifts=x", BYTES, "song", 422, "shifts"),
    ("POST", "/api/v1/session", {}, b"{}", 415, "Content-Type"),
    ("POST", "/api/v1/session", JSON, {"tokn": ""}, 422, "did you mean 'token'"),
    ("GET", J + "?state=finished", {}, None, 422, "queued, running, done"),
    ("GET", J + "?limit=0", {}, None, 422, "limit"),
    ("GET", J + "?limit=1e9", {}, None, 422, "limit"),
    ("GET", J + "?before=-1", {}, None, 422, "before"),
    ("GET", J + "?search=%ff", {}, None, 400, "UTF-8"),
    ("GET", J + "?search=%00", {}, None, 400, "NUL"),
    # Nothing that is named leads out.
    ("GET", J + "/..%2f..%2fetc%2fpasswd", {}, None, 400, "'/'"),
    ("GET", J + "/../../../etc/passwd", {}, None, 400, "'..'"),
    ("GET", J + "/%2e%2e", {}, None, 400, "'..'"),
    ("GET", J + "/" + NOWHERE, {}, None, 404, "no such job"),
    ("GET", J + "/" + "A" * 1000, {}, None, 404, "no such job"),
    ("GET", "/api/v1/songs/passwd", {}, None, 404, "no such song"),
    ("GET", "/api/v1/songs/..%5c..%5c", {}, None, 404, "no such song"),
    ("GET", "/api/v1/songs/a%00b", {}, None, 400, "control"),
    ("HEAD", "/api/v1/uploads/passwd", TUS, None, 404, None),
    ("GET", J + "/{job}/files/..%2fvocals.wav", {}, None, 400, "'/'"),
    ("GET", J + "/{job}/files/..%5cvocals.wav", {}, None, 404, "no file"),
    ("GET", J + "/{job}/files/.wav", {}, None, 404, "no format"),
    ("GET", J + "/{job}/files/vocals", {}, None, 404, "no format"),
    ("GET", J + "/{job}/files/vocals.exe", {}, None, 404, "no format"),
    ("GET", J + "/{job}/files/guitar.wav", {}, None, 404, "drums, bass, other, vocals"),
    ("GET", J + "/{job}/files/vocals.stem.mp4", {}, None, 404, "no file"),
    ("GET", J + "/{job}/files/stems.zip?format=wave", {}, None, 422, "did you mean 'wav'"),
    ("GET", J + "/{job}/files/stems.zip?format=stem.mp4", {}, None, 422, "stems.stem.mp4"),
    ("GET", J + "/{job}/files/vocals.wav?bits=8", {}, None, 422, "16, 24 or 32f"),
    ("GET", J + "/{job}/files/vocals.flac?bits=32f", {}, None, 422, "."),
    ("GET", J + "/{job}/files/vocals.mp3?bits=16", {}, None, 422, "."),
    ("GET", J + "/{job}/files/vocals.mp3?bitrate=7", {}, None, 422, "."),
    ("GET", J + "/{job}/files/vocals.mp3?bitrate=-1", {}, None, 422, "bitrate"),
    ("GET", J + "/{job}/files/vocals.wav?bitrate=128", {}, None, 422, "."),
    ("GET", J + "/{job}/peaks/..", {}, None, 400, "'..'"),
    ("GET", J + "/{job}/peaks/guitar", {}, None, 404, "no file"),
    ("GET", J + "/{job}/spectrograms/..%5c", {}, None, 404, "no file"),
    ("GET", "/runs/..", {}, None, 400, "'..'"),
    ("GET", "/runs/neither", {}, None, 404, "no run"),
    ("GET", "/runs/%2e%2e%2ftraining", {}, None, 400, "'/'"),
    ("GET", "/page/../api", {}, None, 400, "'..'"),
    ("GET", "/page/nothing.js", {}, None, 404, "."),
    ("POST", J + "/{job}/cancel", {}, None, 409, "is done"),
    # Methods, addresses, protocol.
    ("PUT", J, {}, b"", 405, "GET, HEAD, POST"),
    ("POST", "/api/v1/health", {}, b"", 405, "GET"),
    ("DELETE", "/metrics", {}, None, 405, "GET"),
    ("PATCH", J + "/{job}", {}, b"", 405, "DELETE"),
    ("GET", "/api/v2/jobs", {}, None, 404, "nothing at this address"),
    ("GET", "/api/v1/jobs/{job}/files/", {}, None, 404, "."),
    ("POST", "/api/v1/uploads", {"Upload-Length": "5"}, None, 412, "tus 1.0.0"),
    ("POST", "/api/v1/uploads", TUS, None, 400, "Upload-Length"),
    ("POST", "/api/v1/uploads", {**TUS, "Upload-Length": "-5"}, None, 400, "Upload-Length"),
    ("POST", "/api/v1/uploads", {**TUS, "Upload-Length": "0"}, None, 422, "empty"),
    ("POST", "/api/v1/uploads", {**TUS, "Upload-Length": "9999999999"}, None, 413, "larger"),
    ("POST", "/api/v1/uploads", {**TUS, "Upload-Length": str(2**63 - 1)}, None, 413, "larger"),  # than any disk, too
    ("POST", J, {**BYTES, "Content-Length": str(2**62)}, None, 413, "larger"),
    ("POST", "/api/v1/uploads", {**TUS, "Upload-Length": "9", "Upload-Metadata": "filename §"}, None, 400, "base64"),
    ("PATCH", "/api/v1/uploads/" + NOWHERE, {**PIECE, "Upload-Offset": "0"}, b"x", 404, "no such upload"),
    ("PATCH", "/api/v1/uploads/" + NOWHERE, {**TUS, "Upload-Offset": "0"}, b"x", 415, "offset+octet-stream"),
    ("POST", J, JSON, {"song": "{song}", "mixes": [f"{number}=drums" for number in range(17)]}, 422, "16 mixes"),
    # Who asks.
    ("GET", J, {"Host": "evil.example"}, None, 421, "evil.example"),
    ("POST", J, {**JSON, "Origin": "http://evil.example"}, {}, 403, "another origin"),
    ("DELETE", J + "/{job}", {"Origin": "null"}, None, 403, "another origin"),
    ("POST", J, {**JSON, "Sec-Fetch-Site": "cross-site"}, {}, 403, "another origin"),
    ("GET", J, {"Sec-Fetch-Site": "same-site"}, None, 403, "another origin"),
    ("GET", J, {"X-Long": "x" * 20000}, None, 431, "header"),
    ("GET", J + "?search=" + "x" * 10000, {}, None, 414, "longer than"),
]


@pytest.mark.parametrize("method, path, headers, body, status, words", REFUSED, ids=[f"{index}-{row[0]}-{row[1][:50]}" for index, row in enumerate(REFUSED)])
def test_what_is_refused(server, job, bodies, method, path, headers, body, status, words):
    def filled(text):
        return text.replace("{song}", job["song"]).replace("{job}", job["id"])

    if isinstance(body, dict):
        body = filled(json.dumps(body)).encode()
    elif isinstance(body, str):
        body = bodies[body]
    answer = server.raw(request(method, filled(path), headers, body))
    assert answer.status == status, answer.body
    if words:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status and re.search(re.escape(words) if "|" not in words and words != "." else words, answer.json["detail"]), answer.json["detail"]
        assert answer.json["detail"].endswith((".", "?")) and str(server.data) not in answer.json["detail"]
    assert server.get("/api/v1/health").status == 200


def request(method, path, headers={}, body=None):
    # With the connection closed: who reads to the end gets all of it.
    fields = {"Host": "localhost", "Connection": "close", **({"Content-Length": len(body)} if body is not None else {}), **headers}
    return f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(f"{name}: {value}\r\n".encode() for name, value in fields.items()) + b"\r\n" + (body or b"")


def test_songs_that_are_too_large(server):
    # Before it is sent, where the length is known.
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(request("POST", J, {**BYTES, "Content-Length": 3 * 2**30, "Expect": "100-continue"}))
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 413 and "larger than the" in json.loads(response.read())["detail"]
    # In mid-stream, where it is not.
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(request("POST", J, {**BYTES, "Transfer-Encoding": "chunked"}))
        with contextlib.suppress(OSError):
            for _ in range(64):
                connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 413 and "larger than the" in json.loads(response.read())["detail"]
    # A broken one leaves nothing.
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(request("POST", J, {**BYTES, "Content-Length": 100000}, b"RIFF" * 1000))
        until(lambda: list((server.data / "uploads").iterdir()))
    until(lambda: not list((server.data / "uploads").iterdir()))


@pytest.mark.parametrize("broken, words", [
    (form(("name=\"file\"; filename=\"a.wav\"", b"RIFF"), end=False), "before its last boundary"),
    (form(("name=\"file\"", b"RIFF")), "no file"),
    (form(("name=\"file\"; filename=\"a.wav\"", b"RIFF"), ("name=\"file\"; filename=\"b.wav\"", b"RIFF")), "more than one file"),
    (form(("name=\"file\"; filename=\"\"", b"")), "no name"),
    ((b"--other--\r\n", {"Content-Type": "multipart/form-data; boundary=sep"}), "."),
    ((b"", {"Content-Type": "multipart/form-data"}), "boundary"),
])
def test_broken_forms(server, broken, words):
    body, headers = broken
    answer = server.ask("POST", "/api/v1/songs", body, headers)
    assert answer.status == 400 and re.search(words, answer.json["detail"]), answer.body
    until(lambda: not list((server.data / "uploads").iterdir()))


# ---------------------------------------------------------------- jobs that are stopped, servers that are


def test_cancelled_and_deleted(server, folder, hold):
    running = server.upload(noise(folder / "cancelled.wav", 0.2, RATE, 11)).json["id"]
    queued = [server.upload(noise(folder / "cancelled.wav", 0.2, RATE, seed)).json["id"] for seed in (12, 13)]
    server.running(running)
    assert [server.job(each)["place"] for each in queued] == [1, 2]
    assert server.ask("DELETE", f"{J}/{queued[0]}").status == 204 and server.get(f"{J}/{queued[0]}").status == 404
    assert server.ask("POST", f"{J}/{queued[1]}/cancel").status == 202 and server.job(queued[1])["state"] == "cancelled"
    assert server.get(f"{J}/{running}/files/vocals.wav").status == 409
    assert server.ask("POST", f"{J}/{running}/cancel").status == 202
    assert server.ended(running)["state"] == "cancelled"
    assert server.ask("POST", f"{J}/{running}/cancel").status == 409
    # What was cancelled may be wanted again; what runs may be removed.
    again = server.upload(noise(folder / "cancelled.wav", 0.2, RATE, 11))
    assert again.status == 201
    server.running(again.json["id"])
    assert server.ask("DELETE", f"{J}/{again.json['id']}").status == 204
    assert server.get(f"{J}/{again.json['id']}").status == 404 and not (server.data / "jobs" / again.json["id"]).exists()
    hold()
    assert server.ended(server.upload(noise(folder / "cancelled.wav", 0.2, RATE, 12)).json["id"])["state"] == "done"


def test_programs_that_break_down(server, folder):
    crash = folder / "gate/crash"
    crash.touch()
    try:
        job = server.ended(server.upload(noise(folder / "crash.wav", 0.2, RATE, 21)).json["id"])
    finally:
        crash.unlink()
    assert job["state"] == "failed" and "signal 11" in job["message"] and job["attempts"] == 3
    assert (folder / "gate/crashes").read_text() == "x\n" * 3
    # One that failed may be tried again.
    again = server.upload(noise(folder / "crash.wav", 0.2, RATE, 21))
    assert again.status == 201 and server.ended(again.json["id"])["state"] == "done"


def test_a_stopped_server_goes_on(folder, programs, hold):
    server = Served(folder / "stopped", folder / "tiny.onnx", programs=programs)
    running, queued = [server.upload(noise(folder / "stopped.wav", 0.2, RATE, seed)).json["id"] for seed in (31, 32)]
    server.running(running)
    second = subprocess.run([BIN / "stemsmith", "serve", "--model", folder / "tiny.onnx", "--port", "0", "--data", folder / "stopped"], capture_output=True, text=True, env=ENVIRONMENT)
    assert second.returncode == 2 and "another server uses this data folder" in second.stderr
    assert server.close() == 0
    assert not subprocess.run(["pgrep", "-f", str(folder / "stopped/jobs")], capture_output=True).stdout
    hold()
    server = Served(folder / "stopped", folder / "tiny.onnx", programs=programs)
    jobs = [server.ended(each) for each in (running, queued)]
    assert [job["state"] for job in jobs] == ["done", "done"] and jobs[0]["attempts"] >= 1
    for job in jobs:
        assert [each.name for each in (folder / "stopped/jobs" / job["id"]).iterdir() if each.name.startswith("attempt")] == [f"attempt-{job['attempts']}"]
    assert server.close() == 0


def test_a_model_that_is_replaced(folder, song):
    model = folder / "replaced.onnx"
    shutil.copy(folder / "tiny.onnx", model)
    server = Served(folder / "replaced", model)
    first = server.ended(server.upload(song).json["id"])
    # Another content: other work, other stems.
    shutil.copy(folder / "two.onnx", folder / "next.onnx")
    os.replace(folder / "next.onnx", model)
    second = server.post(J, {"song": first["song"]})
    assert second.status == 201 and second.json["stems"] == ["drums", "bass"]
    assert server.ended(second.json["id"])["state"] == "done"
    # Damaged: said, and served on.
    model.write_bytes(model.read_bytes()[:200])
    refused = server.post(J, {"song": first["song"]})
    assert refused.status == 409 and "cannot be used now" in refused.json["detail"], refused.body
    assert server.get("/api/v1/models").json["models"][0]["problem"]
    assert server.get(f"{J}/{first['id']}/files/vocals.wav").status == 200
    model.unlink()
    assert server.post(J, {"song": first["song"]}).status == 409
    # Put back: the first result is there again.
    shutil.copy(folder / "tiny.onnx", model)
    again = server.post(J, {"song": first["song"]})
    assert again.status == 200 and again.json["id"] == first["id"], again.body
    assert server.close() == 0


def test_a_model_of_another_program_that_is_described_anew(folder, song):
    graph = onnx.load(folder / "two.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, folder / "foreign.onnx")
    description = {"sample_rate_hz": RATE, "segment_frames": RATE, "length": {"dynamic": True}}
    described = folder / "foreign.json"
    described.write_text(json.dumps({**description, "stems": ["low", "high"]}))
    server = Served(folder / "foreign", folder / "foreign.onnx")
    first = server.upload(song).json
    assert first["stems"] == ["low", "high"] and server.ended(first["id"])["state"] == "done"
    assert server.post(J, {"song": first["song"]}).status == 200  # the same work
    described.write_text(json.dumps({**description, "stems": ["left", "right"]}))
    second = server.post(J, {"song": first["song"]})
    assert second.status == 201 and second.json["stems"] == ["left", "right"], second.body
    assert server.ended(second.json["id"])["state"] == "done"
    assert server.close() == 0


def test_a_damaged_database(folder):
    data = folder / "damaged"
    server = Served(data, folder / "tiny.onnx")
    assert server.close() == 0
    database = data / "stemsmith.sqlite"
    whole = database.read_bytes()
    for content in (b"not a database at all" * 500, whole[:4096] + bytes(len(whole) - 4096)):
        for file in data.glob("stemsmith.sqlite-*"):
            file.unlink()
        database.write_bytes(content)
        failed = subprocess.run([BIN / "stemsmith", "serve", "--model", folder / "tiny.onnx", "--port", "0", "--data", data], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        assert failed.returncode == 1 and failed.stderr.startswith("error: ") and "stemsmith.sqlite" in failed.stderr, failed
        assert database.read_bytes() == content


def test_a_token(folder, song):
    token = "a-token-of-24-characters"
    server = Served(folder / "token", folder / "tiny.onnx", "--token", token)
    assert server.token is None  # who gave it knows it
    assert server.get("/").status == 200 and server.get("/api/v1/health").status == 200
    sentences = set()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {token}x"}, {"Authorization": f"Basic {token}"}, {"Cookie": "stemsmith_token=wrong"}):
        for path in (J, f"{J}/{NOWHERE}", "/metrics", "/api/v1/runs", "/nothing"):
            answer = server.ask("GET", path, headers=headers)
            assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer", (path, headers)
            sentences.add(answer.json["detail"])
    assert len(sentences) == 1
    assert server.ask("POST", J, song.read_bytes(), BYTES).status == 401
    assert server.get(J, Authorization=f"bearer {token}").status == 200
    assert server.post("/api/v1/session", {"token": "wrong"}).status == 401
    session = server.post("/api/v1/session", {"token": token})
    cookie = session.headers["Set-Cookie"]
    assert session.status == 204 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert server.get(J, Cookie=cookie.split(";")[0]).status == 200
    ended = server.ask("DELETE", "/api/v1/session", headers={"Cookie": cookie.split(";")[0]})
    assert ended.status == 204 and "Max-Age=0" in ended.headers["Set-Cookie"]
    assert server.close() == 0


def test_songs_wait_for_their_jobs(folder, song):
    data = folder / "waiting"
    server = Served(data, folder / "tiny.onnx")
    waiting = server.ask("POST", "/api/v1/songs", song.read_bytes(), BYTES).json["id"]
    for _ in range(2):  # each looks once for what is to be removed
        assert server.close() == 0
        server = Served(data, folder / "tiny.onnx")
    assert server.post(J, {"song": waiting}).status == 201
    assert server.close() == 0


def test_a_full_disk(folder, song):
    """The data folder on a disk of 80 MiB, of which 64 are to stay free."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets this user mount no small disks")
    data = folder / "disk"
    data.mkdir()
    mount = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=80m none "$0" && exec "$@"', data]
    server = Served(data, folder / "tiny.onnx", command=mount)
    disk = pathlib.Path(f"/proc/{server.process.pid}/root{data}")
    first = server.ended(server.upload(song).json["id"])
    assert first["state"] == "done"
    (disk / "filling").write_bytes(bytes(20 << 20))
    for refused in (server.upload(song), server.ask("POST", "/api/v1/songs", song.read_bytes(), BYTES),
                    server.ask("POST", "/api/v1/uploads", headers={**TUS, "Upload-Length": "1000"})):
        assert refused.status == 507 and "disk is full" in refused.json["detail"]
    # To the last byte: what must be made cannot be, what is there is served.
    with contextlib.suppress(OSError), open(disk / "rest", "wb", buffering=0) as rest:
        while True:
            rest.write(bytes(1 << 16))
    made = server.get(f"{J}/{first['id']}/files/vocals.flac")
    assert made.status == 507 and "full" in made.json["detail"] and str(data) not in made.json["detail"], made.body
    assert server.get(f"{J}/{first['id']}").status == 200 and server.get("/api/v1/health").status == 200
    for file in ("filling", "rest"):
        (disk / file).unlink()
    assert server.get(f"{J}/{first['id']}/files/vocals.flac").status == 200
    assert server.upload(song).status == 200
    assert server.close() == 0
