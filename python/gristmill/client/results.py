"""The results of a map: an iterator that submits as it goes."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Optional, TypeVar, Union

from gristmill.client.async_transport import AsyncTransport
from gristmill.client.files import contents, contents_async, value_of, value_of_async
from gristmill.client.gather import aiter_of, gather, gather_async
from gristmill.client.models import JobInfo
from gristmill.client.progress import Progress
from gristmill.client.submission import Submission
from gristmill.client.tables import arrow_table, numpy_array
from gristmill.client.transport import Transport
from gristmill.client.window import Window
from gristmill.errors import GristmillError, JobFailed

Source = TypeVar("Source")


@dataclass
class Map(Generic[Source]):
    """What a map was asked for."""

    name: str
    source: Source
    total: Optional[int]
    submission: Submission
    window: Window
    raises: bool
    progress: Optional[bool]

    def error_of(self, job: JobInfo) -> Optional[JobFailed]:
        """Why a job has no result, where that is to be given in its place. Raises it where it is
        not."""
        error = job.error()
        if error is not None and self.raises:
            raise error
        return error


class Results(Iterator[Any]):
    """Results as they come. Whoever stops early cancels what is left, with `close` or by leaving a
    `for` loop's iterator behind."""

    def __init__(self, transport: Transport, asked: Map[Iterable[Any]]) -> None:
        self._transport = transport
        self._asked = asked
        self._stream = self._run()

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> Any:
        return next(self._stream)

    @property
    def batch(self) -> Optional[str]:
        """The id of the batch, once the first inputs were submitted."""
        return self._asked.submission.batch

    def close(self) -> None:
        """Wants no more of it: jobs that are not done are cancelled."""
        self._stream.close()

    def numpy(self) -> Any:
        """All results as one NumPy array of shape (results, ...). Needs NumPy."""
        return numpy_array([contents(each) for each in self])

    def arrow(self) -> Any:
        """All results as an Arrow table: a column for each key, or one called `result`. Needs
        pyarrow."""
        return arrow_table([contents(each) for each in self])

    def _run(self) -> Generator[Any, None, None]:
        asked, run = self._asked, self._transport.run
        progress = Progress(asked.name, asked.total, asked.progress)
        source, window, last = iter(asked.source), asked.window, False
        try:
            while True:
                if not last and window.room:
                    piece, last = gather(source, window.room)
                    run(asked.submission.send(piece, last=last))
                if window.outstanding:
                    for job in run(window.advance(wait=last or not window.room)):
                        progress.step()
                        yield asked.error_of(job) or value_of(self._transport, job)
                elif last:
                    return
        except BaseException:
            # Whatever ended it is what is to be told, not that cancelling failed as well.
            with suppress(GristmillError):
                run(asked.submission.abandon())
            raise
        finally:
            progress.close()


class AsyncResults(AsyncIterator[Any]):
    """`Results` for asyncio."""

    def __init__(
        self, transport: AsyncTransport, asked: Map[Union[Iterable[Any], AsyncIterable[Any]]]
    ) -> None:
        self._transport = transport
        self._asked = asked
        self._stream = self._run()

    def __aiter__(self) -> AsyncResults:
        return self

    async def __anext__(self) -> Any:
        return await self._stream.__anext__()

    @property
    def batch(self) -> Optional[str]:
        """The id of the batch, once the first inputs were submitted."""
        return self._asked.submission.batch

    async def close(self) -> None:
        """Wants no more of it: jobs that are not done are cancelled."""
        await self._stream.aclose()

    async def numpy(self) -> Any:
        """All results as one NumPy array of shape (results, ...). Needs NumPy."""
        return numpy_array([await contents_async(each) async for each in self])

    async def arrow(self) -> Any:
        """All results as an Arrow table: a column for each key, or one called `result`. Needs
        pyarrow."""
        return arrow_table([await contents_async(each) async for each in self])

    async def _run(self) -> AsyncGenerator[Any, None]:
        asked, run = self._asked, self._transport.run
        progress = Progress(asked.name, asked.total, asked.progress)
        source, window, last = aiter_of(asked.source), asked.window, False
        try:
            while True:
                if not last and window.room:
                    piece, last = await gather_async(source, window.room)
                    await run(asked.submission.send(piece, last=last))
                if window.outstanding:
                    for job in await run(window.advance(wait=last or not window.room)):
                        progress.step()
                        error = asked.error_of(job)
                        yield error or await value_of_async(self._transport, job)
                elif last:
                    return
        except BaseException:
            # Whatever ended it is what is to be told, not that cancelling failed as well.
            with suppress(GristmillError):
                await run(asked.submission.abandon())
            raise
        finally:
            progress.close()
