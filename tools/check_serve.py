"""The checks of tools/check_serve.sh."""

import argparse
import pathlib
import random
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from serve_process import BIN, BYTES, Postgresql, Served, Worker, noise, programs_with_gate, until

RATE = 44100
MOST_KIB = 128 << 10  # of the server's memory, whatever comes
MOST_STREAMS_KIB = 100 << 10  # of 1000 streams
MOST_OVERHEAD = 1.10


def slow_upload(server, data, seconds):
    """A song that arrives evenly over the time; the status."""
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode())
        pieces = np.array_split(np.frombuffer(data, "uint8"), 40)
        try:
            for piece in pieces:
                connection.sendall(piece.tobytes())
                time.sleep(seconds / len(pieces))
        except OSError:
            pass  # refused: the answer is there
        return int(connection.recv(1000).split()[1])


def crowd(options, work, model):
    programs = programs_with_gate(work / "crowd_programs")
    hold = work / "crowd_programs/hold"
    hold.touch()
    queue = max(2, options.uploads // 4)
    server = Served(work / "crowd", model, "--queue", queue, programs=programs)
    before = server.memory_kib()
    songs = [noise(work / f"song{i}.wav", 0.2, RATE, i).read_bytes() for i in range(options.uploads + options.slow)]

    def send(number):
        refused = 0
        while True:
            if number >= options.uploads and not refused:
                status = slow_upload(server, songs[number], 6)
                retry, job = None, None
            else:
                answer = server.ask("POST", f"/api/v1/jobs?name=song{number}.wav", songs[number], BYTES, timeout=120)
                status, retry, job = answer.status, answer.headers["Retry-After"], answer.json.get("id")
                assert status != 429 or int(retry) > 0, "429 without Retry-After"
            assert status in (200, 201, 429), f"an upload is answered with {status}"
            if job:
                return job, refused
            refused += status == 429
            time.sleep(1 if status == 429 else 0)

    begun = time.monotonic()
    with ThreadPoolExecutor(len(songs)) as threads:
        sent = [threads.submit(send, number) for number in range(len(songs))]
        until(lambda: server.get("/api/v1/health").json["queued"] == queue, 120)
        time.sleep(1)
        assert server.get("/api/v1/health").json["queued"] == queue, "more jobs wait than may"
        hold.unlink()
        jobs, refused = zip(*[future.result() for future in sent])
    until(lambda: server.get("/api/v1/health").json["queued"] + server.get("/api/v1/health").json["running"] == 0, 600, 0.5)
    states = [server.job(job)["state"] for job in jobs]
    assert len(set(jobs)) == len(songs) and set(states) == {"done"}, states
    most = server.memory_kib()
    print(f"crowd: {options.uploads} uploads at once and {options.slow} slow ones, queue of {queue}: all {len(jobs)} jobs done after {time.monotonic() - begun:.0f} s,"
          f" {sum(refused)} times 429 with Retry-After; memory {before >> 10} MiB at first, at most {most >> 10} MiB (bound {MOST_KIB >> 10} MiB)")
    assert most < MOST_KIB
    assert server.close() == 0


class Ended:
    """What is done stays done, as it is."""

    def __init__(self):
        self.jobs = {}

    def look(self, server, data):
        page, jobs = server.get("/api/v1/jobs?limit=200").json, []
        while page["jobs"]:
            jobs += page["jobs"]
            page = server.get(f"/api/v1/jobs?limit=200&before={page['next']}").json if page["next"] else {"jobs": []}
        now = {job["id"]: job for job in jobs}
        for identity, (job, stem) in self.jobs.items():
            assert now[identity] == job, f"a job that was done is another now: {job} {now[identity]}"
            assert self.stem(data, job) == stem, "a stem has changed"
        for identity, job in now.items():
            assert job["state"] in ("queued", "running", "done"), job
            if job["state"] == "done" and identity not in self.jobs:
                self.jobs[identity] = job, self.stem(data, job)
        return now

    @staticmethod
    def stem(data, job):
        attempts = [path for path in (data / "jobs" / job["id"]).iterdir() if path.name.startswith("attempt")]
        results = [path / "bass.wav" for path in attempts if path.name == f"attempt-{job['attempts']}"]
        assert len(results) == 1, f"not one result of {job['id']}: {attempts}"
        return results[0].read_bytes()


def kill(options, work, model):
    programs = programs_with_gate(work / "kill_programs", pause=0.3)
    data, chance, ended, wanted, in_work = work / "kill", random.Random(options.seed), Ended(), set(), 0
    for number in range(options.kills):
        server = Served(data, model, programs=programs)
        for seed in (2 * number, 2 * number + 1):
            wanted.add(server.upload(noise(work / "kill.wav", 0.2, RATE, 1000 + seed)).json["id"])
        time.sleep(chance.uniform(0, 1.5))
        states = [job["state"] for job in ended.look(server, data).values()]
        in_work += "running" in states
        server.kill()
    server = Served(data, model, programs=programs)
    until(lambda: server.get("/api/v1/health").json["queued"] + server.get("/api/v1/health").json["running"] == 0, 600, 0.5)
    jobs = ended.look(server, data)
    assert set(jobs) == wanted and all(job["state"] == "done" for job in jobs.values()), jobs
    again = sum(job["attempts"] > 1 for job in jobs.values())
    print(f"kill: the server killed {options.kills} times, {in_work} of them with a job running; {len(jobs)} jobs all done once, {again} of them in a later attempt, at most {max(job['attempts'] for job in jobs.values())}")
    assert in_work > 0 and server.close() == 0


def database(options, work, model):
    programs = programs_with_gate(work / "database_programs", pause=0.3)
    data, chance, ended = work / "database", random.Random(options.seed), Ended()
    data.mkdir()
    store = Postgresql(work / "postgresql")
    try:
        server = Served(data, model, "--workers", "0", "--database", store.url, "--queue", "1000", "--patience", "2", programs=programs)
        begin = lambda: Worker(data, model, store.url, "--patience", "2", programs=programs)
        workers = [begin() for _ in range(3)]
        wanted, in_work = set(), 0
        for number in range(options.kills):
            until(lambda: server.get("/api/v1/health").json["queued"] <= 3, 60)  # not all at the end
            for seed in range(3):
                wanted.add(server.upload(noise(work / "database.wav", 0.2, RATE, 5000 + 3 * number + seed)).json["id"])
            time.sleep(chance.uniform(0, 0.6))
            in_work += "running" in [job["state"] for job in ended.look(server, data).values()]
            victim = chance.randrange(3)
            workers[victim].kill()
            workers[victim] = begin()
        until(lambda: server.get("/api/v1/health").json["queued"] + server.get("/api/v1/health").json["running"] == 0, 600, 0.5)
        jobs = ended.look(server, data)
        assert set(jobs) == wanted and all(job["state"] == "done" for job in jobs.values()), jobs
        again = sum(job["attempts"] > 1 for job in jobs.values())
        print(f"database: of three workers on PostgreSQL one killed {options.kills} times, {in_work} of them with a job running; {len(jobs)} jobs all done once, {again} of them in a later attempt")
        for each in (server, *workers):
            assert each.close() == 0
    finally:
        store.close()


def streams(options, work, model):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * options.streams + 100)), hard))
    server = Served(work / "streams", model)
    server.upload(noise(work / "first.wav", 0.2, RATE, 1))
    until(lambda: server.get("/api/v1/jobs?state=done").json["jobs"])
    before = server.memory_kib("VmRSS")
    connections = [socket.create_connection(("127.0.0.1", server.port), 30) for _ in range(options.streams)]
    for connection in connections:
        connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(2000).startswith(b"HTTP/1.1 200")
    idle = server.memory_kib("VmRSS")
    server.upload(noise(work / "second.wav", 0.2, RATE, 2))
    for connection in connections:
        text = b""
        while b'"state":"done"' not in text:
            text = text[-1000:] + connection.recv(4000)
    used = server.memory_kib("VmRSS")
    bound = MOST_STREAMS_KIB * max(options.streams, 100) / 1000
    print(f"streams: {options.streams} of events take {(idle - before) / 1024:.1f} MiB idle and {(used - before) / 1024:.1f} MiB after events to each (bound {bound / 1024:.0f} MiB)")
    assert max(idle, used) - before < bound
    for connection in connections:
        connection.close()
    assert server.close() == 0


