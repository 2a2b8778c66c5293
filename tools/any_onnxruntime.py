"""Lets programs and libraries run with every ONNX Runtime, not only with that of their build: any_onnxruntime.py FILE…

ONNX Runtime gives its one function the version of its release, such as VERS_1.31.1, which the dynamic linker then asks for by
name. What the function returns has a number of its own, by which it serves programs of all earlier releases. So the function is
asked for without a version, and the need for the version is replaced by one of the C library's that is there already."""

import struct
import subprocess
import sys

from elftools.elf.elffile import ELFFile

for path in sys.argv[1:]:
    subprocess.run(["patchelf", "--clear-symbol-version", "OrtGetApiBase", path], check=True)
    with open(path, "r+b") as file:
        elf = ELFFile(file)
        section = elf.get_section_by_name(".gnu.version_r")
        names = elf.get_section(section["sh_link"])
        needs, at = {}, section["sh_offset"]
        for _ in range(section["sh_info"]):  # Elf64_Verneed of each library, with an Elf64_Vernaux of each version
            file.seek(at)
            _, versions, library, first, following = struct.unpack("<HHIII", file.read(16))
            needs[names.get_string(library)] = at, versions, library, at + first
            at += following
        _, _, libc, version = needs["libc.so.6"]
        at, versions, _, unwanted = needs["libonnxruntime.so.1"]
        assert versions == 1, f"{path} needs {versions} versions of ONNX Runtime"
        file.seek(version)
        hashed, _, _, name = struct.unpack("<IHHI", file.read(12))
        for place, value in ((at + 4, libc), (unwanted, hashed), (unwanted + 8, name)):
            file.seek(place)
            file.write(struct.pack("<I", value))
