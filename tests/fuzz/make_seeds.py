"""Seeds for the fuzzers: small files as torch.save, pickle and safetensors write them, and requests as browsers send them. make_seeds.py OUT"""

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
for name in ("pickle", "safetensors", "torch_file", "http"):
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
boundary = "----WebKitFormBoundaryAbC"
form = (f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nhtdemucs\r\n--{boundary}\r\n'
        f'Content-Disposition: form-data; name="file"; filename="a b.wav"; filename*=UTF-8\'\'a%20b.wav\r\n'
        f'Content-Type: audio/wav\r\n\r\n\r\n--RIFF\r\n--{boundary}--\r\n')
requests = {
    "get": "GET /api/v1/jobs/A_b-1/files/vocals%20a.flac?format=wav&bits=16&x=a+b%C3%A4 HTTP/1.1\r\nHost: a:1\r\nRange: bytes=1-2\r\n"
           "If-Range: \"tag\"\r\nIf-None-Match: W/\"a\", *\r\nCookie: a=b; stemsmith_token=c\r\nAccept: */*\r\n\r\n",
    "absolute": "HEAD http://a:8080/?q HTTP/1.0\r\nConnection: keep-alive\r\nX: a\r\n b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "length": 'POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n'
              '{"song":"x"}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    "chunked": "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;a=\"b\"\r\nabcd\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
    "form": f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {len(form)}\r\n\r\n{form}",
}
for name, text in requests.items():
    (out / "http" / name).write_bytes(text.encode())
