"""The asynchronous client against a real server and worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Callable

import numpy
import pytest
from mill import Mill, command

import gristmill as gm

ECHO = command("printf", "%s", "{input}")
COPY = command("cp", "{input}", "{output}")

Asks = Callable[[gm.AsyncClient], Awaitable[Any]]


def _run(mill: Mill, asks: Asks) -> Any:
    async def inside() -> Any:
        async with gm.AsyncClient(mill.url) as client:
            return await asks(client)

    return asyncio.run(inside())


def test_calls_at_once(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> list[Any]:
        return await asyncio.gather(*(client.call(ECHO, f"{place}") for place in range(10)))

    assert _run(mill, asks) == [str(place) for place in range(10)]


def test_map_of_an_iterable_and_of_an_asynchronous_one(mill: Mill) -> None:
    async def words() -> AsyncIterator[str]:
        for place in range(30):
            await asyncio.sleep(0)
            yield str(place)

    async def asks(client: gm.AsyncClient) -> tuple[list[Any], list[Any]]:
        plain = [each async for each in client.map(ECHO, map(str, range(30)))]
        return plain, [each async for each in client.map(ECHO, words(), ordered=False)]

    plain, unordered = _run(mill, asks)
    wanted = [str(place) for place in range(30)]
    assert plain == wanted
    assert sorted(unordered, key=int) == wanted


def test_map_that_is_left_cancels_the_rest(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> Any:
        results = client.map(command("sleep", "{input}"), ["0", "30", "30"])
        assert await results.__anext__() == ""
        await results.close()
        assert results.batch is not None
        return (await client.batch(results.batch).wait(20)).counts

    assert _run(mill, asks) == {"succeeded": 1, "cancelled": 2}


def test_submit_results_jobs_cancel(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> None:
        batch = await client.submit(ECHO, ["a", "b"], name="async")
        assert [each async for each in batch.results()] == ["a", "b"]
        assert (await batch.info()).name == "async"
        assert await batch.job(1).value() == "b"
        assert [job.index async for job in client.jobs(batch=batch.id)] == [0, 1]
        sleeping = await client.submit(command("sleep", "30"), [None])
        with pytest.raises(TimeoutError):
            await sleeping.wait(0.1)
        assert await client.cancel(sleeping.id) == 1
        with pytest.raises(gm.errors.JobCancelled):
            await sleeping.job(0).value(20)

    _run(mill, asks)


def test_files(mill: Mill, tmp_path: Path) -> None:
    async def asks(client: gm.AsyncClient) -> None:
        path = tmp_path / "in.bin"
        path.write_bytes(b"grain" * 1000)
        file = await client.upload(path)
        assert await file.bytes() == b"grain" * 1000
        saved = await file.save(tmp_path / "out.bin")
        assert saved.read_bytes() == path.read_bytes()
        copied = await client.call(COPY, numpy.arange(3))
        assert isinstance(copied, gm.AsyncFile)
        assert copied.blob is not None
        assert (await copied.array()).tolist() == [0, 1, 2]
        assert await client.download(copied.blob.digest).bytes() == await copied.bytes()

    _run(mill, asks)


def test_logs_and_events(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> None:
        batch = await client.submit(command("sleep 0.3; echo done", shell=True), [None])
        async for event in batch.events():
            if event.state == "succeeded":
                break
        assert [line.text async for line in batch.job(0).logs()] == ["done"]

    _run(mill, asks)


def test_map_as_array(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> Any:
        return await client.map(ECHO, ["1", "2"]).numpy()

    assert _run(mill, asks).tolist() == ["1", "2"]


def test_batch_as_array_and_as_table(mill: Mill) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; tables are then not tested")

    async def asks(client: gm.AsyncClient) -> tuple[Any, Any]:
        batch = await client.submit(COPY, [numpy.array([place]) for place in range(3)])
        return await batch.numpy(), await batch.arrow()

    array, table = _run(mill, asks)
    assert array.tolist() == [[0], [1], [2]]
    assert len(table) == 3


def test_errors(mill: Mill) -> None:
    async def asks(client: gm.AsyncClient) -> None:
        with pytest.raises(gm.errors.NoSuchBatch):
            await client.batch("b999999").info()
        with pytest.raises(gm.JobFailed):
            await client.call(command("false"))
        assert (await client.health())["status"] == "ok"

    _run(mill, asks)
