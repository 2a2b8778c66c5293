"""What tools/check_gpu.sh runs: the checks of a bundle, with nothing but Python's own library.

    check_gpu.py BUNDLE WORK [--json FILE] [--dry-run]
"""

import argparse
import array
import json
import math
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time

LIMIT_S = 450  # and some seconds to unpack
# Of the loss of the first step, whose weights and samples are the same everywhere, to float32 on the CPU. bfloat16 has
# 8 binary places, float16 and the tensor cores' float32 have 11.
FIRST_LOSS = {"float32": 2e-3, "bfloat16": 2e-2, "float16": 5e-3}
# Of a resumed run's losses to those of an uninterrupted one: exact on a CPU; on a GPU sums have no fixed order.
RESUMED = {"cpu": 0.0, "cuda": 2e-2}
SEPARATED = 1e-4  # of the peak: the .ts file on the GPU to the CPU
MODELS = {
    "unet": ("configs/demo_unet.yaml", ["schedule.warmup_steps=0"]),
    "htdemucs": ("configs/htdemucs.yaml", ["augment=[]", "dataset.samples_per_epoch=0", "ema={}", "train.epochs=0",
                                           "model.channels=16", "model.bottom_channels=128", "model.t_layers=3",
                                           "dataset.segment_seconds=2.97"]),
}
SIZES = {"steps": 100, "batch": 8, "models": list(MODELS), "settings": {"unet": [], "htdemucs": []}}
DRY_SIZES = {"steps": 24, "batch": 2, "models": ["unet"],
             "settings": {"unet": ["model.channels=4", "dataset.segment_seconds=0.74"]}}


class Failed(Exception):
    """A check's result is wrong: the verdict, not a fault of this script."""


