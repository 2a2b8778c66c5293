"""What check_gpu.py measures: training steps and separation of models as published, beside Python's, alone on the machine."""

import array
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import time

from bundle_run import Failed, LeftOut, cut_wav, difference

RATE = 44100
SEPARATED = 1e-4  # of the peak: of batches to single segments, of ours to Python's
ALONE = ["augment=[]", "ema={}", "dataset.samples_per_epoch=16384", "train.epochs=0", "validate.every_steps=0",
         "checkpoint.every_steps=0"]
HTDEMUCS = {"bottom_channels": 512, "dconv_mode": 3, "t_dropout": 0.02}  # configs/htdemucs.yaml
MODELS = {"htdemucs": "configs/htdemucs.yaml", "unet": "configs/unet_musdb18.yaml"}
SIZES = {"batches": [8, 16, 4, 1], "precisions": ["bfloat16", "float32"], "seconds": 4, "steps": 30, "warm": 3,
         "settings": {"htdemucs": [], "unet": []}, "options": HTDEMUCS, "song_seconds": 60, "long_song_seconds": 180,
         "segments_at_once": [1, 2, 4, 8], "compiler": "inductor"}
SMALL = {**HTDEMUCS, "channels": 8, "bottom_channels": 32, "t_layers": 3}
DRY_SIZES = {"batches": [2], "precisions": ["float32"], "seconds": 0.3, "steps": 3, "warm": 1,
             "settings": {"htdemucs": ["dataset.segment_seconds=0.75", *(f"model.{k}={v}" for k, v in SMALL.items())],
                          "unet": ["dataset.segment_seconds=0.75", "model.channels=4"]},
             "options": SMALL, "song_seconds": 2, "long_song_seconds": 2, "segments_at_once": [1, 3],
             "compiler": "eager"}


