"""The life of a session, from `hello` to the end of the process.

Three threads: the main one runs the application, for frameworks and signals expect that; one reads
frames, so that a cancel is heard while the application works; one says `alive`.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Callable, Optional

from gristmill import context
from gristmill.errors import BadHandler
from gristmill.host import devices
from gristmill.host.calls import Call
from gristmill.host.failures import failure
from gristmill.host.frames import PROTOCOL, BrokenLink, Frame, Link, packed
from gristmill.host.load import find
from gristmill.host.work import Workplace
from gristmill.scratch import Scratch
from gristmill.values import Writer

_CLOSE_SECONDS = 5.0
"""How long the application may still run once the worker wants no more of it."""

_LEAST_ALIVE_SECONDS = 0.02


class Session:
    """A worker's session in this process."""

    def __init__(self, link: Link, grace: float = _CLOSE_SECONDS) -> None:
        self._link = link
        self._grace = grace
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._call: Optional[Call] = None
        self._busy = True
        self._status = 0

    def run(self) -> int:
        """Lives until the worker closes it. Gives the exit status of the process."""
        self._say("hello", protocol=PROTOCOL, versions=devices.versions())
        _start("gristmill-reader", self._read)
        opening = self._inbox.get()
        if opening is None:
            return self._status
        place = self._load(opening)
        if place is None:
            return 1
        while True:
            self._busy = False
            call = self._inbox.get()
            self._busy = True
            if call is None:
                return self._status
            _work(place, call)
            if call.fatal:
                _leave(1)

    def _load(self, opening: Frame) -> Optional[Workplace]:
        """Loads what the worker named, and says how that went."""
        every = max(opening["alive_every_ms"] / 2_000, _LEAST_ALIVE_SECONDS)
        _start("gristmill-alive", lambda: self._live(every))
        try:
            if opening["protocol"] != PROTOCOL:
                raise BadHandler(
                    "wrong_protocol",
                    f"the worker speaks version {opening['protocol']} of the contract, this host "
                    f"{PROTOCOL}; install the same version of gristmill on both sides",
                )
            place = _workplace(opening)
        except BaseException as error:
            self._say("failed", error=failure(error))
            return None
        # Only a session that was given devices looks for them: looking takes memory of theirs.
        given = bool(opening["devices"])
        self._say(
            "ready",
            devices=devices.seen() if given else [],
            on_device=devices.is_on_device() if given else None,
        )
        return place

    def _read(self) -> None:
        try:
            while True:
                frame = self._link.read()
                if frame is None or frame["type"] == "close":
                    break
                self._hear(frame)
        except BrokenLink as error:
            sys.stderr.write(f"gristmill: {error}\n")
            self._status = 1
        except (LookupError, TypeError, ValueError) as error:
            sys.stderr.write(f"gristmill: a frame lacks something or has it wrong: {error!r}\n")
            self._status = 1
        self._end()

    def _hear(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "open":
            self._inbox.put(frame)
        elif kind == "call":
            if self._call is not None and not self._call.is_done:
                raise BrokenLink("a call came before the one before it was done")
            # Made here, so that a cancel finds the call even before the main thread has taken it.
            self._call = Call(frame, self._link.send)
            self._inbox.put(self._call)
        elif kind == "cancel":
            call = self._call
            if call is not None and call.number == frame["call"]:
                call.cancel(frame["items"])

    def _end(self) -> None:
        """Lets the main thread end; ends the process if the application does not let it."""
        call = self._call
        if call is not None:
            call.cancel()
        self._inbox.put(None)
        time.sleep(self._grace)
        _leave(1)

    def _live(self, every: float) -> None:
        alive = packed({"type": "alive"})
        while True:
            time.sleep(every)
            if self._busy:
                self._link.send(alive)

    def _say(self, kind: str, **said: Any) -> None:
        self._link.send(packed({"type": kind, **said}))


def main() -> int:
    """`python -m gristmill.host run`"""
    faulthandler.enable()
    # Who presses Ctrl-C means the worker, which closes its sessions in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What an application prints belongs to the call that runs, not to a later one.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    try:
        return Session(Link.inherited()).run()
    except BrokenLink as error:
        sys.stderr.write(f"gristmill: {error}\n")
        return 2


def _workplace(opening: Frame) -> Workplace:
    handler = find(opening["entry"])
    return Workplace(
        handler.started(opening.get("data", {})),
        handler.signature,
        batched=handler.options.batch > 1,
        scratch=Scratch(opening["folder"]),
        writer=Writer(opening["folder"], opening["inline_bytes"]),
    )


def _work(place: Workplace, call: Call) -> None:
    devices.begin_peak()
    context.begin(call)
    try:
        place.work(call)
    finally:
        context.begin(None)
    _flush()
    call.finish(devices.memory())


def _leave(status: int) -> None:
    """Ends the process at once: after a device's failure, or beside an application that hangs, an
    orderly end may never come."""
    _flush()
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # An application may have closed or replaced them; that is its affair.
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def _start(name: str, run: Callable[[], None]) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()
