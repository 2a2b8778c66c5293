"""The Python side of check_gpu.py: HTDemucs of PyPI's demucs 4.1 (an installed one, else that of the bundle), eager and
compiled, with the sizes of ours. One JSON object a line on standard output, so that what came before a timeout counts.

    peer.py train     --options JSON --frames N --batch B --precisions float32,bfloat16
    peer.py separate  --options JSON --frames N --batch B --weights FILE --song-seconds S
    peer.py compare   --options JSON --frames N --weights FILE --mix WAV --stems FOLDER
"""

import argparse
import array
import importlib.util
import json
import pathlib
import struct
import sys
import time
import types
from fractions import Fraction

import torch

RATE = 44100


def import_htdemucs():
    sys.path.append(str(pathlib.Path(__file__).resolve().parent / "peer"))
    # demucs imports these for other models of its own.
    for package, names in {"julius": [], "numpy": [], "openunmix": ["openunmix.filtering"]}.items():
        if importlib.util.find_spec(package) is None:
            for name in [package, *names]:
                sys.modules[name] = types.ModuleType(name)
                sys.modules[name].wiener = None
    from demucs.htdemucs import HTDemucs
    return HTDemucs


def read_wav(path):
    """[C, T] of a wav file of 32-bit floats."""
    data, at, channels = pathlib.Path(path).read_bytes(), 12, 0
    while data[at:at + 4] != b"data":
        if data[at:at + 4] == b"fmt ":
            channels = int.from_bytes(data[at + 10:at + 12], "little")
        at += 8 + int.from_bytes(data[at + 4:at + 8], "little")
    samples = array.array("f", data[at + 8:at + 8 + int.from_bytes(data[at + 4:at + 8], "little")])
    return torch.frombuffer(samples, dtype=torch.float32).reshape(-1, channels).t().contiguous()


