"""Where an exception happened, for the author of the application: the frames of this host and of
Python's import machinery are left out."""

from __future__ import annotations

import os
import traceback

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LARGEST = 16 * 1024
_DEEPEST = 50


def users_frames(error: BaseException) -> str:
    """The traceback without frames that are not the user's; its end where it is very long."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told, 0)
    text = "".join(told.format())
    return text if len(text) <= _LARGEST else "...\n" + text[-_LARGEST:]


def _trim(told: traceback.TracebackException, depth: int) -> None:
    kept = [frame for frame in told.stack if not _is_ours(frame.filename)]
    told.stack = traceback.StackSummary.from_list(kept[-_DEEPEST:])
    for further in (told.__cause__, told.__context__):
        if further is not None and depth < _DEEPEST:
            _trim(further, depth + 1)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OWN, "<frozen "))
