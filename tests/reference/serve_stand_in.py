"""Stands for `stemsmith serve`: the page of serve/page over serve/openapi.yaml, with jobs that take as long as a test
wants, and with faults that the server itself cannot be brought into.

Stems are the song, each times one of GAINS, or the files in the folder that `sounds` of StandIn names. Faults: `faults` is a list of
(method, beginning of the path, what), each for one request: ("cut", bytes) breaks a body off, ("status", code, detail)
is an answer, ("lost",) does the work and gives no answer.
"""

import base64
import datetime
import http.server
import io
import json
import os
import pathlib
import queue
import re
import secrets
import struct
import threading
import time
import urllib.parse
import zipfile
import zlib

import numpy as np
import soundfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "serve/page"
WAVESURFER = ROOT / ".deps/wavesurfer/node_modules/wavesurfer.js/dist/wavesurfer.esm.js"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{}'; img-src 'self' data: blob:; media-src 'self' blob:; "
          "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
COLOURS = [("#2563a8", "#7db4ee"), ("#c2410c", "#f6965b"), ("#15803d", "#6fcf8e"), ("#9333a8", "#d398e6"),
           ("#a16207", "#e3bd56"), ("#0e7490", "#63cbdf"), ("#be185d", "#f48fb6"), ("#57606e", "#a0a9b6")]
USUAL = {"drums": 0, "guitar": 1, "bass": 2, "piano": 3, "other": 4, "vocals": 6}
GAINS = (0.5, 0.25, 0.125, 0.0625)
FORMATS = [("wav", ".wav", "uncompressed", False, ["16", "24", "32f"]), ("flac", ".flac", "lossless", False, ["16", "24"]),
           ("mp3", ".mp3", "lossy", True, []), ("ogg", ".ogg", "Vorbis, lossy", True, [])]


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def peaks(sound):
    count = min(2000, len(sound))
    parts = np.array_split(sound, count)
    return [round(float(v), 4) for part in parts for v in (part.min(), part.max())]


def png(picture):
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    height, width = picture.shape[:2]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def spectrogram(sound, width=900, height=160):
    mono = sound.mean(axis=1)
    size = 2048
    starts = np.linspace(0, max(len(mono) - size, 0), width).astype(int)
    frames = np.stack([np.pad(mono[s:s + size], (0, size - len(mono[s:s + size]))) for s in starts])
    level = 20 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(size))).T + 1e-6)
    bins = np.geomspace(2, len(level) - 1, height).astype(int)[::-1]
    value = np.clip((level[bins] + 30) / 80, 0, 1)[..., None]
    colours = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], float)
    at = value * (len(colours) - 1)
    low = np.minimum(at.astype(int), len(colours) - 2)[..., 0]
    return png((colours[low] * (1 - (at - low[..., None])) + colours[low + 1] * (at - low[..., None])).astype(np.uint8))


class Refused(Exception):
    def __init__(self, status, detail, **headers):
        self.status, self.detail, self.headers = status, detail, headers


