#!/usr/bin/env python3
"""How long it takes from a person's own function to a second person's result, and what both have to
write for it.

The author has `app.py` with a function of their own, and types two commands: one installs the wheel
into a fresh environment, one serves the function. The second person has another fresh environment,
the token that was shown, a project of their own, and three lines of Python; the picture that they
asked for is on their disk at the end. Every step is a process of its own, as at a prompt, and its
time is that of the whole process; nothing is left out between them but typing.

The wheel is the one that `scripts/python.sh wheel` builds, or that --wheel names. What pip fetches it
keeps, so that a first run may take longer than a second one.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BOUND_S = 300

OWN = '''from PIL import Image


def generate(prompt: str) -> Image.Image:
    return Image.new("RGB", (64, 64), prompt)
'''
"""What the author has before anything of gristmill's comes to it."""

ADDED = ""
"""What they add to it: nothing. A decorator would say how much of a GPU it wants."""

SECOND = '''import gristmill as gm
client = gm.Client("{url}", "{token}", project="ada")
client.call("generate", prompt="{prompt}").save("{prompt}.png")
'''

SERVE = "gristmill serve --bind 127.0.0.1:{port} --require-token --data data --work app.py:generate"

WORDS = {"author": ["serve", "--work"], "second person": ["token", "project", "Client", "call"]}
"""The system's own words: those that occur above and mean nothing without it."""


class Steps:
    """What was done, and how long it took."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def step(self, name):
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started

    def sum(self, *names):
        return sum(self.seconds[name] for name in names or self.seconds)


class Person:
    """Somebody with a folder and an environment, and nothing of this repository."""

    def __init__(self, folder, steps, who):
        self.folder, self.steps, self.who = folder / who.replace(" ", "-"), steps, who
        self.folder.mkdir()
        self.programs = self.folder / "environment" / "bin"
        # Neither settings nor tokens of whoever measures take part; pip's own stay.
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("GRISTMILL_", "PYTHON", "VIRTUAL_ENV"))}
        self.environment = {**kept, "PATH": f"{self.programs}:{os.environ['PATH']}"}

    def install(self, wheel):
        with self.steps.step(f"{self.who}: python -m venv environment"):
            self.run(sys.executable, "-m", "venv", "environment")
        with self.steps.step(f"{self.who}: pip install gristmill pillow"):
            self.run(self.programs / "pip", "install", "--quiet", wheel, "pillow")

    def run(self, *words):
        line = [str(word) for word in words]
        done = subprocess.run(line, cwd=self.folder, env=self.environment, timeout=BOUND_S,
                              capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.who}: {' '.join(line)}\n{done.stdout}{done.stderr}")

    @contextlib.contextmanager
    def serving(self, port):
        """The token, once the function is served; the server until the end."""
        (self.folder / "app.py").write_text(ADDED + OWN)
        log = self.folder / "serve.log"
        with open(log, "w") as said, self.steps.step(f"{self.who}: gristmill serve"):
            words = SERVE.format(port=port).split()
            words[0] = str(self.programs / words[0])
            server = subprocess.Popen(words, cwd=self.folder, env=self.environment,
                                      stdout=said, stderr=said)
            token = self.token(server, log)
        try:
            yield token
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)

    def token(self, server, log):
        """What the server shows, once it also says that it works here."""
        until = time.monotonic() + BOUND_S
        while True:
            said = log.read_text()
            shown = re.search(r"\bgm_[0-9a-f]+", said)
            if shown and "connected worker" in said:
                return shown.group()
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{self.who}: it does not serve\n{said}")
            time.sleep(0.01)

    def ask(self, port, token, prompt, name):
        program = SECOND.format(url=f"http://127.0.0.1:{port}", token=token, prompt=prompt)
        (self.folder / f"{prompt}.py").write_text(program)
        with self.steps.step(f"{self.who}: {name}"):
            self.run(self.programs / "python", f"{prompt}.py")
        picture = (self.folder / f"{prompt}.png").read_bytes()
        if not picture.startswith(b"\x89PNG"):
            raise SystemExit(f"{self.who}: {prompt}.png is no picture")


def measure(wheel, folder):
    steps, port = Steps(), free_port()
    author = Person(folder, steps, "author")
    second = Person(folder, steps, "second person")
    author.install(wheel)
    with author.serving(port) as token:
        second.install(wheel)
        second.ask(port, token, "red", "the first result")
        second.ask(port, token, "blue", "another result")
    return steps


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def built():
    """The wheel of this tree."""
    subprocess.run([ROOT / "scripts" / "python.sh", "wheel"], check=True, stdout=sys.stderr)
    return max((ROOT / "target" / "wheels").glob("gristmill-*.whl"), key=os.path.getmtime)


def told(steps):
    first = [name for name in steps.seconds if not name.endswith("another result")]
    apart = [name for name in first if name.endswith(("gristmill serve", "the first result"))]
    return {
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "seconds": {name: round(took, 2) for name, took in steps.seconds.items()},
        "from nothing to the first result, s": round(steps.sum(*first), 1),
        "from `gristmill serve` to the first result, s": round(steps.sum(*apart), 1),
        "lines that the author adds": len(ADDED.splitlines()),
        "lines of the second person": len(SECOND.splitlines()),
        "words": WORDS,
    }


def show(figures):
    print(f"{figures['date']}, {figures['cores']} cores, load {figures['load']:.1f}\n")
    for name, took in figures["seconds"].items():
        print(f"{name:<52}{took:>8.2f} s")
    print()
    for name, value in figures.items():
        if name.startswith(("from", "lines")):
            print(f"{name:<52}{value:>8}")
    for who, words in figures["words"].items():
        print(f"{'words of ' + who:<52}{len(words):>8}  {', '.join(words)}")


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("--wheel", type=pathlib.Path, help="a wheel, instead of building one")
    words.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = words.parse_args()
    wheel = (chosen.wheel or built()).resolve()
    with tempfile.TemporaryDirectory(prefix="gristmill-first-result-") as folder:
        figures = told(measure(wheel, pathlib.Path(folder)))
    if chosen.json:
        print(json.dumps(figures, indent=1))
    else:
        show(figures)


if __name__ == "__main__":
    main()
