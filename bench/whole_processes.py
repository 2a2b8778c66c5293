"""What benchmarks of whole programs share: one run's time and memory, and this machine."""
import os
import subprocess
import sys

# Starts a command from a small process: the peak of memory of a started process counts what the one that starts it has.
LAUNCHER = """
import os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
errors = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.stderr.buffer.write(errors)
sys.exit(status != 0)
"""
# Features of a processor with products of bfloat16.
BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def processor():
    """Its name and its features."""
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    lines = {key.strip(): value.strip() for key, value in lines.items()}
    return lines.get("model name", "?"), set(lines.get("flags", "").split())


def measured(command, threads):
    """Seconds by the clock, of CPU, and the peak of memory in MiB."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    result = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return tuple(map(float, result.stdout.split()))