class StandIn:
    def __init__(self, stems=("drums", "bass", "other", "vocals"), job_seconds=0.5, token=None, sounds=None, port=0, song_seconds=7200):
        self.models = [{"name": "htdemucs", "kind": "onnx", "stems": list(stems), "sample_rate_hz": 44100, "channels": 2, "presets": ["2stem", "4stem"]}]
        self.job_seconds, self.token, self.sounds = job_seconds, token, sounds or {}
        self.limits = {"upload_bytes": 1 << 30, "song_seconds": song_seconds, "queue": 50}
        self.songs, self.uploads, self.jobs, self.runs, self.faults, self.requests = {}, {}, {}, [], [], []
        self.listeners, self.lock, self.number, self.work = set(), threading.RLock(), 0, queue.Queue()
        self.failing, self.hold = None, None  # a message; progress that no job gets beyond
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                stand_in.answer(self)

            do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = handle_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        threading.Thread(target=self.do_jobs, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- Songs and jobs.
    def add_song(self, name, data):
        try:
            sound, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except Exception:
            raise Refused(415, f"'{name}' is not audio: no decoder can read it. Choose an audio or a video file.")
        for song in self.songs.values():
            if song["data"] == data:
                return song["shown"]["id"]
        song_id = secrets.token_urlsafe(16)
        self.songs[song_id] = {"data": data, "sound": sound.astype(np.float32), "rate": rate, "shown": {
            "id": song_id, "name": name, "bytes": len(data), "seconds": len(sound) / rate, "sample_rate_hz": rate, "channels": sound.shape[1],
            "format": pathlib.Path(name).suffix.lstrip("."), "created_at": now()}}
        return song_id

    def files(self, request):
        stems = next(m for m in self.models if m["name"] == request.get("model", self.models[0]["name"]))["stems"]
        if request.get("preset") == "2stem":
            return ["vocals", "no_vocals"]
        if request.get("preset") == "4stem":
            return ["drums", "bass", "other", "vocals"]
        if request.get("two_stems"):
            return [request["two_stems"], "no_" + request["two_stems"]]
        return request.get("stems", []) + [mix.split("=")[0] for mix in request.get("mixes", [])] or stems

    def add_job(self, request):
        song = self.songs.get(request.get("song"))
        if not song:
            raise Refused(404, "There is no such song.")
        for job in self.jobs.values():
            if job["request"] == request and job["state"] in ("queued", "running", "done"):
                return 200, job
        if sum(job["state"] == "queued" for job in self.jobs.values()) >= self.limits["queue"]:
            raise Refused(429, "The queue is full: try again in a minute.", **{"Retry-After": "60"})
        with self.lock:
            self.number += 1
            job = {"id": secrets.token_urlsafe(16), "number": self.number, "song": request["song"], "title": song["shown"]["name"].rsplit(".", 1)[0],
                   "model": request.get("model", self.models[0]["name"]), "request": request, "stems": self.files(request), "state": "queued", "progress": 0,
                   "place": sum(j["state"] == "queued" for j in self.jobs.values()) + 1, "seconds_left": None, "attempts": 0, "message": None,
                   "created_at": now(), "started_at": None, "finished_at": None, "result": None}
            self.jobs[job["id"]] = job
        self.tell("job", job)
        self.work.put(job["id"])
        return 201, job

    def tell(self, event, data):
        text = f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
        for listener in list(self.listeners):
            listener.put(text)

    def change(self, job, **fields):
        with self.lock:
            if job["id"] not in self.jobs or job["state"] == "cancelled":
                return False
            job.update(fields)
            self.tell("job", job)
            return True

    def do_jobs(self):
        while True:
            job = self.jobs.get(self.work.get())
            if not job or job["state"] != "queued":
                continue
            for other in self.jobs.values():
                if other["state"] == "queued":
                    other["place"] -= 1
            self.change(job, state="running", place=0, attempts=1, started_at=now())
            begun = time.monotonic()
            while (spent := time.monotonic() - begun) < self.job_seconds or self.hold is not None:
                part = spent / self.job_seconds
                part = part if self.hold is None else min(part, self.hold)
                if not self.change(job, progress=min(part, 1), seconds_left=max(self.job_seconds * (1 - part), 0)):
                    break
                time.sleep(0.1)
            if self.failing:
                self.change(job, state="failed", message=self.failing, finished_at=now())
                continue
            song = self.songs[job["song"]]
            self.change(job, state="done", progress=1, seconds_left=0, finished_at=now(), result={
                "seconds": len(song["sound"]) / song["rate"], "sample_rate_hz": song["rate"], "channels": song["sound"].shape[1],
                "stems": [{"name": name, "colour": USUAL.get(name, 5)} for name in job["stems"]]})

    def stem(self, job, name):
        song = self.songs[job["song"]]
        if name not in (*job["stems"], "mixture"):
            raise Refused(404, "There is no such stem.")
        if job["title"] in self.sounds:
            return soundfile.read(self.sounds[job["title"]] / f"{name}.wav", always_2d=True)
        gains = dict(zip(self.models[0]["stems"], GAINS))
        if name == "mixture":
            return song["sound"], song["rate"]
        return song["sound"] * (gains.get(name) or sum(GAINS) - gains.get(name.removeprefix("no_"), 0)), song["rate"]

    def file(self, job, name, query):
        if name == "stems.zip":
            ending = "." + query.get("format", "wav")
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as archive:
                for stem in job["stems"]:
                    archive.writestr(stem + ending, self.file(job, stem + ending, query)[0])
            return out.getvalue(), "application/zip"
        if name == "stems.stem.mp4":
            return b"\0\0\0\x18ftypmp42", "video/mp4"
        stem, ending = name.rsplit(".", 1)
        sound, rate = self.stem(job, stem)
        out = io.BytesIO()
        soundfile.write(out, sound, rate, format="ogg" if ending == "ogg" else ending,
                        subtype={"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}.get(query.get("bits")))
        return out.getvalue(), f"audio/{ending}"

    # ---- HTTP.
    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        path, query = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query))
        method = request.command
        self.requests.append((method, request.path))
        fault = next((f for f in self.faults if f[0] == method and path.startswith(f[1])), None)
        if fault:
            self.faults.remove(fault)
        try:
            length = int(request.headers.get("Content-Length") or 0)
            if fault and fault[2] == "cut":
                taken = request.rfile.read(min(fault[3], length))
                if path in self.uploads:
                    self.uploads[path]["data"] += taken
                request.close_connection = True
                request.connection.shutdown(2)
                return
            body = request.rfile.read(length)
            if fault and fault[2] == "status":
                raise Refused(fault[3], fault[4])
            status, headers, content = self.route(request, method, path, query, body)
            if fault and fault[2] == "lost":
                request.close_connection = True
                request.connection.shutdown(2)
                return
        except Refused as refused:
            status, headers = refused.status, {"Content-Type": "application/problem+json", **refused.headers}
            content = json.dumps({"title": "Problem", "status": refused.status, "detail": refused.detail}).encode()
        if content is None and status == 200 and method == "GET":
            return self.stream(request)
        content = content or b""
        request.send_response(status)
        for name, value in {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", **headers}.items():
            request.send_header(name, value)
        if status != 204:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if method != "HEAD":
            request.wfile.write(content)

    def stream(self, request):
        events = queue.Queue()
        self.listeners.add(events)
        try:
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.send_header("Connection", "close")
            request.end_headers()
            request.close_connection = True
            request.wfile.write(b": here\n\n")
            while (text := events.get()) is not None:
                request.wfile.write(text)
                request.wfile.flush()
        except OSError:
            pass
        finally:
            self.listeners.discard(events)

    def route(self, request, method, path, query, body):
        as_json = lambda value, status=200: (status, {"Content-Type": "application/json"}, json.dumps(value).encode())
        if path == "/":
            nonce = secrets.token_urlsafe(16)
            return 200, {"Content-Type": TYPES[".html"], "Content-Security-Policy": POLICY.format(nonce)}, (PAGE / "index.html").read_bytes().replace(b"{{nonce}}", nonce.encode())
        if path.startswith("/page/"):
            name = os.path.basename(path)
            file = WAVESURFER if name == WAVESURFER.name else ROOT / "html/base.css" if name == "base.css" else PAGE / name
            if not file.is_file():
                raise Refused(404, "There is no such file.")
            return 200, {"Content-Type": TYPES[file.suffix]}, file.read_bytes()
        if path == "/api/v1/session" and method == "POST":
            if json.loads(body)["token"] != self.token:
                raise Refused(403, "This is not the server's token.")
            return 204, {"Set-Cookie": f"stemsmith_token={self.token}; HttpOnly; SameSite=Strict; Path=/"}, b""
        if self.token and f"stemsmith_token={self.token}" not in (request.headers.get("Cookie") or ""):
            raise Refused(401, "A token is needed.")
        if path.startswith("/reports/"):
            return 200, {"Content-Type": TYPES[".html"], "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-scripts"}, (
                b"<!doctype html><title>r</title><p id=p>report</p><script>p.textContent='drawn '+Date.now()</script>")
        parts = path.removeprefix("/api/v1/").split("/")
        if parts == ["models"]:
            return as_json({"models": self.models, "limits": self.limits, "colours": [{"light": a, "dark": b} for a, b in COLOURS],
                            "presets": [{"name": "2stem", "summary": "vocals, and no_vocals"}, {"name": "4stem", "summary": "drums, bass, vocals, and other: all that a model has besides"}],
                            "formats": [dict(name=n, ending=e, summary=s, lossy=l, bits=b, many_streams=False, stem_counts=[]) for n, e, s, l, b in FORMATS] + [
                                dict(name="stem.mp4", ending=".stem.mp4", summary="one file of all", lossy=True, bits=["16", "24"], many_streams=True, stem_counts=[4])]})
        if parts == ["runs"]:
            return as_json({"runs": self.runs})
        if parts == ["events"]:
            return 200, {}, None
        if parts[0] == "uploads":
            return self.upload(request, method, path, body)
        if parts[0] == "songs":
            song = self.songs.get(parts[1])
            if not song:
                raise Refused(404, "There is no such song.")
            if method == "DELETE":
                if any(job["song"] == parts[1] for job in self.jobs.values()):
                    raise Refused(409, "A job has this song.")
                del self.songs[parts[1]]
                return 204, {}, b""
            return as_json(song["shown"] if len(parts) == 2 else {"seconds": song["shown"]["seconds"], "peaks": peaks(song["sound"])})
        if parts == ["jobs"] and method == "POST":
            status, job = self.add_job(json.loads(body))
            return as_json(job, status)
        if parts == ["jobs"]:
            found = [job for job in sorted(self.jobs.values(), key=lambda job: -job["number"])
                     if query.get("search", "").lower() in job["title"].lower() and query.get("state", job["state"]) == job["state"]
                     and job["number"] < int(query.get("before", 1 << 60))]
            limit = int(query.get("limit", 50))
            return as_json({"jobs": found[:limit], "next": found[limit - 1]["number"] if len(found) > limit else None})
        job = self.jobs.get(parts[1]) if parts[0] == "jobs" else None
        if not job:
            raise Refused(404, "There is no such job. It may have been deleted.")
        if len(parts) == 2 and method == "DELETE":
            self.change(job, state="cancelled")
            del self.jobs[job["id"]]
            self.tell("removed", {"id": job["id"]})
            return 204, {}, b""
        if parts[2:] == ["cancel"]:
            if not self.change(job, state="cancelled", place=0, finished_at=now()):
                raise Refused(409, "The job has ended.")
            return as_json(job, 202)
        if len(parts) == 2:
            return as_json(job)
        if parts[2] == "peaks":
            sound, rate = self.stem(job, parts[3])
            return as_json({"seconds": len(sound) / rate, "peaks": peaks(sound)})
        if parts[2] == "spectrograms":
            return 200, {"Content-Type": "image/png"}, spectrogram(self.stem(job, parts[3])[0])
        content, kind = self.file(job, parts[3], query)
        return 200, {"Content-Type": kind, **({"Content-Disposition": f'attachment; filename="{parts[3]}"'} if query.get("download") == "1" else {})}, content

    def upload(self, request, method, path, body):
        tus = {"Tus-Resumable": "1.0.0"}
        if method == "POST":
            name = re.search(r"filename ([A-Za-z0-9+/=]+)", request.headers["Upload-Metadata"])[1]
            address = f"/api/v1/uploads/{secrets.token_urlsafe(16)}"
            self.uploads[address] = {"data": b"", "length": int(request.headers["Upload-Length"]), "name": base64.b64decode(name).decode(), "song": None}
            return 201, {**tus, "Location": address}, b""
        upload = self.uploads.get(path)
        if not upload:
            raise Refused(404, "There is no such upload.")
        if method == "DELETE":
            del self.uploads[path]
            return 204, tus, b""
        if method == "PATCH":
            if int(request.headers["Upload-Offset"]) != len(upload["data"]):
                raise Refused(409, "The upload stands elsewhere.")
            upload["data"] += body
            if len(upload["data"]) == upload["length"]:
                upload["song"] = self.add_song(upload["name"], upload["data"])
        headers = {**tus, "Upload-Offset": str(len(upload["data"])), **({"Stemsmith-Song": upload["song"]} if upload["song"] else {})}
        return (204 if method == "PATCH" else 200), {**headers, "Upload-Length": str(upload["length"])}, b""
