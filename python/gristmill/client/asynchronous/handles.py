"""What the client hands out: jobs, batches, files, and the results of a map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Optional

from gristmill.client.core import batches, events, files, jobs, results
from gristmill.client.core.connection import Connection
from gristmill.client.core.files import PathLike, StoredFile
from gristmill.client.core.mapping import Map
from gristmill.client.core.models import BatchInfo, Event, JobInfo, LogLine


class AsyncJob:
    """A job of which one has the id: `j17`, or `b3/17` by its place in its batch."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._connection = connection
        self.id = id

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r})"

    async def info(self) -> JobInfo:
        """How it stands now."""
        return await jobs.info(self._connection, self.id)

    async def wait(self, timeout: Optional[float] = None) -> JobInfo:
        """Waits until it is final. Raises TimeoutError after so many seconds."""
        return await jobs.wait(self._connection, self.id, timeout)

    async def value(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result; files in it are fetched only when asked. Raises JobFailed."""
        return await jobs.value(self._connection, self.id, timeout)

    async def value_of(self, info: JobInfo) -> Any:
        """The result that a job's state tells of, for one who has asked already."""
        return await results.value(self._connection, info)

    async def result(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result, with files fetched and decoded: images as PIL images, `.npy` as
        NumPy arrays, others as bytes. Raises JobFailed."""
        return await jobs.result(self._connection, self.id, timeout)

    async def cancel(self) -> None:
        """Cancels it, waiting or running."""
        await jobs.cancel(self._connection, self.id)

    def logs(self, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """What it printed; with `follow` also what it still prints, until it ends."""
        return jobs.logs(self._connection, self.id, follow=follow)


class AsyncBatch:
    """A batch of which one has the id."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._connection = connection
        self.id = id

    def __repr__(self) -> str:
        return f"AsyncBatch({self.id!r})"

    async def info(self) -> BatchInfo:
        """How it stands now."""
        return await batches.info(self._connection, self.id)

    async def wait(self, timeout: Optional[float] = None) -> BatchInfo:
        """Waits until all its jobs are final. Raises TimeoutError after so many seconds."""
        return await batches.wait(self._connection, self.id, timeout)

    def job(self, index: int) -> AsyncJob:
        """The job at a place, from 0."""
        return AsyncJob(self._connection, f"{self.id}.{index}")

    def jobs(self) -> AsyncIterator[JobInfo]:
        """Its jobs as they stand, in the order of submission."""
        return jobs.listed(self._connection, f"batch={self.id}")

    def results(self, *, errors: str = "raise") -> AsyncIterator[Any]:
        """The results of the jobs that it has now, in the order of submission, as they come.

        Arguments:
            errors: `"raise"` raises the first JobFailed; `"return"` gives it in its place.
        """
        return batches.results_of(self._connection, self.id, errors=errors)

    async def numpy(self) -> Any:
        """All results as one NumPy array of shape (jobs, ...), once they are there. Raises the
        first JobFailed. Needs NumPy."""
        return await results.numpy_array(batches.results_of(self._connection, self.id))

    async def arrow(self) -> Any:
        """All results as an Arrow table, once they are there: a column for each key, or one called
        `result`. Raises the first JobFailed. Needs pyarrow."""
        return await results.arrow_table(batches.results_of(self._connection, self.id))

    async def cancel(self) -> int:
        """Cancels all its jobs that are not done; gives how many."""
        return await jobs.cancel(self._connection, self.id)

    def events(self) -> AsyncIterator[Event]:
        """What happens to it and its jobs, as it happens; it never ends by itself."""
        return events.follow(self._connection, self.id)


class AsyncFile(StoredFile):
    """`File` for asyncio: what fetches is awaited."""

    async def bytes(self) -> bytes:
        """All that is in it."""
        return await files.read(self)

    async def save(self, path: PathLike) -> Path:
        """Writes it to a path, or under its own name into a folder; gives where it is."""
        return await files.save(self, path)

    async def image(self) -> Any:
        """A PIL image of it, decoded. Needs Pillow."""
        return await files.image(self)

    async def array(self) -> Any:
        """A NumPy array: of a `.npy` file, or of an image with shape (height, width, channels)."""
        return await files.array(self)

    async def result(self) -> Any:
        """The type that is natural for it: an image, an array, else bytes."""
        return await files.content(self)


class AsyncResults(AsyncIterator[Any]):
    """`Results` for asyncio."""

    def __init__(self, map: Map) -> None:
        self._map = map
        self._results = map.results()

    def __aiter__(self) -> AsyncResults:
        return self

    async def __anext__(self) -> Any:
        return await self._results.__anext__()

    @property
    def batch(self) -> Optional[str]:
        """The id of the batch, once the first inputs were submitted."""
        return self._map.batch

    async def close(self) -> None:
        """Wants no more of it: jobs that are not done are cancelled."""
        await self._results.aclose()

    async def numpy(self) -> Any:
        """All results as one NumPy array of shape (results, ...). Needs NumPy."""
        return await results.numpy_array(self)

    async def arrow(self) -> Any:
        """All results as an Arrow table: a column for each key, or one called `result`. Needs
        pyarrow."""
        return await results.arrow_table(self)
