"""How the blocking client runs the coroutines of the core."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator

import pytest

from gristmill.client.blocking.driver import iterate, run


async def _numbers(closed: list[str]) -> AsyncGenerator[int, None]:
    try:
        for number in range(3):
            yield number
    finally:
        closed.append("closed")


def test_a_coroutine_gives_its_value_or_its_error() -> None:
    async def value() -> int:
        return 7

    async def error() -> None:
        raise KeyError("seven")

    assert run(value()) == 7
    with pytest.raises(KeyError):
        run(error())


def test_what_suspends_is_refused() -> None:
    with pytest.raises(RuntimeError, match="something else than its transport"):
        run(asyncio.sleep(0))


def test_a_generator_that_is_left_is_closed() -> None:
    closed: list[str] = []
    assert list(iterate(_numbers(closed))) == [0, 1, 2]
    left = iterate(_numbers(closed))
    assert (next(left), closed) == (0, ["closed"])
    del left
    gc.collect()
    assert closed == ["closed", "closed"]
