"""What the client hands out: jobs, batches, files, and the results of a map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from gristmill.client.blocking.driver import iterate, run
from gristmill.client.core import batches, events, files, jobs, results
from gristmill.client.core.connection import Connection
from gristmill.client.core.files import PathLike, StoredFile
from gristmill.client.core.mapping import Map
from gristmill.client.core.models import BatchInfo, Event, JobInfo, LogLine
from gristmill.client.core.transport import Plain


class Job:
    """A job of which one has the id: `j17`, or `b3/17` by its place in its batch."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._connection = connection
        self.id = id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def info(self) -> JobInfo:
        """How it stands now."""
        return run(jobs.info(self._connection, self.id))

    def wait(self, timeout: Optional[float] = None) -> JobInfo:
        """Waits until it is final. Raises TimeoutError after so many seconds."""
        return run(jobs.wait(self._connection, self.id, timeout))

    def value(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result; files in it are fetched only when asked. Raises JobFailed."""
        return run(jobs.value(self._connection, self.id, timeout))

    def value_of(self, info: JobInfo) -> Any:
        """The result that a job's state tells of, for one who has asked already."""
        return run(results.value(self._connection, info))

    def result(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result, with files fetched and decoded: images as PIL images, `.npy` as
        NumPy arrays, others as bytes. Raises JobFailed."""
        return run(jobs.result(self._connection, self.id, timeout))

    def cancel(self) -> None:
        """Cancels it, waiting or running."""
        run(jobs.cancel(self._connection, self.id))

    def logs(self, *, follow: bool = False) -> Iterator[LogLine]:
        """What it printed; with `follow` also what it still prints, until it ends."""
        return iterate(jobs.logs(self._connection, self.id, follow=follow))


class Batch:
    """A batch of which one has the id."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._connection = connection
        self.id = id

    def __repr__(self) -> str:
        return f"Batch({self.id!r})"

    def info(self) -> BatchInfo:
        """How it stands now."""
        return run(batches.info(self._connection, self.id))

    def wait(self, timeout: Optional[float] = None) -> BatchInfo:
        """Waits until all its jobs are final. Raises TimeoutError after so many seconds."""
        return run(batches.wait(self._connection, self.id, timeout))

    def job(self, index: int) -> Job:
        """The job at a place, from 0."""
        return Job(self._connection, f"{self.id}.{index}")

    def jobs(self) -> Iterator[JobInfo]:
        """Its jobs as they stand, in the order of submission."""
        return iterate(jobs.listed(self._connection, f"batch={self.id}"))

    def results(self, *, errors: str = "raise") -> Iterator[Any]:
        """The results of the jobs that it has now, in the order of submission, as they come.

        Arguments:
            errors: `"raise"` raises the first JobFailed; `"return"` gives it in its place.
        """
        return iterate(batches.results_of(self._connection, self.id, errors=errors))

    def numpy(self) -> Any:
        """All results as one NumPy array of shape (jobs, ...), once they are there. Raises the
        first JobFailed. Needs NumPy."""
        return run(results.numpy_array(batches.results_of(self._connection, self.id)))

    def arrow(self) -> Any:
        """All results as an Arrow table, once they are there: a column for each key, or one called
        `result`. Raises the first JobFailed. Needs pyarrow."""
        return run(results.arrow_table(batches.results_of(self._connection, self.id)))

    def cancel(self) -> int:
        """Cancels all its jobs that are not done; gives how many."""
        return run(jobs.cancel(self._connection, self.id))

    def events(self) -> Iterator[Event]:
        """What happens to it and its jobs, as it happens; it never ends by itself."""
        return iterate(events.follow(self._connection, self.id))


class File(StoredFile):
    """A file that a job made. Nothing is fetched before somebody asks.

    It may be the input of another job as it is; its bytes then need not come here.
    """

    def bytes(self) -> bytes:
        """All that is in it."""
        return run(files.read(self))

    def save(self, path: PathLike) -> Path:
        """Writes it to a path, or under its own name into a folder; gives where it is."""
        return run(files.save(self, path))

    def image(self) -> Any:
        """A PIL image of it, decoded. Needs Pillow."""
        return run(files.image(self))

    def array(self) -> Any:
        """A NumPy array: of a `.npy` file, or of an image with shape (height, width, channels)."""
        return run(files.array(self))

    def result(self) -> Any:
        """The type that is natural for it: an image, an array, else bytes."""
        return run(files.content(self))


class Results(Iterator[Any]):
    """Results as they come. Whoever stops early cancels what is left, with `close` or by leaving a
    `for` loop's iterator behind."""

    def __init__(self, map: Map) -> None:
        self._map = map
        self._results = iterate(map.results())

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> Any:
        return next(self._results)

    @property
    def batch(self) -> Optional[str]:
        """The id of the batch, once the first inputs were submitted."""
        return self._map.batch

    def close(self) -> None:
        """Wants no more of it: jobs that are not done are cancelled."""
        self._results.close()

    def numpy(self) -> Any:
        """All results as one NumPy array of shape (results, ...). Needs NumPy."""
        return run(results.numpy_array(Plain(self)))

    def arrow(self) -> Any:
        """All results as an Arrow table: a column for each key, or one called `result`. Needs
        pyarrow."""
        return run(results.arrow_table(Plain(self)))
