"""Takes inputs out of an iterable in pieces, without waiting long for a full one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from pathlib import PurePath
from typing import Any, Optional, TypeVar

from gristmill.client.core.files import StoredFile
from gristmill.errors import GristmillError

PATIENCE = 0.05
"""Where somebody waits for results a piece is sent on after so many seconds, however small."""


Inputs = TypeVar("Inputs")

_SINGLE = (str, bytes, bytearray, Mapping, PurePath, StoredFile)


def several(inputs: Inputs) -> Inputs:
    """Inputs that may be iterated. Raises GristmillError for what is one input, such as a text."""
    if isinstance(inputs, _SINGLE) or not isinstance(inputs, (Iterable, AsyncIterable)):
        raise GristmillError(
            f"map takes an iterable of inputs, and a {type(inputs).__name__} is one input; put it "
            "into a list"
        )
    return inputs


def one_or_several(inputs: Any) -> Any:
    """An iterable of inputs: what is one input becomes a list of it."""
    if isinstance(inputs, _SINGLE) or not isinstance(inputs, (Iterable, AsyncIterable)):
        return [inputs]
    return inputs


async def gather(
    source: AsyncIterator[Any], most: int, patience: Optional[float] = PATIENCE
) -> tuple[list[Any], bool]:
    """Up to `most` inputs, and whether these were the last."""
    piece: list[Any] = []
    until = None if patience is None else time.monotonic() + patience
    async for value in source:
        piece.append(value)
        if len(piece) >= most or (until is not None and time.monotonic() >= until):
            return piece, False
    return piece, True
