"""Seeds for the fuzzers: small files as torch.save, pickle and safetensors write them. make_seeds.py OUT"""

import collections
import fractions
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import torch

out = Path(sys.argv[1])
for name in ("pickle", "safetensors", "torch_file"):
    (out / name).mkdir(parents=True, exist_ok=True)
values = {
    "state": collections.OrderedDict(a=torch.arange(6.0).view(2, 3), b=torch.ones(2).half()),
    "types": {str(t): torch.zeros(2, dtype=t) for t in (torch.bfloat16, torch.int64, torch.bool, torch.uint8)},
    "views": {"whole": (t := torch.zeros(4, 4)), "part": t[1:, ::2], "turned": t.t()},
    "package": {"klass": collections.OrderedDict, "args": (), "state": {"w": torch.nn.Parameter(torch.ones(3))},
                "kwargs": {"segment": fractions.Fraction(39, 5), "sources": ["a", "b"], "none": None, "deep": [[[1]]]}},
    "plain": {"set": {1, 2}, "bytes": b"xyz", "large": 2**70, "negative": -3, "real": 1e-3},
}
for name, value in values.items():
    for zipped in (True, False):
        path = out / "torch_file" / f"{name}_{zipped}.pt"
        torch.save(value, path, _use_new_zipfile_serialization=zipped)
        if zipped:
            with zipfile.ZipFile(path) as archive:
                entry, = (item for item in archive.namelist() if item.endswith("/data.pkl"))
                (out / "pickle" / name).write_bytes(archive.read(entry))
for protocol in (2, 3, 4, 5):
    (out / "pickle" / f"protocol{protocol}").write_bytes(pickle.dumps(values["plain"], protocol))
header = {"__metadata__": {"klass": "x"}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
          "b": {"dtype": "BOOL", "shape": [1, 2], "data_offsets": [8, 10]}}
for name, value in (("two", header), ("none", {})):
    text = json.dumps(value).encode()
    (out / "safetensors" / name).write_bytes(struct.pack("<Q", len(text)) + text + bytes(10 if value else 0))