class Checks:
    def __init__(self, options):
        self.bundle, self.work, self.dry = options.bundle, options.work, options.dry_run
        self.device = "cpu" if self.dry else "cuda"
        self.sizes = DRY_SIZES if self.dry else SIZES
        self.json = options.json
        self.started = time.monotonic()
        self.report = {"verdict": "running", "dry_run": self.dry, "device": self.device,
                       "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": 0,
                       "versions": self.versions(), "machine": machine(), "checks": []}

    def versions(self):
        versions = json.loads((self.bundle / "bundle.json").read_text())
        return {**versions, "glibc_here": "-".join(platform.libc_ver()), "python": platform.python_version(),
                "kernel": platform.release()}

    def left(self):
        return LIMIT_S - (time.monotonic() - self.started)

    def write(self):
        self.report["seconds"] = round(time.monotonic() - self.started, 1)
        pending = self.json.with_name(self.json.name + ".tmp")
        pending.write_text(json.dumps(self.report, indent=1) + "\n")
        pending.replace(self.json)

    def check(self, name, function, *arguments):
        begun = time.monotonic()
        entry = {"name": name, "verdict": "ok", "seconds": 0, "figures": {}}
        try:
            if self.left() <= 0:
                raise Failed(f"left out: the {LIMIT_S} s are over")
            function(entry["figures"], *arguments)
        except Failed as problem:
            entry["verdict"], entry["problem"] = "failed", str(problem)
        except subprocess.TimeoutExpired as expired:
            entry["verdict"], entry["problem"] = "failed", f"stopped: the {LIMIT_S} s are over ({expired.cmd[1:3]})"
        except Exception as fault:  # one check's fault must not cost the others
            entry["verdict"], entry["problem"] = "failed", f"{type(fault).__name__}: {fault}"
        entry["seconds"] = round(time.monotonic() - begun, 2)
        self.report["checks"].append(entry)
        print(f"{entry['verdict']:6} {entry['seconds']:7.1f} s  {name}  {entry.get('problem') or entry['figures']}",
              flush=True)
        self.write()

    # ------------------------------------------------------------------------------------------- programs
    def command(self, *words):
        return [str(self.bundle / "with_torch.sh"), *map(str, words)]

    def run(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=self.left())
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words[:2]))} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout

    def train_words(self, model, run, device, *settings, resume=False):
        config, common = MODELS[model]
        steps = self.sizes["steps"]
        words = ["stemsmith", "train", self.bundle / config, "--run", self.work / run, "--device", device, "--quiet",
                 "--threads", 2 if self.dry else 0, *(["--resume"] if resume else []), "--set",
                 f"dataset.cache={self.bundle / 'data/cache.h5'}", f"train.steps={steps}",
                 f"train.batch_size={self.sizes['batch']}", "train.log_every_steps=1", f"validate.every_steps={steps}",
                 "validate.max_segments=2", f"checkpoint.every_steps={steps}"]
        return [*words, *common, *self.sizes["settings"][model], *settings]

    def records(self, run, event="train"):
        path = self.work / run / "metrics.jsonl"
        if not path.exists():
            return []
        lines = [line for line in path.read_text().split("\n")[:-1] if line]
        return [record for record in map(json.loads, lines) if record["event"] == event]

    def losses(self, run):
        return {record["step"]: record["loss"] for record in self.records(run)}

    # ------------------------------------------------------------------------------------------- checks
    def loads(self, figures):
        """All libraries are found, in the bundle or with torch, and what all commands need starts."""
        path = self.run("--library-path").strip()
        homes = [os.path.realpath(self.bundle), os.path.realpath(pathlib.Path(path.split(":")[1]) / "../..")]
        environment = {**os.environ, "LD_LIBRARY_PATH": path}
        foreign, missing = set(), set()
        for file in [*(self.bundle / "bin").iterdir(), *(self.bundle / "lib").iterdir()]:
            text = subprocess.run(["ldd", str(file)], capture_output=True, text=True, env=environment).stdout
            for name, place in re.findall(r"^\t(\S+) => (not found|/\S+)", text, re.MULTILINE):
                if place == "not found":
                    missing.add(name)
                elif not re.match(LIBC, name) and not os.path.realpath(place).startswith(tuple(homes)):
                    foreign.add(place)
        if missing or foreign:
            raise Failed(f"not found: {sorted(missing)}; of neither the bundle nor torch: {sorted(foreign)}")
        figures["version"] = self.run("stemsmith", "--version").strip()
        figures["models"] = len(json.loads(self.run("stemsmith", "models", "--json").splitlines()[-1])["models"])

    def reference(self, figures, model):
        self.run(*self.train_words(model, f"{model}-reference", "cpu", "train.steps=1"))
        figures["loss"] = self.losses(f"{model}-reference")[1]

    def trains(self, figures, model, precision):
        run = f"{model}-{precision}"
        words = self.train_words(model, run, self.device, f"train.precision={precision}")
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=self.left())
        if self.dry and done.returncode == 2 and re.search("float16 needs a GPU|no arithmetic in bfloat16", done.stderr):
            figures["refused"] = done.stderr.strip()
            return
        if done.returncode != 0:
            raise Failed(f"train ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        losses, records = self.losses(run), self.records(run)
        reference = self.losses(f"{model}-reference")[1]
        figures.update(
            device=self.records(run, "start")[0]["device"], steps=len(losses), first_loss=losses[1],
            last_loss=losses[max(losses)], first_loss_difference=abs(losses[1] / reference - 1),
            samples_per_second=records[-1]["samples_per_second"], seconds_of_first_step=records[0]["seconds"],
            **{key: records[-1][key] for key in ("loss_scale", "steps_left_out") if key in records[-1]})
        if not figures["device"].startswith(self.device):
            raise Failed(f"trained on {figures['device']}")
        if len(losses) != self.sizes["steps"] or not all(map(math.isfinite, losses.values())):
            raise Failed("not all steps have a finite loss")
        if figures["first_loss_difference"] > FIRST_LOSS[precision]:
            raise Failed(f"the first loss differs from float32 on the CPU by more than {FIRST_LOSS[precision]}")
        third = len(losses) // 3
        begin, end = ([losses[step] for step in part] for part in (sorted(losses)[:third], sorted(losses)[-third:]))
        figures.update(mean_of_first_third=sum(begin) / third, mean_of_last_third=sum(end) / third)
        if not sum(end) < sum(begin):
            raise Failed("the loss does not fall")

    def resumes(self, figures, model):
        """A run that is asked to stop and goes on against the uninterrupted one."""
        run = f"{model}-resumed"
        process = subprocess.Popen(self.command(*self.train_words(model, run, self.device)), stderr=subprocess.PIPE)
        while process.poll() is None and not self.records(run):
            if self.left() <= 0:
                process.kill()
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        problem = process.communicate()[1].decode()
        if process.returncode != 128 + signal.SIGTERM:
            raise Failed(f"asked to stop, the run ended with {process.returncode}: {problem.strip()[-800:]}")
        figures["stopped_at_step"] = max(self.losses(run))
        self.run(*self.train_words(model, run, self.device, resume=True))
        whole, resumed = self.losses(f"{model}-float32"), self.losses(run)
        if whole.keys() != resumed.keys():
            raise Failed("the resumed run has other steps")
        figures["largest_loss_difference"] = max(abs(resumed[step] / whole[step] - 1) for step in whole)
        if not figures["largest_loss_difference"] <= RESUMED[self.device]:
            raise Failed(f"losses differ by more than {RESUMED[self.device]}")

    def exports(self, figures, model):
        lines = self.run("stemsmith", "export", self.work / f"{model}-float32", "--out", self.work / f"{model}-model",
                         "--json").splitlines()
        for file in json.loads(lines[-1])["files"]:
            figures[file["format"]] = {key: file[key] for key in ("bytes", "largest_error", "tolerance")}

    def separates(self, figures, model):
        """The .ts file on both devices, and what each takes, its start and the first pass among it."""
        stems = {}
        for device in ("cpu", self.device):
            out = self.work / f"{model}-stems-{len(stems)}"
            begun = time.monotonic()
            self.run("separate", self.work / f"{model}-model/model.ts", self.bundle / "data/song.wav", "-o", out,
                     "--bits", "32f", "--device", device, "--quiet")
            figures[f"seconds_{device}"] = round(time.monotonic() - begun, 2)
            stems[len(stems)] = {path.name: samples(path) for path in sorted(out.rglob("*.wav"))}
        figures["stems"] = [pathlib.Path(name).stem for name in stems[0]]
        if not stems[0] or stems[0].keys() != stems[1].keys():
            raise Failed("the stems are not the same")
        peak, largest = 0.0, 0.0
        for name, expected in stems[0].items():
            actual = stems[1][name]
            if len(actual) != len(expected):
                raise Failed(f"{name} has another length")
            peak = max(peak, max(map(abs, expected)))
            largest = max(largest, max(abs(a - b) for a, b in zip(actual, expected)))
            if not all(map(math.isfinite, actual)):
                raise Failed(f"{name} holds values that are not finite")
        figures.update(peak=peak, largest_difference_of_peak=largest / peak if peak > 0 else None)
        if not peak > 1e-4:
            raise Failed("the stems are silent")
        if not largest <= SEPARATED * peak:
            raise Failed(f"stems differ by more than {SEPARATED} of the peak")

    def all(self):
        self.check("programs load", self.loads)
        for model in self.sizes["models"]:
            self.check(f"{model}: a step on the CPU", self.reference, model)
            for precision in FIRST_LOSS:
                self.check(f"{model}: training in {precision}", self.trains, model, precision)
            self.check(f"{model}: resume", self.resumes, model)
            self.check(f"{model}: export", self.exports, model)
            self.check(f"{model}: .ts on {self.device} against cpu", self.separates, model)
        failed = [entry["name"] for entry in self.report["checks"] if entry["verdict"] != "ok"]
        self.report["verdict"] = "failed" if failed else "ok"
        self.write()
        print(f"{self.report['verdict']}: {len(self.report['checks']) - len(failed)} of {len(self.report['checks'])} "
              f"checks in {self.report['seconds']} s; {self.json}")
        return 1 if failed else 0


# What belongs to the C library, as ldd names it.
LIBC = r"(linux-vdso|/lib64/ld-|ld-linux|lib(c|m|dl|pthread|rt|util|resolv)\.so)"


def samples(path):
    """All samples of a wav file of 32-bit floats, channels interleaved."""
    data = path.read_bytes()
    at = 12
    while data[at:at + 4] != b"data":
        at += 8 + int.from_bytes(data[at + 4:at + 8], "little")
    return array.array("f", data[at + 8:at + 8 + int.from_bytes(data[at + 4:at + 8], "little")])


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("work", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--json", type=lambda text: pathlib.Path(text).resolve(), default="check_gpu.json")
    parser.add_argument("--dry-run", action="store_true")
    sys.exit(Checks(parser.parse_args()).all())
