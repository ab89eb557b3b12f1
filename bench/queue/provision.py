"""Gets the peers: programs from Debian, packages from PyPI and npm, pinned, below the work folder.

Nothing is installed into the system and no service is started: Debian's packages are downloaded
and unpacked beside the rest. What the machine has already is used as it is. What cannot be had
raises Missing, and run.py says so in one line and goes on without the peers that need it.
"""

import glob
import os
import pathlib
import platform
import re
import shutil
import subprocess
import venv

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_S = 600


class Missing(Exception):
    """Something a peer needs is not to be had here; the text says what."""


def quiet(*command, **settings):
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, **settings
        )
    except FileNotFoundError:
        raise Missing(f"no program {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{command[0]} took more than {PATIENCE_S} s") from None
    if done.returncode:
        called = " ".join(map(str, command[:3]))
        raise Missing(f"{called} failed: {gist(done.stderr or done.stdout)}")
    return done.stdout


def gist(said):
    """The line of a complaint that says most: the last that speaks of an error, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    errors = [line for line in lines if re.search(r"error(?!.*complete log)", line, re.I)]
    return (errors or lines)[-1]


class Kit:
    """What has been installed, and where. Each thing is got once, when a peer first asks."""

    def __init__(self, work):
        self.work = work
        self.refused = {}

    def once(self, name, get):
        """What was missing stays missing: nobody asks the network twice."""
        if name in self.refused:
            raise Missing(self.refused[name])
        try:
            return get()
        except Missing as reason:
            self.refused[name] = str(reason)
            raise

    def python(self):
        return self.once("python", self._python)

    def _python(self):
        folder, pins = self.work / "venv", HERE / "peers" / "requirements.txt"
        program = folder / "bin" / "python"
        if not same(folder / "pins.txt", pins):
            if not program.exists():
                venv.create(folder, with_pip=True)
            quiet(program, "-m", "pip", "install", "--quiet", "-r", pins)
            shutil.copy(pins, folder / "pins.txt")
        return str(program)

    def node(self):
        """Node with the drivers' packages; the drivers are linked beside their node_modules."""
        return self.once("node", self._node)

    def _node(self):
        folder, pins = self.work / "node", HERE / "peers" / "package.json"
        if not same(folder / "pins.json", pins):
            folder.mkdir(exist_ok=True)
            shutil.copy(pins, folder / "package.json")
            quiet("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder)
            shutil.copy(pins, folder / "pins.json")
        for driver in (HERE / "peers").glob("*.mjs"):
            shutil.copy(driver, folder)
        packaged = next(folder.glob("node_modules/node-linux-*/bin/node"), None)
        program = packaged or shutil.which("node")
        if not program:
            raise Missing("no node: npm gave none for this machine and none is on PATH")
        return str(program)

    def program(self, name, package):
        """A program of Debian's, from this machine or unpacked below the work folder."""
        return self.once(name, lambda: self._program(name, package))

    def _program(self, name, package):
        found = shutil.which(name) or shutil.which(name, path=str(self.unpacked / "usr" / "bin"))
        if not found:
            self.unpack(package)
            found = shutil.which(name, path=str(self.unpacked / "usr" / "bin"))
        if not found:
            raise Missing(f"no {name}, and Debian's {package} does not hold it")
        return pathlib.Path(found)

    def postgres(self):
        """The folder of PostgreSQL's programs, the newest version there is."""
        return self.once("postgres", self._postgres)

    def _postgres(self):
        def newest():
            where = "usr/lib/postgresql/*/bin/pgbench"
            found = [*glob.glob(f"/{where}"), *glob.glob(f"{self.unpacked}/{where}")]
            return max(found, key=lambda p: int(re.search(r"sql/(\d+)", p)[1]), default=None)

        if not newest():
            self.unpack("postgresql")
        if not newest():
            raise Missing("no PostgreSQL with pgbench")
        return pathlib.Path(newest()).parent

    @property
    def unpacked(self):
        return self.work / "debian"

    def unpack(self, package):
        """The package and what it needs and this machine lacks, unpacked, not installed."""
        if not shutil.which("apt-get"):
            raise Missing(f"no {package}: install it with this system's own packages")
        simulate = ("apt-get", "-qq", "--simulate", "--no-install-recommends", "install", package)
        try:
            planned = quiet(*simulate)
        except Missing:
            # A fresh container has no package lists.
            quiet("apt-get", "-qq", "update")
            planned = quiet(*simulate)
        wanted = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", planned, re.M)
        folder = self.work / "packages"
        folder.mkdir(exist_ok=True)
        quiet("apt-get", "-qq", "download", *(f"{n}={v}" for n, v in wanted), cwd=folder)
        for name, _ in wanted:
            for file in folder.glob(f"{name.split(':')[0]}_*.deb"):
                quiet("dpkg", "-x", file, self.unpacked)

    def environment(self):
        """For programs that were unpacked: their libraries lie beside them."""
        libraries = self.unpacked / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
        paths = [str(libraries), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, paths))}

    def versions(self, names):
        """What was measured, for the head of the report: {name: version}."""
        found = {}
        for name, command in names.items():
            try:
                said = quiet(*command, env=self.environment()).strip().splitlines()[0]
                found[name] = re.search(r"\d+\.\d+(\.\d+)?", said)[0]
            except (Missing, IndexError, TypeError):
                found[name] = "unknown"
        return found


def same(one, other):
    return one.exists() and one.read_bytes() == other.read_bytes()
