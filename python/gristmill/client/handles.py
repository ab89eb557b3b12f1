"""A job and a batch of which one has the id: what one can do with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from gristmill.client import operations
from gristmill.client.events import EventLines
from gristmill.client.files import contents, value_of
from gristmill.client.models import BatchInfo, Event, JobInfo, LogLine, log_line
from gristmill.client.operations import checked_errors
from gristmill.client.retry import TRIES
from gristmill.client.tables import arrow_table, numpy_array
from gristmill.client.transport import Transport
from gristmill.client.window import LARGEST, WholeBatch, Window
from gristmill.errors import Unreachable


class Job:
    """A job of which one has the id: `j17`, or `b3/17` by its place in its batch."""

    def __init__(self, transport: Transport, id: str) -> None:
        self._transport = transport
        self.id = id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def info(self) -> JobInfo:
        """How it stands now."""
        return self._transport.run(operations.job(self.id))

    def wait(self, timeout: Optional[float] = None) -> JobInfo:
        """Waits until it is final. Raises TimeoutError after so many seconds."""
        return self._transport.run(operations.wait_for_job(self.id, timeout))

    def value(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result; files in it are fetched only when asked. Raises JobFailed."""
        return self.value_of(self.wait(timeout))

    def value_of(self, info: JobInfo) -> Any:
        """The result that a job's state tells of, for one who has asked already."""
        error = info.error()
        if error is not None:
            raise error
        return value_of(self._transport, info)

    def result(self, timeout: Optional[float] = None) -> Any:
        """Waits for its result, with files fetched and decoded: images as PIL images, `.npy` as
        NumPy arrays, others as bytes. Raises JobFailed."""
        return contents(self.value(timeout))

    def cancel(self) -> None:
        """Cancels it, waiting or running."""
        self._transport.run(operations.cancel(self.id))

    def logs(self, *, follow: bool = False) -> Iterator[LogLine]:
        """What it printed; with `follow` also what it still prints, until it ends."""
        with self._transport.lines(operations.logs(self.id, follow=follow)) as lines:
            for line in lines:
                if line:
                    yield log_line(line)


class Batch:
    """A batch of which one has the id."""

    def __init__(self, transport: Transport, id: str) -> None:
        self._transport = transport
        self.id = id

    def __repr__(self) -> str:
        return f"Batch({self.id!r})"

    def info(self) -> BatchInfo:
        """How it stands now."""
        return self._transport.run(operations.batch(self.id))

    def wait(self, timeout: Optional[float] = None) -> BatchInfo:
        """Waits until all its jobs are final. Raises TimeoutError after so many seconds."""
        return self._transport.run(operations.wait_for_batch(self.id, timeout))

    def job(self, index: int) -> Job:
        """The job at a place, from 0."""
        return Job(self._transport, f"{self.id}.{index}")

    def jobs(self) -> Iterator[JobInfo]:
        """Its jobs as they stand, in the order of submission."""
        return listed(self._transport, f"batch={self.id}")

    def results(self, *, errors: str = "raise") -> Iterator[Any]:
        """The results of the jobs that it has now, in the order of submission, as they come.

        Arguments:
            errors: `"raise"` raises the first JobFailed; `"return"` gives it in its place.
        """
        raises, count = checked_errors(errors), (self.info()).jobs
        window = Window(WholeBatch(self.id, count), LARGEST, ordered=True)
        while window.outstanding:
            for info in self._transport.run(window.advance(wait=True)):
                error = info.error()
                if error is not None and raises:
                    raise error
                yield error or value_of(self._transport, info)

    def numpy(self) -> Any:
        """All results as one NumPy array of shape (jobs, ...), once they are there. Raises the
        first JobFailed. Needs NumPy."""
        return numpy_array([contents(each) for each in self.results()])

    def arrow(self) -> Any:
        """All results as an Arrow table, once they are there: a column for each key, or one called
        `result`. Raises the first JobFailed. Needs pyarrow."""
        return arrow_table([contents(each) for each in self.results()])

    def cancel(self) -> int:
        """Cancels all its jobs that are not done; gives how many."""
        return self._transport.run(operations.cancel(self.id))

    def events(self) -> Iterator[Event]:
        """What happens to it and its jobs, as it happens; it never ends by itself."""
        return heard(self._transport, self.id)


def listed(transport: Transport, filter: str) -> Iterator[JobInfo]:
    """Jobs page by page."""
    after, more = None, True
    while more:
        page, more = transport.run(operations.jobs_page(filter, after))
        yield from page
        after = page[-1].id if page else after


def heard(transport: Transport, batch: Optional[str]) -> Iterator[Event]:
    """Events; a connection that breaks is taken up again where it broke."""
    lines, broken = EventLines(), 0
    while True:
        try:
            with transport.lines(operations.events(batch, lines.last)) as stream:
                for line in stream:
                    event = lines.take(line)
                    if event is not None:
                        broken = 0
                        yield event
        except Unreachable:
            broken += 1
            if broken >= TRIES:
                raise
