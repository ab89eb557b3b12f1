#!/usr/bin/env python3
"""Runs a command on a machine with one GPU that is not there, to try the suite itself.

    scripts/gpu_suite/stand_in.py scripts/gpu-suite --gristmill PATH

It builds stand_in.c and the worker tests' mock of NVML with `cc`, and while the command runs it
tells the mock what each living process holds. What comes of it says nothing about real GPUs.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
NVML = HERE.parent.parent / "crates" / "worker" / "tests" / "devices" / "mock_nvml.c"
ALL, OTHER = 16 << 30, 200 << 20
STATE = """driver 570.86.15
cuda 12080
gpu
 uuid GPU-11111111-1111-1111-1111-111111111111
 name Stand-in
 bus 00000000:01:00.0
 index 0
 mode 0
 mig 0
 power 90000
 limit 300000
 temperature 40
 throttle 0
 total {total}
 used {used}
 utilization {busy}
"""


def build(folder):
    flags = ["-shared", "-fPIC", "-O1", "-w"]
    for source, library in ((HERE / "stand_in.c", "libcuda.so.1"), (NVML, "libnvidia-ml.so.1")):
        subprocess.run(["cc", *flags, "-o", folder / library, source, "-ldl"], check=True)


def lives(pid):
    """A process that has ended and is not yet reaped holds nothing any more."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def put(path, text):
    aside = path.with_suffix(".aside")
    aside.write_text(text)
    os.replace(aside, path)


def tell(folder):
    """What the GPU holds at this moment."""
    held = {}
    for file in (folder / "held").iterdir():
        if file.name.isdigit() and lives(file.name):
            held[int(file.name)] = int(file.read_text())
    beats = [file.stat().st_mtime for file in (folder / "busy").iterdir()]
    busy = 97 if beats and time.time() - max(beats) < 1 else 0
    used = OTHER + sum(held.values())
    state = STATE.format(total=ALL, used=used, busy=busy)
    state += "".join(f" process {pid} {size}\n" for pid, size in held.items())
    put(folder / "used", str(used))
    put(folder / "state", state)


def keep_telling(folder, over):
    while not over.wait(0.03):
        try:
            tell(folder)
        except (OSError, ValueError):
            continue  # a file that is just being written


def main(command):
    with tempfile.TemporaryDirectory(prefix="gpu-stand-in-") as name:
        folder = pathlib.Path(name)
        for part in ("held", "busy"):
            (folder / part).mkdir()
        build(folder)
        tell(folder)
        over = threading.Event()
        threading.Thread(target=keep_telling, args=(folder, over), daemon=True).start()
        environment = {**os.environ, "LD_LIBRARY_PATH": name,
                       "GRISTMILL_NVML_LIBRARY": str(folder / "libnvidia-ml.so.1")}
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            over.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
