"""A real server and worker for the tests of the client, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

import httpx

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def binary() -> Optional[str]:
    """The binary `gristmill`: GRISTMILL_BINARY, one that was built here, or one on PATH."""
    named = os.environ.get("GRISTMILL_BINARY")
    built = [REPOSITORY / "target" / kind / "gristmill" for kind in ("release", "debug")]
    found = [str(path) for path in built if path.is_file()]
    return named or (found[0] if found else shutil.which("gristmill"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mill:
    """A server with one worker, and a data folder that is its own."""

    def __init__(self, gristmill: str, place: Path) -> None:
        self.gristmill, self._place = gristmill, place
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.serve()
        self._start("work", "--server", self.url, "--cpus", "4")
        self._until(lambda health: health["workers"] == 1)

    def serve(self) -> None:
        self._start("serve", "--bind", f"127.0.0.1:{self._port}", "--data", str(self._place))
        self._until(lambda health: health["status"] == "ok")

    def kill_server(self) -> None:
        """Ends the server without warning; `serve` starts it again."""
        server = self._processes.pop(0)
        server.kill()
        server.wait()

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, *words: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._place)}
        with (self._place.parent / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [self.gristmill, *words], env=environment, stdout=log, stderr=log
            )
        if words[0] == "serve":
            self._processes.insert(0, process)
        else:
            self._processes.append(process)

    def _until(self, reached: Any) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                if reached(httpx.get(f"{self.url}/healthz", timeout=2).json()):
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, (
                "the mill did not come up; see the logs beside its data"
            )
            time.sleep(0.05)


@contextmanager
def serving(
    gristmill: object, *words: str, cwd: Path, log: Path, environment: dict[str, str]
) -> Iterator[str]:
    """The address of a server that works for itself, as `gristmill serve --work` starts it; its
    data lies beside its log."""
    bind = f"127.0.0.1:{free_port()}"
    line = [str(gristmill), "serve", "--bind", bind, "--data", str(log.parent / "data"), *words]
    with log.open("wb") as said:
        server = subprocess.Popen(line, cwd=cwd, env=environment, stdout=said, stderr=said)
    try:
        _await_worker(server, f"http://{bind}", log)
        yield f"http://{bind}"
    finally:
        server.terminate()
        server.wait(20)


def _await_worker(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz", timeout=2).json()["workers"]:
                return
        waits = server.poll() is None and time.monotonic() < until
        assert waits, f"it does not serve:\n{log.read_text()}"
        time.sleep(0.05)


def command(*words: str, retry: int = 1, shell: bool = False) -> list[dict[str, Any]]:
    """Stages of one program."""
    return [
        {
            "name": "run",
            "handler": {"command": {"argv": list(words), "shell": shell}},
            "retry": {"attempts": retry},
            "resources": {"cpus": 100},
        }
    ]
