"""What a handler may say and ask while it works: progress, words for the log, whether it is still
wanted, shared data.

The host puts the running call in place; without a host (`python app.py`) everything here does the
harmless thing. One call runs at a time, so the running call belongs to the process and not to a
thread: a handler's own threads may call these too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Protocol


class RunningCall(Protocol):
    """The call that a host works on."""

    def progress(self, done: int, total: int, message: str, item: Optional[int]) -> None:
        """Tells how far it is."""

    def log(self, text: str, item: Optional[int]) -> None:
        """Says something in its log."""

    def is_cancelled(self, item: Optional[int]) -> bool:
        """Whether nobody wants it any more."""


_running: Optional[RunningCall] = None
_data: dict[str, Path] = {}


def progress(done: int, total: int = 0, message: str = "", *, item: Optional[int] = None) -> None:
    """Tells people how far the work is.

    Arguments:
        done: units done, such as steps.
        total: units in all; 0 where that is not known.
        message: a few words.
        item: the place of the job in the batch that is meant; all of them where it is not said.
    """
    call = _running
    if call is not None:
        call.progress(int(done), int(total), str(message), item)


def log(*words: object, item: Optional[int] = None) -> None:
    """Writes a line into the job's log, as `print` would; outside a session to standard error."""
    text = " ".join(map(str, words)) + "\n"
    call = _running
    if call is not None:
        call.log(text, item)
    else:
        sys.stderr.write(text)


def cancelled(*, item: Optional[int] = None) -> bool:
    """True once nobody wants the work any more: a handler should then return soon, with anything.

    Of a batch it is true once all its jobs are cancelled, or with `item` that one.
    """
    call = _running
    return call is not None and call.is_cancelled(item)


def data(name: str) -> Optional[Path]:
    """The file of shared data of that name; None where nobody gave any."""
    return _data.get(name)


def begin(call: Optional[RunningCall]) -> None:
    """For hosts: from now on this call runs, or none."""
    global _running
    _running = call


def share(files: Mapping[str, str]) -> dict[str, Path]:
    """For hosts: makes these the shared data, and gives them as `setup` gets them."""
    _data.clear()
    _data.update((name, Path(path)) for name, path in files.items())
    return dict(_data)
