"""A gristmill server with one worker, fresh for every measurement, on a free port of loopback."""

import contextlib
import os
import pathlib
import time

import provision
import servers
from wire import Wire

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "python"
PATIENCE_S = 60


class Mill:
    """Where the server is, and whose ids a profiler needs."""

    def __init__(self, port, server, worker):
        self.port, self.server, self.worker = port, server, worker
        self.url = f"http://127.0.0.1:{port}"


def environment(folder):
    """Neither settings nor tokens of whoever measures take part."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, "PYTHONPATH": str(PACKAGE)}


@contextlib.contextmanager
def started(bench, folder, entry=None, beside=False, durability="disk"):
    """A server and its worker: `bench queue`'s no-op worker, or one that keeps `entry` hot; that
    one in a process of its own, or `beside`, within the server's."""
    port = servers.free_port()
    offer = ["--python", bench.python]
    serve = [bench.gristmill, "serve", "--bind", f"127.0.0.1:{port}", "--data", folder / "data",
             "--durability", durability]
    work = [bench.gristmill, "bench", "no-op-worker", f"http://127.0.0.1:{port}"]
    if entry:
        work = [bench.gristmill, "work", HERE / entry, *offer, "--no-gpus",
                "--server", f"http://127.0.0.1:{port}"]
    if beside:
        serve += ["--work", HERE / entry, *offer, "--no-gpus"]
    settings = {"env": environment(folder), "cwd": HERE}
    with servers.serve(bench.processes, serve, port, folder, **settings):
        server, worker = bench.processes.running[-1], None
        if not beside:
            with open(folder / "worker.log", "wb") as log:
                worker = bench.processes.start(work, stdout=log, stderr=log, **settings)
        try:
            await_worker(port, worker, folder)
            yield Mill(port, server, worker)
        finally:
            if worker in bench.processes.running:
                bench.processes.stop(worker, servers.signal.SIGTERM)


def await_worker(port, worker, folder):
    until = time.monotonic() + PATIENCE_S
    with Wire(port) as wire:
        while wire.json("GET", "/healthz")["workers"] < 1:
            if time.monotonic() > until or (worker and servers.ended(worker)):
                logs = [path.read_text() for path in folder.glob("*.log")]
                raise provision.Missing("no worker came: " + provision.gist("\n".join(logs)))
            time.sleep(0.02)
