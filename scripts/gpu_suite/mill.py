"""A gristmill server, its workers and other programs, for one check: started on loopback, asked
over HTTP, and each ended by its process id."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "python"
GRACE_S = 15


class Late(Exception):
    """Something did not happen in the time that it was given; the text says what."""


class Refused(Exception):
    """The server's own words."""


class Mill:
    """Everything that one check has started."""

    def __init__(self, tools, until):
        self.tools, self.until = tools, until
        self.running = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gpu-suite-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start("serve", "--bind", f"127.0.0.1:{self.port}", "--data", self.folder / "data")
        self.await_("the server", lambda: self.ask("GET", "/healthz")["status"] == "ok")
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            # The second one ends a worker that still holds work.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def left(self):
        return max(self.until - time.monotonic(), 0.0)

    def start(self, *words, name=None):
        """Starts gristmill with these words; what it says goes to a log of that name."""
        return self.spawn([self.tools.gristmill, *words], name or words[0])

    def spawn(self, command, name, **settings):
        with open(self.folder / f"{name}.log", "ab") as log:
            settings = {"stdin": subprocess.DEVNULL, "stdout": log, **settings}
            process = subprocess.Popen(list(map(str, command)), stderr=log, cwd=HERE,
                                       env=self.tools.environment(self.folder), **settings)
        self.running.append(process)
        return process

    def end(self, process, sig=signal.SIGKILL):
        """Ends one of them now."""
        process.send_signal(sig)
        process.wait(GRACE_S)
        self.running.remove(process)

    def said(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def work(self, *handlers, name="one", options=()):
        """A worker that offers handlers of app.py; waits until the server knows it."""
        entries = [f"app.py:{handler}" for handler in handlers]
        process = self.start("work", *entries, "--server", self.url, "--python",
                             self.tools.python, "--name", name, *options, name=name)
        self.await_(f"worker {name}", lambda: self.worker(name), process)
        return process

    def worker(self, name):
        workers = self.ask("GET", "/v1/workers")["items"]
        return next((worker for worker in workers if worker["name"] == name), None)

    def submit(self, pipeline, **values):
        return self.ask("POST", "/v1/batches", {"pipeline": pipeline,
                                                "jobs": [{"input": values}]})["first_job"]

    def wait(self, job, seconds=60):
        """The job once it has finished. Raises Late."""
        until = time.monotonic() + min(seconds, self.left())
        while True:
            left = max(int(min(until - time.monotonic(), 30)), 1)
            found = self.ask("GET", f"/v1/jobs/{job}?wait={left}s")
            if found.get("finished_at"):
                return found
            if time.monotonic() > until:
                why = self.ask("GET", f"/v1/jobs/{job}/explain")["summary"]
                raise Late(f"{job} did not finish: {why}")

    def call(self, pipeline, seconds=60, **values):
        """A job's value. Raises Refused where it failed."""
        job = self.wait(self.submit(pipeline, **values), seconds)
        if job["state"] != "succeeded":
            raise Refused(failure(job))
        return value(job)

    def attempts(self, job):
        return self.ask("GET", f"/v1/jobs/{job}/attempts")["items"]

    def why(self, job):
        """Why a job waits, in the scheduler's words."""
        told = self.ask("GET", f"/v1/jobs/{job}/explain")
        return "; ".join([told["summary"], *(each["reason"] for each in told["workers"])])

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type":
                                         "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.code}: {error.read().decode(errors='replace')[:300]}") from None

    def await_(self, what, reached, process=None, seconds=60):
        """Asks until it is so; what it was. Raises Late."""
        until = time.monotonic() + min(seconds, self.left())
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if found := reached():
                    return found
            if process is not None and process.poll() is not None:
                break
            time.sleep(0.1)
        logs = [path.read_text(errors="replace")[-300:] for path in self.folder.glob("*.log")]
        raise Late(f"waited in vain for {what}: {' | '.join(logs)}")


def value(job):
    """A job's result as Python has it."""
    result = job["result"]
    return json.loads(result["json"]) if "json" in result else result.get("text")


def failure(job):
    why = job.get("failure") or {}
    return f"{job['state']}: {why.get('kind')}/{why.get('code')}: {why.get('message')}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Tools:
    """The binary, the Python of the sessions, and what they are started with."""

    def __init__(self, gristmill, python):
        self.gristmill, self.python = gristmill, python

    @staticmethod
    def environment(folder):
        """As it is here, without what a person has set for gristmill itself."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("GRISTMILL_") or name == "GRISTMILL_NVML_LIBRARY"}
        paths = [str(PACKAGE), str(HERE), kept.get("PYTHONPATH", "")]
        return {**kept, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def run(self, *command, seconds=30):
        """A program to its end: status, standard output, standard error."""
        try:
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                                  timeout=seconds, cwd=HERE,
                                  env=self.environment(tempfile.gettempdir()))
        except (OSError, subprocess.TimeoutExpired) as error:
            return 127, "", str(error)
        return done.returncode, done.stdout, done.stderr.strip()

    def cuda(self, *words):
        """cuda_driver.py in a process of its own: this one must never hold a GPU."""
        return self.run(self.python, "-B", HERE / "cuda_driver.py", *words)

    def devices(self):
        """`gristmill devices --json`, for it looks as workers look."""
        status, out, err = self.run(self.gristmill, "devices", "--json")
        if status:
            raise Refused(f"gristmill devices: {err}")
        return json.loads(out)

    def used(self, uuid):
        """Bytes of a GPU's memory in use, by whomever."""
        gpu = next(gpu for gpu in self.devices()["gpus"] if gpu["uuid"] == uuid)
        return gpu["sample"]["memory"]["used"]


def of_this_machine(gristmill, python):
    return Tools(str(pathlib.Path(gristmill).resolve()), python or sys.executable)