def read_weights(path):
    data = bytearray(pathlib.Path(path).read_bytes())
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    return {name: torch.frombuffer(data, dtype=torch.float32, offset=start + entry["data_offsets"][0],
                                   count=(entry["data_offsets"][1] - entry["data_offsets"][0]) // 4)
            .reshape(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def tell(**figures):
    print(json.dumps(figures), flush=True)


class Peer:
    def __init__(self, arguments):
        self.arguments = arguments
        self.device = torch.device(arguments.device)
        options = json.loads(arguments.options)
        torch.manual_seed(1)
        self.model = import_htdemucs()(["drums", "bass", "other", "vocals"], samplerate=RATE, use_train_segment=False,
                                       segment=Fraction(arguments.frames, RATE), **options).to(self.device)
        if arguments.weights:
            self.model.load_state_dict(read_weights(arguments.weights))

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def compiled(self):
        return torch.compile(self.model, backend=self.arguments.compiler, dynamic=False)

    def compiled_by_levels(self):
        for name in ("encoder", "tencoder", "decoder", "tdecoder"):
            for level in getattr(self.model, name):
                level.compile(backend=self.arguments.compiler, dynamic=False)
        self.model.crosstransformer.compile(backend=self.arguments.compiler, dynamic=False)
        return self.model

    def each(self, measures):
        """Eager, or compiled, whole or else by levels; what does not work there is told as a problem, and costs
        nothing else. `measures`: what to tell with it, and the measure."""
        if self.arguments.way == "eager":
            for about, measure in measures:
                tell(way="eager", **about, **measure(self.model))
            return
        for way in (self.compiled, self.compiled_by_levels):
            worked = True
            for about, measure in measures:
                try:
                    tell(way="compiled", of=way.__name__, **about, **measure(way()))
                except Exception as problem:
                    worked = False
                    first = str(problem).strip().split("\n")[0][:300]
                    tell(way="compiled", of=way.__name__, **about, problem=f"{type(problem).__name__}: {first}")
                    break
            if worked:
                return
            torch.compiler.reset()

    # ------------------------------------------------------------------------------------------- training
    def train(self):
        self.each([({"precision": precision}, lambda model, precision=precision: self.steps(model, precision))
                       for precision in self.arguments.precisions.split(",")])

    def steps(self, model, precision):
        batch, frames = self.arguments.batch, self.arguments.frames
        pinned = {"pin_memory": self.device.type == "cuda"}
        stems = torch.randn(batch, 4, 2, frames).mul_(0.1)
        stems = torch.empty(stems.shape, **pinned).copy_(stems)
        mix = torch.empty((batch, 2, frames), **pinned).copy_(stems.sum(1))
        adam = torch.optim.Adam(self.model.parameters(), lr=3e-4)
        self.model.train()

        def step():
            x, y = (tensor.to(self.device, non_blocking=True) for tensor in (mix, stems))
            adam.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                estimates = model(x)
            loss = torch.nn.functional.l1_loss(estimates.float(), y)
            loss.backward()
            adam.step()
            return loss.item()

        begun = time.perf_counter()
        for _ in range(self.arguments.warm):
            step()
        self.wait()
        warm = time.perf_counter() - begun
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        count, begun = 0, time.perf_counter()
        while count < 2 or (count < 30 and time.perf_counter() - begun < self.arguments.seconds):
            step()
            count += 1
        self.wait()
        figures = {"batch": batch, "samples_per_second": batch * count / (time.perf_counter() - begun),
                   "seconds_to_warm_up": round(warm, 2)}
        if self.device.type == "cuda":
            figures["gpu_memory_bytes"] = torch.cuda.max_memory_reserved()
        return figures

    # ------------------------------------------------------------------------------------------- separation
    def exact(self):
        """float32 in full, as `separate` computes."""
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        self.model.eval()

    def separate(self):
        self.exact()
        self.each([({}, self.song)])

    @torch.no_grad()
    def song(self, model):
        batch, frames = self.arguments.batch, self.arguments.frames
        song = torch.randn(2, int(self.arguments.song_seconds * RATE)).mul_(0.2)
        starts = range(0, song.shape[1], frames * 3 // 4)
        half = torch.arange(1, frames // 2 + 1, device=self.device)
        weight = torch.cat([half, torch.arange(frames - frames // 2, 0, -1, device=self.device)]).float()

        def run():
            length = song.shape[1] + frames
            out = torch.zeros(4, 2, length, device=self.device)
            total = torch.zeros(length, device=self.device)
            padded = torch.nn.functional.pad(song, (0, frames + batch * frames))
            for first in range(0, len(starts), batch):
                some = [starts[0] + (first + k) * starts.step for k in range(batch)]
                # Behind the end silence, so that all batches are of one size.
                segments = torch.stack([padded[:, min(at, song.shape[1]):][:, :frames] for at in some])
                estimates = model(segments.to(self.device))
                for at, stems in zip(some, estimates):
                    if at < song.shape[1]:
                        out[:, :, at:at + frames] += stems * weight
                        total[at:at + frames] += weight
            return (out / total.clamp_min(1e-9))[:, :, :song.shape[1]].cpu()

        run()
        begun = time.perf_counter()
        run()
        return {"batch": batch, "realtime_factor": self.arguments.song_seconds / (time.perf_counter() - begun)}

    @torch.no_grad()
    def compare(self):
        """One segment by Python on the CPU against the stems that `separate` wrote of it; and against Python on the
        device, where cuFFT lets the imaginary part of the lowest bin sound."""
        self.exact()
        mix = read_wav(self.arguments.mix)
        on_device = self.model(mix[None].to(self.device))[0].cpu()
        estimates = self.model.cpu()(mix[None])[0]
        largest = 0.0
        for name, stem in zip(self.model.sources, estimates):
            ours = read_wav(next(pathlib.Path(self.arguments.stems).rglob(f"{name}.wav")))
            largest = max(largest, (ours - stem).abs().max().item())
        tell(peak=estimates.abs().max().item(), largest_difference=largest,
             python_on_device=(on_device - estimates).abs().max().item())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["train", "separate", "compare"])
    parser.add_argument("--options", required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precisions", default="float32")
    parser.add_argument("--way", choices=["eager", "compiled"], default="eager")
    parser.add_argument("--compiler", default="inductor")
    parser.add_argument("--warm", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--song-seconds", type=float, default=60)
    parser.add_argument("--weights")
    parser.add_argument("--mix")
    parser.add_argument("--stems")
    parser.add_argument("--threads", type=int, default=0)
    parsed = parser.parse_args()
    if parsed.threads:
        torch.set_num_threads(parsed.threads)
    peer = Peer(parsed)
    getattr(peer, parsed.task)()
