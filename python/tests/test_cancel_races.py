"""Cancels that race with the ends of calls: every item must still end exactly once."""

from __future__ import annotations

import random
import time

import pytest
from conftest import Start
from host_process import HostProcess

PLAIN = """
import time
@gm.handler(batch=8)
def work(seconds: list[float]) -> list[float]:
    for place, each in enumerate(seconds):
        if not gm.cancelled(item=place): time.sleep(each)
    return seconds
"""

COROUTINE = """
import asyncio
@gm.handler(batch=8)
async def work(seconds: list[float]) -> list[float]:
    await asyncio.gather(*map(asyncio.sleep, seconds))
    return seconds
"""

GENERATOR = """
import time
@gm.handler(batch=8)
def work(seconds: list[float]):
    for each in seconds:
        time.sleep(each)
        yield seconds
"""

CALLS = 150


@pytest.mark.parametrize("source", [PLAIN, COROUTINE, GENERATOR])
@pytest.mark.parametrize("seed", range(2))
def test_every_item_ends_once(host: Start, source: str, seed: int) -> None:
    process = host(source).ready()
    dice = random.Random(seed)
    cancelled = sum(_call_and_cancel(process, dice) for _ in range(CALLS))
    assert 0 < cancelled < CALLS * 8, "both ends were seen"
    assert process.call(0).results[0].get("error") is None, "the session goes on"
    assert process.err.read_text() == ""


def _call_and_cancel(process: HostProcess, dice: random.Random) -> int:
    """One call, cancelled in part or whole at some moment; gives how many items were."""
    count = dice.randint(1, 8)
    number = process.begin(*(dice.choice([0, 0, 0.001]) for _ in range(count)))
    for _ in range(dice.randint(0, 2)):
        time.sleep(dice.choice([0, 0, 0.0005, 0.002]))
        items = dice.sample(range(count), dice.randint(1, count))
        process.send("cancel", call=number, items=items)
    outcome = process.finish(count)
    kinds = [result["error"]["kind"] for result in outcome.results.values() if "error" in result]
    assert set(kinds) <= {"cancelled"}
    return len(kinds)
