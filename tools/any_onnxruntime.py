"""Lets programs and libraries run with every ONNX Runtime, not only with that of their build: any_onnxruntime.py FILE…

ONNX Runtime gives its one function the version of its release, such as VERS_1.31.1, which the dynamic linker then asks for by
name. What the function returns has a number of its own, by which it serves programs of all earlier releases. With patchelf, the
function is asked for without a version; then the need for the version itself becomes a weak one, which may be missing."""

import struct
import subprocess
import sys

from elftools.elf.elffile import ELFFile

WEAK = 2  # VER_FLG_WEAK

for path in sys.argv[1:]:
    subprocess.run(["patchelf", "--clear-symbol-version", "OrtGetApiBase", path], check=True)
    with open(path, "r+b") as file:
        elf = ELFFile(file)
        needs = elf.get_section_by_name(".gnu.version_r")
        names = elf.get_section(needs["sh_link"])
        at = needs["sh_offset"]
        for _ in range(needs["sh_info"]):  # Elf64_Verneed of each library, with an Elf64_Vernaux of each version
            file.seek(at)
            _, versions, name, first, following = struct.unpack("<HHIII", file.read(16))
            if names.get_string(name).startswith("libonnxruntime.so"):
                assert versions == 1, f"{path} needs {versions} versions of ONNX Runtime"
                file.seek(at + first + 4)
                file.write(struct.pack("<H", WEAK))
            at += following
