"""Tells what an entry is, what it takes and gives, and what its author said of it, without starting
it. Judging entries is for `load`."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import sys
from typing import Any

from gristmill.errors import BadHandler
from gristmill.host.load import Handler, find


def describe(entry: str) -> dict[str, Any]:
    """What the contract with workers calls `Described`. Raises BadHandler."""
    handler = find(entry)
    said = dataclasses.asdict(handler.options)
    said.update(
        name=handler.name,
        doc=inspect.getdoc(handler.target) if _has_own_doc(handler) else "",
        signature=handler.signature.described(),
        data=list(handler.options.data),
    )
    return said


def main(entry: str) -> int:
    """`python -m gristmill.host describe ENTRY`: one JSON object, or one line and the status 2."""
    try:
        # What the application prints at its import must not get into the answer.
        with contextlib.redirect_stdout(sys.stderr):
            told = describe(entry)
    except BadHandler as error:
        if error.traceback:
            sys.stderr.write(error.traceback)
        sys.stderr.write(f"gristmill: {error}\n".replace("\n", " ").rstrip() + "\n")
        return 2
    json.dump(told, sys.stdout)
    sys.stdout.write("\n")
    return 0


def _has_own_doc(handler: Handler) -> bool:
    return bool(getattr(handler.target, "__doc__", None))