def working_model(path, source, multiplications):
    """The model, with products of matrices in each segment that add nothing to its stems."""
    model = onnx.load(source)
    size, graph = 1024, model.graph
    weights = np.random.default_rng(0).standard_normal((size, size), "float32") / size**0.5
    graph.initializer.extend([onnx.numpy_helper.from_array(weights, "weights"), onnx.numpy_helper.from_array(np.float32(0), "nothing")])
    out = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["stems" if name == out else name for name in node.output]
    add = lambda kind, inputs, output, **how: graph.node.append(onnx.helper.make_node(kind, inputs, [output], **how))
    add("ReduceMean", [graph.input[0].name], "mean", keepdims=0)
    add("Mul", ["weights", "mean"], "product0")
    for i in range(multiplications):
        add("MatMul", [f"product{i}", "weights"], f"product{i + 1}")
    add("ReduceMean", [f"product{multiplications}"], "last", keepdims=0)
    add("Mul", ["last", "nothing"], "zero")
    add("Add", ["stems", "zero"], out)
    onnx.save(model, path)
    return path


def overhead(options, work, model):
    song, ratios = work / "thirty.wav", []
    slow = working_model(work / "slow.onnx", model, 10)
    server = Served(work / "overhead", slow, "--threads", "1")
    for turn in range(options.turns + 1):  # the first is no turn: files come into memory
        noise(song, 30, RATE, 9000 + turn)
        begun = time.monotonic()
        subprocess.run([BIN / "separate", slow, song, "--out", work / "alone", "--threads", "1", "--quiet", "--bits", "32f", "--clip", "none"], check=True)
        alone = time.monotonic() - begun
        begun = time.monotonic()
        job = server.upload(song).json["id"]
        with_events = server.events(f"/api/v1/jobs/{job}/events")
        while next(with_events)[1]["state"] != "done":
            pass
        stem = server.get(f"/api/v1/jobs/{job}/files/bass.wav?bits=32f").body
        served = time.monotonic() - begun
        assert stem == (work / "alone/thirty/bass.wav").read_bytes()
        if turn > 0:
            ratios.append(served / alone)
            print(f"overhead: turn {turn}: separate alone {alone:.2f} s, from upload to stem {served:.2f} s, ratio {ratios[-1]:.3f}")
        shutil.rmtree(work / "alone")
    print(f"overhead: median ratio {statistics.median(ratios):.3f} (bound {MOST_OVERHEAD})")
    if options.turns > 1:  # one alone says nothing on a busy machine
        assert statistics.median(ratios) < MOST_OVERHEAD
    assert server.close() == 0


CHECKS = {check.__name__: check for check in (crowd, kill, database, streams, overhead)}


def main():
    parser = argparse.ArgumentParser(usage="see tools/check_serve.sh --help")
    for name, default in (("uploads", 200), ("slow", 20), ("kills", 20), ("streams", 1000), ("turns", 5), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("checks", nargs="*", choices=[*CHECKS, []])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        work.chmod(0o755)
        model = work / "tiny.onnx"
        subprocess.run([BIN / "make_tiny_onnx", model, str(RATE), "0.5", "0.25", "0.125", "0.0625"], check=True)
        for name in options.checks or CHECKS:
            CHECKS[name](options, work, model)


main()