class Throughput:
    def __init__(self, checks):
        self.checks = checks
        self.sizes = DRY_SIZES if checks.dry else SIZES
        self.model = checks.work / "published/model.ts"
        self.weights = checks.work / "published.safetensors"
        self.frames = 0  # of a segment
        self.training, self.separation = [], {}  # rows; times real time by segments at once
        self.python = {"train": [], "separate": []}

    # ------------------------------------------------------------------------------------------- a model to measure
    def make_model(self, figures):
        """HTDemucs as published, with random weights in which every branch counts."""
        run = "published"
        self.checks.run(*self.checks.train_words(
            MODELS["htdemucs"], run, self.checks.device, *ALONE, "train.steps=1", "train.batch_size=1",
            *self.sizes["settings"]["htdemucs"]))
        figures["branches"] = strengthen(self.checks.work / run / "checkpoints/last.safetensors", self.weights)
        text = self.checks.run("stemsmith", "export", self.weights, "--out", self.model.parent, "--format",
                               "torchscript", "--device", self.checks.device, "--json")
        result = json.loads(text.splitlines()[-1])
        self.frames = result["manifest"]["segment_frames"]
        figures.update(segment_frames=self.frames, largest_error=result["files"][0]["largest_error"])

    def needs_model(self):
        if not self.frames:
            raise Failed("there is no model to measure with: see above")

    def compares_with_python(self, figures):
        """One segment, the same weights, on the device against Python on the CPU."""
        self.needs_model()
        mix = self.checks.work / "segment.wav"
        cut_wav(self.checks.bundle / "data/song.wav", mix, self.frames)
        self.checks.stems(self.model, mix, "segment", "--device", self.checks.device)
        found = self.peer("compare", "--weights", self.weights, "--mix", mix, "--stems", self.checks.work / "segment")
        figures.update(found[0], of_peak=found[0]["largest_difference"] / found[0]["peak"],
                       python_on_device_of_peak=found[0]["python_on_device"] / found[0]["peak"])
        if not figures["of_peak"] <= SEPARATED:
            raise Failed(f"stems differ from Python's by more than {SEPARATED} of the peak")

    # ------------------------------------------------------------------------------------------- ours
    def batches(self, figures):
        """Several segments at once: the same stems, and how fast."""
        self.needs_model()
        short, long = self.checks.work / "short.wav", self.checks.work / "long.wav"
        cut_wav(self.checks.bundle / "data/song.wav", short, self.sizes["song_seconds"] * RATE)
        cut_wav(self.checks.bundle / "data/song.wav", long, self.sizes["long_song_seconds"] * RATE)
        expected, apart = None, []
        for batch in self.sizes["segments_at_once"]:
            options = ["--device", self.checks.device, "--batch", batch]
            if self.checks.dry:
                options += ["--threads", self.checks.threads]
            stems = self.checks.stems(self.model, short, f"batch{batch}", *options)
            if expected is None:
                expected = stems
            else:
                largest, peak = difference(expected, stems)
                figures[f"batch_{batch}_of_peak"] = largest / peak
                if not largest <= SEPARATED * peak:
                    apart.append(str(batch))
            # The first song pays for the start, the second counts.
            text = self.checks.run("separate", self.model, short, long, "-o", self.checks.work / f"timed{batch}",
                                   "--json", *options)
            songs = [line for line in map(json.loads, text.splitlines()) if line.get("event") == "song"]
            self.separation[batch] = figures[f"batch_{batch}_realtime_factor"] = songs[1]["realtime_factor"]
        if apart:
            raise Failed(f"{', '.join(apart)} segments at once differ from single ones by more than {SEPARATED} of the peak")

    def steps(self, figures, model, precision, batch, deterministic=False):
        """Samples per second of `stemsmith train`, with its loader, behind the first steps."""
        run, sizes = f"steps-{model}-{precision}-{batch}{'-deterministic' if deterministic else ''}", self.sizes
        words = self.checks.train_words(
            MODELS[model], run, self.checks.device, *ALONE, "train.steps=1000000",
            f"dataset.threads={1 if self.checks.dry else 3 * self.checks.threads}", f"train.batch_size={batch}",
            f"train.precision={precision}", f"train.deterministic={str(deterministic).lower()}", *sizes["settings"][model])
        with self.checks.started_program(*words) as process:
            records, since = [], None
            while len(records) < sizes["warm"] + sizes["steps"]:
                time.sleep(0.02)
                records = self.checks.records(run)
                if len(records) > sizes["warm"]:
                    since = since or time.monotonic()
                    if len(records) > sizes["warm"] + 1 and time.monotonic() - since > sizes["seconds"]:
                        break
                if process.poll() is not None:
                    problem = process.stderr.read().strip()
                    if "memory does not suffice" in problem:
                        raise LeftOut("the GPU's memory does not suffice")
                    raise Failed(f"train ended with {process.returncode}: {problem[-800:]}")
                if self.checks.left() <= 0:
                    raise subprocess.TimeoutExpired([], 0)
        first, last = records[sizes["warm"] - 1], records[-1]
        count = len(records) - sizes["warm"]
        waits = [record["data_wait"] for record in records[sizes["warm"]:]]
        figures.update(model=model, precision=precision, batch=batch, deterministic=deterministic, steps=count,
                       samples_per_second=batch * count / (last["seconds"] - first["seconds"]),
                       data_wait=sum(waits) / count)
        if "gpu_memory_bytes" in last:
            figures["gpu_memory_bytes"] = last["gpu_memory_bytes"]
        self.training.append(dict(figures))

    # ------------------------------------------------------------------------------------------- Python's
    def peer_words(self, task, *words):
        sizes = self.sizes
        return [sys.executable, self.checks.bundle / "peer.py", task, "--options", json.dumps(sizes["options"]),
                "--frames", self.frames or 343980, "--device", self.checks.device, "--compiler", sizes["compiler"],
                "--threads", self.checks.threads, "--seconds", sizes["seconds"], "--warm", sizes["warm"], *words]

    def peer(self, task, *words):
        """What it told, also where it was cut off."""
        caches = {name: str(self.checks.work / name.lower()) for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")}
        try:
            done = subprocess.run(list(map(str, self.peer_words(task, *words))), capture_output=True, text=True,
                                  timeout=self.checks.left(), env={**os.environ, **caches})
            told, problem = done.stdout, done.stderr.strip().split("\n")[-1][:300]
        except subprocess.TimeoutExpired as expired:
            told, problem = (expired.stdout or b"").decode(), "the time was over"
        lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        if not lines:
            raise LeftOut(f"Python gives no figures: {problem}")
        return lines

    def python_trains(self, figures, way):
        figures["rows"] = self.peer("train", "--way", way, "--batch", self.sizes["batches"][0], "--precisions",
                                    ",".join(self.sizes["precisions"]))
        self.python["train"] += figures["rows"]

    def python_separates(self, figures, way):
        self.needs_model()
        most = [batch for batch in self.sizes["segments_at_once"] if batch <= 4][-1]
        figures["rows"] = self.peer("separate", "--way", way, "--weights", self.weights, "--batch", most,
                                    "--song-seconds", self.sizes["long_song_seconds"])
        self.python["separate"] += figures["rows"]

    # ------------------------------------------------------------------------------------------- what comes of it
    def conclude(self, report):
        """Ratios to Python's, the table of training steps, and hours of the trainings in configs/."""
        report["training_steps"] = self.training
        report["ratios"] = {"training step": [], "separation": []}
        for theirs in self.python["train"]:
            for ours in self.training:
                if ours["model"] == "htdemucs" and all(ours[key] == theirs.get(key) for key in ("batch", "precision")):
                    report["ratios"]["training step"].append({"deterministic": ours["deterministic"], **ratio(
                        ours["samples_per_second"], theirs, "samples_per_second")})
        for theirs in self.python["separate"]:
            report["ratios"]["separation"].append(ratio(self.separation.get(theirs.get("batch")), theirs,
                                                        "realtime_factor"))
        report["recipe"] = []
        for model, config in MODELS.items():
            samples = samples_of_training(self.checks.bundle / config)
            for precision in self.sizes["precisions"]:
                rows = [row for row in self.training if (row["model"], row["precision"]) == (model, precision)]
                if rows:
                    best = max(rows, key=lambda row: row["samples_per_second"])
                    report["recipe"].append({
                        "config": config, "samples": samples, "precision": precision, "batch": best["batch"],
                        "gpu_memory_bytes": best.get("gpu_memory_bytes"),
                        "samples_per_second": best["samples_per_second"],
                        "hours": samples / best["samples_per_second"] / 3600})


def ratio(ours, theirs, key):
    row = {name: theirs[name] for name in ("way", "of", "precision", "batch") if name in theirs}
    if key in theirs and ours:
        return {**row, "ours": ours, "python": theirs[key], "ratio": ours / theirs[key]}
    return {**row, "absent": theirs.get("problem", "ours was not measured")}


def samples_of_training(config):
    """Drawn in all: epochs of so many, or steps of a batch."""
    text = pathlib.Path(config).read_text()
    found = {key: int(value) for key, value in re.findall(r"\b(epochs|samples_per_epoch|steps|batch_size): (\d+)", text)}
    if "epochs" in found:
        return found["epochs"] * found["samples_per_epoch"]
    return found["steps"] * found["batch_size"]


def strengthen(source, target):
    """Fresh branches add nearly nothing, so that a fault in them would not show: the weights of `source` with branches
    that count. Gives how many there are. The checksum does not hold any more and stays behind."""
    data = pathlib.Path(source).read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    about = {key: value for key, value in header.pop("__metadata__").items() if key != "stemsmith.checksum"}
    tensors, body, branches = {"__metadata__": about}, bytearray(), 0
    for name, entry in header.items():
        if name.startswith("training."):
            continue
        begin, end = entry["data_offsets"]
        values = data[start + begin:start + end]
        if name.endswith(".scale"):
            branches += 1
            values = array.array("f", [0.3] * (len(values) // 4)).tobytes()
        tensors[name] = {**entry, "data_offsets": [len(body), len(body) + len(values)]}
        body += values
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(target).write_bytes(struct.pack("<Q", len(text)) + text + body)
    return branches
