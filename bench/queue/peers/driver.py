"""What the Python drivers share: their settings, how a figure is told, and the worker process.

run.py calls `DRIVER bench` with the settings as JSON in the variable BENCH. A driver tells each
figure as one line of JSON as soon as it has it, so what was measured survives a time limit. Its
worker is a process of its own, `DRIVER work WHAT N`: it says `ready` once connected, begins at
`go`, and says what its driver waits for, one line each. It ends when its standard input does.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

SETTINGS = json.loads(os.environ.get("BENCH", "{}"))
CLIENTS = 64


def count(full):
    """How many of something: what the full measurement takes, times the scale of this run."""
    return max(1, int(full * SETTINGS["scale"]))


def tell(figure, value, of, unit="jobs/s"):
    print(json.dumps({"figure": figure, "value": value, "count": of, "unit": unit}), flush=True)


def tell_rate(figure, of, started):
    tell(figure, of / (time.perf_counter() - started), of)


def tell_trips(of, once):
    """Round trips one after the other on an idle system; a tenth more before, to warm up."""
    took = []
    for number in range(of + max(1, of // 10)):
        started = time.perf_counter()
        once(number)
        took.append((time.perf_counter() - started) * 1e3)
    took = sorted(took[-of:])
    tell("trip_p50", took[of // 2], of, "ms")
    tell("trip_p99", took[min(of * 99 // 100, of - 1)], of, "ms")


def until(done, every=0.002):
    """Asks until it is so; run.py bounds the whole driver."""
    while not done():
        time.sleep(every)


class Worker:
    """A process of the same file, which leaves when the block does."""

    def __init__(self, *what):
        command = [sys.executable, sys.argv[0], "work", *map(str, what)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def __enter__(self):
        self.hear("ready")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def go(self):
        self.process.stdin.write("go\n")

    def hear(self, word):
        heard = self.process.stdout.readline().strip()
        if heard != word:
            raise SystemExit(f"the worker said {heard!r} where {word!r} was due")


def say(word):
    """The worker's side of `hear`."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def await_go():
    """The worker's side of `go`. From then on the end of standard input ends the process."""
    say("ready")
    if sys.stdin.readline().strip() != "go":
        raise SystemExit(0)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()


def main(bench, work):
    # The kernel's word when run.py was killed: then all that this driver started ends with it.
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    if sys.argv[1] == "bench":
        bench()
    else:
        work(*sys.argv[2:])
