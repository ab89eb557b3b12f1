"""Takes inputs out of an iterable in pieces, without waiting long for a full one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Optional, Union

PATIENCE = 0.05
"""Where somebody waits for results a piece is sent on after so many seconds, however small."""


def gather(
    source: Iterator[Any], most: int, patience: Optional[float] = PATIENCE
) -> tuple[list[Any], bool]:
    """Up to `most` inputs, and whether these were the last."""
    piece: list[Any] = []
    until = None if patience is None else time.monotonic() + patience
    for value in source:
        piece.append(value)
        if len(piece) >= most or (until is not None and time.monotonic() >= until):
            return piece, False
    return piece, True


async def gather_async(
    source: AsyncIterator[Any], most: int, patience: Optional[float] = PATIENCE
) -> tuple[list[Any], bool]:
    """The same of an asynchronous iterator."""
    piece: list[Any] = []
    until = None if patience is None else time.monotonic() + patience
    async for value in source:
        piece.append(value)
        if len(piece) >= most or (until is not None and time.monotonic() >= until):
            return piece, False
    return piece, True


async def aiter_of(source: Union[Iterable[Any], AsyncIterable[Any]]) -> AsyncIterator[Any]:
    """An asynchronous iterator of either kind of iterable."""
    if isinstance(source, AsyncIterable):
        async for value in source:
            yield value
    else:
        for value in source:
            yield value
