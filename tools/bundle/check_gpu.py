"""What tools/check_gpu.sh runs: the checks of a bundle, with nothing but Python's own library; Python's torch is asked
for figures to compare with, in processes of its own.

    check_gpu.py BUNDLE WORK [--json FILE] [--dry-run] [--only TEXT]

First what is right or wrong, several chains of checks at once; then, alone on the machine, what is measured, the most
important first. Each check has its share of the time.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from bundle_run import BundleRun, Failed, LeftOut, difference
from throughput import Throughput

# Of the loss of the first step, whose weights and samples are the same everywhere, to float32 on the CPU. bfloat16 has
# 8 binary places, float16 and the tensor cores' float32 have 11.
FIRST_LOSS = {"float32": 2e-3, "bfloat16": 2e-2, "float16": 5e-3}
RESUMED = 0.0  # of a resumed run's losses to those of an uninterrupted one
EXACT = "train.deterministic=true"  # also on a GPU the same to the last bit
SEPARATED = 1e-4  # of the peak: the .ts file on the GPU to the CPU
MODELS = {
    "unet": ("configs/demo_unet.yaml", ["schedule.warmup_steps=0"]),
    "htdemucs": ("configs/htdemucs.yaml", ["augment=[]", "ema={}", "train.epochs=0",
                                           "model.channels=16", "model.bottom_channels=128", "model.t_layers=3",
                                           "dataset.segment_seconds=2.97"]),
}
# Every family in small: some steps in float32 and float16, and an export on the device.
FAMILIES = {
    "open_unmix": ("configs/base.yaml", ["model.name=open_unmix", "model.hidden_size=32"]),
    "demucs_v2": ("configs/demo_demucs_v2.yaml", []),
    "demucs": ("configs/demucs.yaml", ["model.channels=8"]),
    "hdemucs": ("configs/hdemucs.yaml", ["model.channels=8"]),
    "wave_unet": ("configs/wave_unet.yaml", ["model.channels=4"]),
    "unet_blstm": ("configs/unet_blstm.yaml", []),
    "unet_residual_attention": ("configs/unet_residual_attention.yaml", []),
}
FAMILY = ["augment=[]", "ema={}", "train.epochs=0", "train.steps=4", "train.batch_size=2", "validate.every_steps=4",
          "validate.max_segments=1", "checkpoint.every_steps=4", "dataset.samples_per_epoch=64",
          "dataset.segment_seconds=0.75", "report.songs=0"]
SIZES = {"steps": 100, "families": list(FAMILIES), "batch": 8, "models": list(MODELS), "too_many": 256,
         "settings": {model: ["dataset.samples_per_epoch=1024"] for model in MODELS}}
DRY_SIZES = {"steps": 24, "families": list(FAMILIES)[:1], "batch": 2, "models": ["unet"], "too_many": 60_000,
             "settings": {"unet": ["augment=[]", "report.songs=0", "model.channels=4", "dataset.segment_seconds=0.74"]}}
# Too little memory, without filling the whole GPU: a share of it, and on a CPU address space.
LITTLE = {"cuda": {"PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:0.01"}, "cpu": {"limit_kib": 5 << 20}}
LIBC = r"(linux-vdso|/lib64/ld-|ld-linux|lib(c|m|dl|pthread|rt|util|resolv)\.so)"  # the C library's, as ldd names it


class Checks(BundleRun):
    def __init__(self, options):
        super().__init__(options)
        self.sizes = DRY_SIZES if self.dry else SIZES
        self.throughput = Throughput(self)

    def words(self, model, run, device, *settings, resume=False):
        config, common = MODELS[model]
        steps = self.sizes["steps"]
        return self.train_words(config, run, device, f"train.steps={steps}", f"train.batch_size={self.sizes['batch']}",
                                f"validate.every_steps={steps}", "validate.max_segments=2",
                                f"checkpoint.every_steps={steps}", *common, *self.sizes["settings"][model], *settings,
                                resume=resume)

    # ------------------------------------------------------------------------------------------- programs
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

    # ------------------------------------------------------------------------------------------- training
    def reference(self, figures, model):
        self.run(*self.words(model, f"{model}-reference", "cpu", "train.steps=1"))
        figures["loss"] = self.losses(f"{model}-reference")[1]

    def trains(self, figures, model, precision):
        run = f"{model}-{precision}"
        exact = [EXACT] if precision == "float32" else []  # other runs are compared with this one
        done = self.attempt(*self.words(model, run, self.device, f"train.precision={precision}", *exact))
        if self.dry and done.returncode == 2 and re.search("float16 needs a GPU|no arithmetic in bfloat16", done.stderr):
            figures["refused"] = done.stderr.strip()
            return
        if done.returncode != 0:
            raise Failed(f"train ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        if done.stderr.strip():
            figures["said"] = done.stderr.strip()[-500:]
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

    def as_the_whole_run(self, figures, model, run):
        """The losses of a run that took another way are those of the float32 one."""
        whole, other = self.losses(f"{model}-float32"), self.losses(run)
        if whole.keys() != other.keys():
            raise Failed("it has other steps")
        figures["largest_loss_difference"] = max(abs(other[step] / whole[step] - 1) for step in whole)
        if not figures["largest_loss_difference"] <= RESUMED:
            raise Failed("losses differ")

    def resumes(self, figures, model):
        """A run that is asked to stop and goes on against the uninterrupted one."""
        run = f"{model}-resumed"
        with self.started_program(*self.words(model, run, self.device, EXACT)) as process:
            while process.poll() is None and not self.records(run):
                if self.left() <= 0:
                    raise subprocess.TimeoutExpired([], 0)
                time.sleep(0.005)
            process.send_signal(signal.SIGTERM)
            problem = process.communicate(timeout=max(1, self.left()))[1]
            if process.returncode != 128 + signal.SIGTERM:
                raise Failed(f"asked to stop, the run ended with {process.returncode}: {problem.strip()[-800:]}")
        figures["stopped_at_step"] = max(self.losses(run))
        self.run(*self.words(model, run, self.device, EXACT, resume=True))
        self.as_the_whole_run(figures, model, run)

    def one_rank(self, figures, model):
        """A rank that a launcher started, alone in its group: all goes through NCCL, on a CPU through Gloo."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        if self.device == "cuda" and not (self.bundle / "lib/libstemsmith_nccl.so").exists():
            raise LeftOut("the build that the bundle was made of has no NCCL")
        run = f"{model}-rank"
        self.run(*self.words(model, run, self.device, EXACT), RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1",
                 MASTER_PORT=str(port))
        figures["backend"] = self.records(run, "start")[0].get("backend")
        if figures["backend"] != {"cuda": "nccl", "cpu": "gloo"}[self.device]:
            raise Failed("the rank made no group")
        self.as_the_whole_run(figures, model, run)

    def too_little_memory(self, figures, model):
        """One clear line and exit code 1; the checkpoint stays, and the run goes on with what fits."""
        run, more = f"{model}-float32", f"train.steps={self.sizes['steps'] + 1}"  # a deterministic one
        checkpoint = self.work / run / "checkpoints/last.safetensors"
        before = hash_of_tensors(checkpoint)
        done = self.attempt(*self.words(model, run, self.device, more, f"train.batch_size={self.sizes['too_many']}",
                                        "dataset.samples_per_epoch=200000", resume=True), **LITTLE[self.device])
        figures["said"] = done.stderr.strip()[-500:]
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        if done.returncode != 1 or len(errors) != 1 or "memory" not in errors[0]:
            raise Failed(f"it ended with {done.returncode} and {len(errors)} errors")
        if self.device == "cuda" and "GPU" not in errors[0]:
            raise Failed("the message does not say that it is the GPU's memory")
        if hash_of_tensors(checkpoint) != before:
            raise Failed("the checkpoint holds other weights")
        self.run(*self.words(model, run, self.device, more, resume=True))
        figures["went_on_to_step"] = max(self.losses(run))
        if figures["went_on_to_step"] != self.sizes["steps"] + 1:
            raise Failed("the run did not go on")

    # ------------------------------------------------------------------------------------------- separation
    def exports(self, figures, model, device):
        """Its files are the model, to the tolerance that `stemsmith export` holds them to, on this device."""
        formats = "torchscript,onnx" if device == "cpu" else "torchscript"
        lines = self.run("stemsmith", "export", self.work / f"{model}-float32", "--out", self.work / f"{model}-{device}",
                         "--format", formats, "--device", device, "--json").splitlines()
        for file in json.loads(lines[-1])["files"]:
            figures[file["format"]] = {key: file[key] for key in ("bytes", "largest_error", "tolerance")}

    def separates(self, figures, model):
        """The .ts file on both devices, and what each takes, its start and the first pass among it."""
        stems = []
        for device in ("cpu", self.device):
            begun = time.monotonic()
            stems.append(self.stems(self.work / f"{model}-cpu/model.ts", self.bundle / "data/song.wav",
                                    f"{model}-stems-{len(stems)}", "--device", device))
            figures[f"seconds_{device}"] = round(time.monotonic() - begun, 2)
        figures["stems"] = [pathlib.Path(name).stem for name in stems[0]]
        largest, peak = difference(*stems)
        figures.update(peak=peak, largest_difference_of_peak=largest / peak)
        if not largest <= SEPARATED * peak:
            raise Failed(f"stems differ by more than {SEPARATED} of the peak")

    # ------------------------------------------------------------------------------------------- all of them
    def chain(self, model):
        self.check(f"{model}: a step on the CPU", self.reference, model)
        for precision in FIRST_LOSS:
            self.check(f"{model}: training in {precision}", self.trains, model, precision)
        self.check(f"{model}: resume", self.resumes, model)
        if model == self.sizes["models"][0]:
            self.check(f"{model}: one rank of a group", self.one_rank, model)
        self.check(f"{model}: export", self.exports, model, "cpu")
        self.check(f"{model}: .ts on {self.device} against cpu", self.separates, model)
        if self.device != "cpu":
            self.check(f"{model}: export, checked on the GPU", self.exports, model, self.device)

    def family(self, figures, name):
        config, settings = FAMILIES[name]
        for precision in ("float32",) if self.device == "cpu" else ("float16", "float32"):
            run = f"family-{name}-{precision}"
            done = self.attempt(*self.train_words(config, run, self.device, *FAMILY, *settings,
                                                  f"train.precision={precision}"))
            if done.returncode != 0:
                raise Failed(f"train in {precision} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
            figures[precision] = {"losses": list(self.losses(run).values()), "said": done.stderr.strip()[-500:]}
            if not all(map(math.isfinite, figures[precision]["losses"])):
                raise Failed(f"in {precision} not all losses are finite")
        text = self.run("stemsmith", "export", self.work / f"family-{name}-float32", "--out", self.work / f"family-{name}",
                        "--format", "torchscript", "--device", self.device, "--json")
        figures["largest_error"] = json.loads(text.splitlines()[-1])["files"][0]["largest_error"]

    def published(self):
        self.check("htdemucs as published: export", self.throughput.make_model, most=120)
        self.check("htdemucs as published: one segment against Python", self.throughput.compares_with_python)

    def measures(self):
        what, sizes = self.throughput, self.throughput.sizes
        self.check("htdemucs as published: several segments at once", what.batches, most=90)
        self.check(f"{self.sizes['models'][0]}: too little memory", self.too_little_memory, self.sizes["models"][0])

        def steps(model, batches, deterministic=False):
            for batch in batches:
                for precision in sizes["precisions"]:
                    self.check(f"{model} as published: {'deterministic ' if deterministic else ''}training steps in "
                               f"{precision}, batches of {batch}", what.steps, model, precision, batch, deterministic,
                               most=30, figures_only=True)

        def python(way, most):
            self.check(f"htdemucs in Python, {way}: training steps", what.python_trains, way, most=most,
                       figures_only=True)
            self.check(f"htdemucs in Python, {way}: separation", what.python_separates, way, most=most,
                       figures_only=True)

        steps("htdemucs", sizes["batches"][:1])
        steps("htdemucs", sizes["batches"][:1], deterministic=True)
        python("eager", most=60)
        steps("htdemucs", sizes["batches"][1:])
        steps("unet", sizes["batches"])
        for name in self.sizes["families"]:
            self.check(f"{name}: in small", self.family, name)
        python("compiled", most=150)

    def all(self):
        self.check("programs load", self.loads)
        chains = [threading.Thread(target=self.chain, args=(model,)) for model in self.sizes["models"]]
        chains.append(threading.Thread(target=self.published))
        for chain in chains:
            chain.start()
        for chain in chains:
            chain.join()
        self.measures()
        self.throughput.conclude(self.report)
        verdicts = [entry["verdict"] for entry in self.report["checks"]]
        self.report["verdict"] = "failed" if "failed" in verdicts else "ok"
        self.write()
        print(f"{self.report['verdict']}: {verdicts.count('ok')} of {len(verdicts)} checks, "
              f"{verdicts.count('left out')} left out, in {self.report['seconds']} s; {self.json}")
        return 1 if self.report["verdict"] == "failed" else 0


def hash_of_tensors(checkpoint):
    """Of all weights and states, but not of what the head says of the configuration."""
    data = checkpoint.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little"):]).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("work", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--json", type=lambda text: pathlib.Path(text).resolve(), default="check_gpu.json")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    sys.exit(Checks(given).all())
