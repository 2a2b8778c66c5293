"""Runs `stemsmith serve` and asks it; for tests and for tools/check_serve.py."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

import numpy as np
import soundfile

BIN = pathlib.Path(os.environ["STEMSMITH_BIN_DIR"])
ENVIRONMENT = {"XDG_DATA_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", **os.environ}
BYTES = {"Content-Type": "application/octet-stream"}


def noise(path, seconds=1.0, rate=44100, seed=0, **options):
    """A stereo song, another one for each seed."""
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, (int(seconds * rate), 2))
    soundfile.write(path, sound, rate, **({"subtype": "PCM_16"} | options))
    return path


def until(holds, seconds=30, pause=0.05):
    """What `holds` gives once it is true."""
    end = time.monotonic() + seconds
    while True:
        if found := holds():
            return found
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(pause)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


def programs_with_gate(folder):
    """A folder bin/ beside lib/ as in the build, whose `separate` waits while FOLDER/hold is there, and breaks down while
    FOLDER/crash is."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(BIN.parent / "lib")
    shutil.copy(BIN / "stemsmith", folder / "bin")  # a link would lead back to the folder that it points to
    (folder / "bin/stemsmith-torch").symlink_to(BIN / "stemsmith-torch")
    script = folder / "bin/separate"
    script.write_text(f"""#!/bin/sh
[ ! -e '{folder}/crash' ] || {{ echo x >> '{folder}/crashes'; kill -SEGV $$; }}
while [ -e '{folder}/hold' ]; do sleep 0.05; done
exec '{BIN}/separate' "$@"
""")
    script.chmod(0o755)
    return folder / "bin"


class Served:
    """A server of its own; `close` ends it by SIGTERM."""

    def __init__(self, data, model, *options, programs=BIN, log=None, command=()):
        self.data, self.log = data, log
        self.process = subprocess.Popen(
            [*command, programs / "stemsmith", "serve", "--port", "0", "--data", data, "--json", "--model", model, *map(str, options)],
            stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL, text=True, env=ENVIRONMENT)
        self.url = self.token = None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "listening":
                self.url, self.token = event["url"], event.get("token")
                break
        assert self.url, f"the server does not start: {self.process.wait(20)}"
        self.port = int(self.url.rsplit(":", 1)[1])

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers={}, **options):
        with contextlib.closing(self.connect(**options)) as connection:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def get(self, path, **headers):
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path, json_body):
        return self.ask("POST", path, json.dumps(json_body), {"Content-Type": "application/json"})

    def raw(self, data, timeout=20):
        """The answer to bytes as they are; the connection may break while they are sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            response = http.client.HTTPResponse(connection, method=data.split(b" ", 1)[0].decode())
            response.begin()
            return Answer(response)

    def upload(self, path, query=""):
        """The job of a song that is sent whole."""
        return self.ask("POST", f"/api/v1/jobs?name={urllib.parse.quote(path.name)}{query}", path.read_bytes(), BYTES)

    def job(self, identity):
        return self.get(f"/api/v1/jobs/{identity}").json

    def ended(self, identity, seconds=60):
        job = until(lambda: (job := self.job(identity))["state"] not in ("queued", "running") and job, seconds)
        return job

    def running(self, identity, seconds=60):
        return until(lambda: self.job(identity)["state"] == "running", seconds)

    def events(self, path):
        """Pairs of a name and data, as they come."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            name = None
            while line := response.readline().decode():
                if line.startswith("event: "):
                    name = line[7:].rstrip()
                elif line.startswith("data: "):
                    data = line[6:].rstrip()
                    yield name, json.loads(data) if data[0] in "{[\"" else data

    def memory_kib(self, field="VmHWM"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(field + ":")[1].split()[0])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()

    def close(self):
        self.process.terminate()
        status = self.process.wait(30)
        self.process.stdout.close()
        return status
