"""One call: its items, what is said of them while it runs, and that each of them ends exactly once.

It turns words into frames. What an item's result is, and calling the function, is for `work`.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Optional

from gristmill.host.failures import Failure, plain
from gristmill.host.frames import Frame, packed

Send = Callable[[bytes], None]

_PROGRESS_SECONDS = 0.05
_LOG_CHARACTERS = 256 * 1024


class Call:
    """A call that came from the worker.

    The thread that runs the handler ends items; the handler's own threads may report progress; the
    thread that reads frames cancels.
    """

    def __init__(self, frame: Frame, send: Send) -> None:
        self.number: int = frame["call"]
        self.inputs: list[Any] = [item["input"] for item in frame["items"]]
        self.fatal = False
        self.is_done = False
        self._send = send
        self._open = dict.fromkeys(range(len(self.inputs)))
        self._held: list[bytes] = []
        self._parts = [0] * len(self.inputs)
        self._told = [0.0] * len(self.inputs)
        self._cancelled: set[int] = set()
        self._stop: Optional[Callable[[], None]] = None
        self._lock = threading.Lock()

    @property
    def open(self) -> list[int]:
        """Items that have not ended."""
        return list(self._open)

    def cancel(self, items: Optional[list[int]] = None) -> None:
        """From the thread that reads: nobody wants these items any more, or any of them."""
        with self._lock:
            self._cancelled.update(range(len(self.inputs)) if items is None else items)
            stop = self._stop if self.is_cancelled(None) else None
        if stop is not None:
            stop()

    def stop_with(self, stop: Optional[Callable[[], None]]) -> None:
        """What stops the handler once all its items are cancelled; at once if they are already."""
        with self._lock:
            self._stop = stop
            late = stop is not None and self.is_cancelled(None)
        if late and stop is not None:
            stop()

    def is_cancelled(self, item: Optional[int]) -> bool:
        """Whether an item is cancelled; without one, whether all are that have not ended."""
        self._check(item)
        if item is not None:
            return item in self._cancelled
        return bool(self._cancelled) and self._cancelled.issuperset(self._open)

    def progress(self, done: int, total: int, message: str, item: Optional[int]) -> None:
        """Tells how far items are; what comes in too quick succession is left out."""
        self._check(item)
        now = time.monotonic()
        for place in self.open if item is None else [item]:
            if done != total and now - self._told[place] < _PROGRESS_SECONDS:
                continue
            self._told[place] = now
            frame = {
                "done": max(done, 0),
                "total": max(total, 0),
                "message": plain(message[:1_000]),
            }
            self._send(self._frame("progress", item=place, **frame))

    def log(self, text: str, item: Optional[int]) -> None:
        """Words for the log of an item, or of all."""
        self._check(item)
        for start in range(0, len(text), _LOG_CHARACTERS):
            piece = plain(text[start : start + _LOG_CHARACTERS])
            self._send(self._frame("log", item=item, text=piece))

    def part(self, item: int, value: Any) -> None:
        """Sends a part of an item's result ahead. Raises FrameTooLarge."""
        self._send(self._frame("partial", item=item, index=self._parts[item], value=value))
        self._parts[item] += 1

    def succeed(self, item: int, value: Any) -> None:
        """An item has this result. Raises FrameTooLarge; the item is then still open."""
        self._end(item, {"ok": value})

    def fail(self, item: int, error: Failure) -> None:
        """An item has no result."""
        self.fatal = self.fatal or error["fatal"]
        self._end(item, {"error": error})

    def _check(self, item: Optional[int]) -> None:
        if item is not None and not 0 <= item < len(self.inputs):
            raise ValueError(f"item={item}: this call has {len(self.inputs)} items, from 0 on")

    def _end(self, item: int, result: dict[str, Any]) -> None:
        frame = self._frame("ended", item=item, result=result)
        del self._open[item]
        self._held.append(frame)

    def flush(self) -> None:
        """Sends what has gathered."""
        if self._held:
            self._send(b"".join(self._held))
            self._held.clear()

    def finish(self, memory: Optional[dict[str, int]]) -> None:
        """The call is over. Sends it together with the ends of its items, in one write."""
        assert not self._open, "each item of a call ends before the call does"
        # Before it is sent, for the next call may come as soon as the worker has heard.
        self.is_done = True
        said = {} if memory is None else {"memory": memory}
        self._held.append(self._frame("done", **said))
        self.flush()

    def _frame(self, kind: str, **said: Any) -> bytes:
        return packed({"type": kind, "call": self.number, **said})
