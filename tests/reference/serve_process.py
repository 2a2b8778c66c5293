"""Runs `stemsmith serve` and asks it; for tests and for tools/check_serve.py."""

import atexit
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import numpy as np
import soundfile

BIN = pathlib.Path(os.environ["STEMSMITH_BIN_DIR"])
ENVIRONMENT = {"XDG_DATA_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", **os.environ}
STARTED = []  # processes, which end with this one
atexit.register(lambda: [process.kill() for process in STARTED if process.poll() is None])
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


def programs_with_gate(folder, pause=0):
    """A folder bin/ beside lib/ as in the build, whose `separate` waits some seconds and while FOLDER/hold is there, and breaks
    down while FOLDER/crash is."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(BIN.parent / "lib")
    shutil.copy(BIN / "stemsmith", folder / "bin")  # a link would lead back to the folder that it points to
    (folder / "bin/stemsmith-torch").symlink_to(BIN / "stemsmith-torch")
    script = folder / "bin/separate"
    script.write_text(f"""#!/bin/sh
[ ! -e '{folder}/crash' ] || {{ echo x >> '{folder}/crashes'; kill -SEGV $$; }}
while [ -e '{folder}/hold' ]; do sleep 0.05; done
sleep {pause}
exec '{BIN}/separate' "$@"
""")
    script.chmod(0o755)
    return folder / "bin"


class Served:
    """A server of its own; `close` ends it by SIGTERM."""

    def __init__(self, data, model, *options, programs=BIN, log=None, command=()):
        self.data, errors = data, log or tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command, programs / "stemsmith", "serve", "--port", "0", "--data", data, "--json", "--model", model, *map(str, options)],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT)
        STARTED.append(self.process)
        self.url = self.token = None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "listening":
                self.url, self.token = event["url"], event.get("token")
                break
        if not self.url:
            errors.seek(0)
            raise AssertionError(f"the server does not start: {self.process.wait(20)}, {errors.read() if not log else log.name}")
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


class Worker:
    """`stemsmith serve --worker`."""

    def __init__(self, data, model, database, *options, programs=BIN):
        self.process = subprocess.Popen(
            [programs / "stemsmith", "serve", "--worker", "--database", database, "--data", data, "--json", "--model", model, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT)
        STARTED.append(self.process)
        assert json.loads(self.process.stdout.readline())["event"] == "working"

    kill, close = Served.kill, Served.close


class Postgresql:
    """A PostgreSQL server of its own in a temporary folder, reached by a socket in it."""

    def __init__(self, folder):
        installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        assert installed, "there is no PostgreSQL: install Debian's package postgresql"
        programs = installed[-1].parent
        folder.mkdir()
        folder.chmod(0o777)
        as_other = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []  # root may not
        subprocess.run([*as_other, programs / "initdb", "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=owner", f"--pgdata={folder}/data"],
                       cwd="/", check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([*as_other, programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=40", "-c", "fsync=off"],
                                        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: subprocess.run([programs / "pg_isready", "-h", folder], stdout=subprocess.DEVNULL).returncode == 0)
        self.url = f"postgresql://owner@/postgres?host={folder}"

    def close(self):
        self.process.send_signal(signal.SIGINT)  # all connections end, then it does
        self.process.wait(30)
