"""Runs programs of a bundle as checks, and keeps the report of them: check_gpu.py and throughput.py build on it."""

import array
import contextlib
import json
import math
import os
import pathlib
import platform
import re
import subprocess
import threading
import time

LIMIT_S = 450  # of all checks; and some seconds to unpack


class Failed(Exception):
    """A check's result is wrong: the verdict, not a fault of this script."""


class LeftOut(Exception):
    """What is to be measured cannot be had here: told, and no failure."""


class BundleRun:
    def __init__(self, options):
        self.bundle, self.work, self.dry = options.bundle, options.work, options.dry_run
        self.device = "cpu" if self.dry else "cuda"
        self.json, self.only = options.json, options.only
        # Of a program: several run at once, and threads that wait for a core spin.
        self.threads = max(2, (os.cpu_count() or 1) // 4)
        self.started = time.monotonic()
        self.lock, self.of_thread = threading.Lock(), threading.local()
        self.report = {"verdict": "running", "dry_run": self.dry, "device": self.device,
                       "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": 0,
                       "versions": self.versions(), "machine": machine(), "checks": []}

    def versions(self):
        versions = json.loads((self.bundle / "bundle.json").read_text())
        return {**versions, "glibc_here": "-".join(platform.libc_ver()), "python": platform.python_version(),
                "kernel": platform.release()}

    def left(self):
        """Seconds, of all and of the check that this thread is at."""
        now = time.monotonic()
        return min(LIMIT_S - (now - self.started), getattr(self.of_thread, "end", math.inf) - now)

    def write(self):
        self.report["seconds"] = round(time.monotonic() - self.started, 1)
        pending = self.json.with_name(self.json.name + ".tmp")
        pending.write_text(json.dumps(self.report, indent=1) + "\n")
        pending.replace(self.json)

    def check(self, name, function, *arguments, most=60, figures_only=False):
        """`most` seconds are its share; what only gives figures is left out, and does not fail, when they are over."""
        if self.only not in name:
            return
        begun = time.monotonic()
        entry = {"name": name, "verdict": "ok", "seconds": 0, "most_seconds": most, "figures": {}}
        over = "left out" if figures_only else "failed"
        self.of_thread.end = begun + (LIMIT_S if self.dry else most)  # a CPU may be busy with other things
        try:
            if self.left() <= 0:
                raise subprocess.TimeoutExpired([], 0)
            function(entry["figures"], *arguments)
        except Failed as problem:
            entry["verdict"], entry["problem"] = "failed", str(problem)
        except LeftOut as reason:
            entry["verdict"], entry["problem"] = "left out", str(reason)
        except subprocess.TimeoutExpired:
            which = f"its {most} s" if LIMIT_S > time.monotonic() - self.started else f"the {LIMIT_S} s of all"
            entry["verdict"], entry["problem"] = over, f"{which} are over"
        except Exception as fault:  # one check's fault must not cost the others
            entry["verdict"], entry["problem"] = "failed", f"{type(fault).__name__}: {fault}"
        entry["seconds"] = round(time.monotonic() - begun, 2)
        with self.lock:
            self.report["checks"].append(entry)
            print(f"{entry['verdict']:8} {entry['seconds']:6.1f} s  {name}  {entry.get('problem') or entry['figures']}",
                  flush=True)
            self.write()

    def passed(self, name):
        return any(entry["name"] == name and entry["verdict"] == "ok" for entry in self.report["checks"])

    # ------------------------------------------------------------------------------------------- programs
    def command(self, *words):
        return [str(self.bundle / "with_torch.sh"), *map(str, words)]

    def attempt(self, *words, limit_kib=0, **environment):
        """How it ended, whatever that is; with no more than so much address space."""
        words = self.command(*words)
        if limit_kib:
            words = ["sh", "-c", f'ulimit -v {limit_kib}; exec "$@"', "sh", *words]
        return subprocess.run(words, capture_output=True, text=True, timeout=self.left(),
                              env={**os.environ, **environment})

    def run(self, *words, **environment):
        done = self.attempt(*words, **environment)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words[:2]))} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout

    @contextlib.contextmanager
    def started_program(self, *words):
        """Killed at the end where it still runs."""
        process = subprocess.Popen(self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    def train_words(self, config, run, device, *settings, resume=False):
        return ["stemsmith", "train", self.bundle / config, "--run", self.work / run, "--device", device, "--quiet",
                "--threads", self.threads, *(["--resume", "--override"] if resume else []), "--set",
                f"dataset.cache={self.bundle / 'data/cache.h5'}", "train.log_every_steps=1", *settings]

    def records(self, run, event="train"):
        path = self.work / run / "metrics.jsonl"
        if not path.exists():
            return []
        lines = [line for line in path.read_text().split("\n")[:-1] if line]
        return [record for record in map(json.loads, lines) if record["event"] == event]

    def losses(self, run):
        return {record["step"]: record["loss"] for record in self.records(run)}

    # ------------------------------------------------------------------------------------------- stems
    def stems(self, model, song, out, *options):
        """Of one song: the files' samples by name, 32-bit floats."""
        self.run("separate", model, song, "-o", self.work / out, "--bits", "32f", "--quiet", *options)
        return {path.name: samples(path) for path in sorted((self.work / out).rglob("*.wav"))}


def difference(expected, actual):
    """The largest, and the peak of what was expected. Throws Failed where they cannot be compared."""
    if not expected or expected.keys() != actual.keys():
        raise Failed("the stems are not the same")
    peak, largest = 0.0, 0.0
    for name, values in expected.items():
        if len(actual[name]) != len(values):
            raise Failed(f"{name} has another length")
        apart = list(map(float.__sub__, actual[name], values))
        peak = max(peak, max(values), -min(values))
        largest = max(largest, max(apart), -min(apart))
        if not math.isfinite(math.fsum(apart)):
            raise Failed(f"{name} holds values that are not finite")
    if not peak > 1e-4:
        raise Failed("the stems are silent")
    return largest, peak


def samples(path):
    """All samples of a wav file of 32-bit floats, channels interleaved."""
    data = path.read_bytes()
    at = 12
    while data[at:at + 4] != b"data":
        at += 8 + int.from_bytes(data[at + 4:at + 8], "little")
    return array.array("f", data[at + 8:at + 8 + int.from_bytes(data[at + 4:at + 8], "little")])


def cut_wav(source, target, frames):
    """A wav file of 32-bit floats of so many frames of another one of 16 bits, which is repeated as often as it takes."""
    data, at, channels, rate = pathlib.Path(source).read_bytes(), 12, 2, 44100
    while data[at:at + 4] != b"data":
        if data[at:at + 4] == b"fmt ":
            form, channels, rate, bits = (int.from_bytes(data[at + a:at + b], "little")
                                          for a, b in ((8, 10), (10, 12), (12, 16), (22, 24)))
        at += 8 + int.from_bytes(data[at + 4:at + 8], "little")
    if bits != 16:
        raise Failed(f"{source} has {bits} bits")
    whole = array.array("h", data[at + 8:at + 8 + int.from_bytes(data[at + 4:at + 8], "little")])
    wanted = frames * channels
    values = array.array("f", (value / 32768 for value in (whole * (wanted // len(whole) + 1))[:wanted])).tobytes()
    head = b"fmt " + (16).to_bytes(4, "little") + (3).to_bytes(2, "little") + channels.to_bytes(2, "little")
    head += rate.to_bytes(4, "little") + (rate * channels * 4).to_bytes(4, "little")
    head += (channels * 4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    body = b"WAVE" + head + b"data" + len(values).to_bytes(4, "little") + values
    pathlib.Path(target).write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


def machine():
    facts = {"cores": os.cpu_count(), "processor": "", "gpu": []}
    match = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    if match:
        facts["processor"] = match.group(1)
    fields = ["name", "driver_version", "memory.total", "compute_cap"]
    try:
        text = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=60).stdout
        facts["gpu"] = [dict(zip(fields, line.split(", "))) for line in text.splitlines() if line.count(",") == 3]
    except (OSError, subprocess.TimeoutExpired):
        pass
    return facts
