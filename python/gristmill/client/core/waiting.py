"""Waits until a job or a batch has ended: the server answers late, and is asked again."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional, TypeVar

from gristmill.client.core.connection import Connection
from gristmill.client.core.request import get

WAIT_SECONDS = 30.0
"""How long the server may wait with one answer."""

T = TypeVar("T")


async def wait_until(
    connection: Connection,
    path: str,
    read: Callable[[Any], T],
    done: Callable[[T], bool],
    *,
    name: str,
    timeout: Optional[float] = None,
) -> T:
    """Asks for what is at a path until it is done.

    Arguments:
        read: makes a value of an answer, on which `done` decides.
        name: what a TimeoutError calls it.
        timeout: after how many seconds a TimeoutError is raised; None for never.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        value = read(await connection.ask(get(path, wait=_next_wait(until, name))))
        if done(value):
            return value


def _next_wait(until: Optional[float], name: str) -> float:
    if until is None:
        return WAIT_SECONDS
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"{name} is not done yet; it goes on, and can be waited for again")
    return min(left, WAIT_SECONDS)
