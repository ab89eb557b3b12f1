"""The worker's side of a session, for tests: starts the real host over a real socket pair.

Like a worker it checks that every item of a call ends exactly once.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import msgpack

PACKAGE = Path(__file__).resolve().parent.parent
TIMEOUT = 20.0


class HostProcess:
    """A running host."""

    def __init__(self, place: Path, entry: str, **opening: Any) -> None:
        self.place = place
        self.folder = place / "files"
        self.folder.mkdir()
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.socket.settimeout(TIMEOUT)
        self._reader = ours.makefile("rb")
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "",
            "PYTHONPATH": str(PACKAGE),
            "GRISTMILL_SESSION_FD": str(theirs.fileno()),
        }
        self.out = place / "stdout"
        self.err = place / "stderr"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gristmill.host", "run"],
                cwd=place,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        theirs.close()
        self.calls = 0
        self.hello = self.read("hello")
        self.send(
            "open",
            **{
                "protocol": 1,
                "entry": entry,
                "session": "test",
                "devices": [],
                "data": {},
                "folder": str(self.folder),
                "inline_bytes": 1024,
                "alive_every_ms": 1000,
                **opening,
            },
        )

    def send(self, kind: str, **said: Any) -> None:
        body = msgpack.packb({"type": kind, **said})
        self.socket.sendall(len(body).to_bytes(4, "little") + body)

    def next(self) -> Optional[dict[str, Any]]:
        """The next frame; None once the host has closed its end."""
        head = self._reader.read(4)
        if len(head) < 4:
            return None
        body = self._reader.read(int.from_bytes(head, "little"))
        frame: dict[str, Any] = msgpack.unpackb(body)
        return frame

    def read(self, kind: str) -> dict[str, Any]:
        """The next frame of this kind; only `alive` may come before it."""
        while True:
            frame = self.next()
            assert frame is not None, f"the host ended; it said: {self.err.read_text()}"
            if frame["type"] == kind:
                return frame
            assert frame["type"] == "alive", f"expected {kind}, got {frame}"

    def ready(self) -> HostProcess:
        self.read("ready")
        return self

    def begin(self, *inputs: Any) -> int:
        """Sends a call and does not wait for anything."""
        self.calls += 1
        items = [
            {"job": f"j{place}", "number": 1, "input": each} for place, each in enumerate(inputs)
        ]
        self.send("call", call=self.calls, items=items)
        return self.calls

    def finish(self, count: int) -> Outcome:
        """Reads to the end of the call."""
        outcome = Outcome()
        while True:
            frame = self.next()
            assert frame is not None, f"the host ended; it said: {self.err.read_text()}"
            if frame["type"] == "alive":
                continue
            assert frame["call"] == self.calls
            if frame["type"] == "done":
                outcome.done = frame
                break
            if frame["type"] == "ended":
                assert frame["item"] not in outcome.results, "an item ended twice"
                outcome.results[frame["item"]] = frame["result"]
            else:
                outcome.others.append(frame)
        assert sorted(outcome.results) == list(range(count)), "not every item ended"
        return outcome

    def call(self, *inputs: Any) -> Outcome:
        self.begin(*inputs)
        return self.finish(len(inputs))

    def value(self, given: Any) -> Any:
        """The result of a call with one item."""
        return self.call(given).ok(0)

    def error(self, given: Any) -> dict[str, Any]:
        """The error of a call with one item."""
        return self.call(given).error(0)

    def close(self) -> int:
        """Closes the session in good order; gives the exit status."""
        self.send("close")
        return self.process.wait(TIMEOUT)

    def kill(self) -> None:
        self.socket.close()
        self._reader.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)


class Outcome:
    """What came of a call."""

    def __init__(self) -> None:
        self.results: dict[int, dict[str, Any]] = {}
        self.others: list[dict[str, Any]] = []
        self.done: dict[str, Any] = {}

    def ok(self, item: int) -> Any:
        assert "ok" in self.results[item], self.results[item]
        return self.results[item]["ok"]

    def error(self, item: int) -> dict[str, Any]:
        assert "error" in self.results[item], self.results[item]
        error: dict[str, Any] = self.results[item]["error"]
        return error

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.others if frame["type"] == kind]
