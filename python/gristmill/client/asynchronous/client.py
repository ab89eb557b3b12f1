"""The client for asyncio: each call is awaited."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Optional, Union

from gristmill.client.asynchronous.handles import AsyncBatch, AsyncFile, AsyncJob, AsyncResults
from gristmill.client.asynchronous.transport import AsyncTransport
from gristmill.client.core import events, jobs
from gristmill.client.core.connection import Connection
from gristmill.client.core.mapping import Map
from gristmill.client.core.models import Event, JobInfo, LogLine
from gristmill.client.core.outputs import of_digest
from gristmill.client.core.pipelines import Data, Pipeline, define, set_data
from gristmill.client.core.request import Request
from gristmill.client.core.submission import call, submit
from gristmill.client.core.uploads import upload
from gristmill.client.core.window import LARGEST


class AsyncClient:
    """`Client` for asyncio.

        async with gm.AsyncClient() as client:
            async for image in client.map("generate", prompts):
                ...

    It belongs to one event loop and keeps a few connections open. Requests that a failing network
    leaves in doubt are sent again where that makes nothing twice; submissions always carry an
    idempotency key.

    A pipeline is given by its name, or as a list of stages. A job's input is any JSON value, and
    bytes, paths, images and arrays anywhere in it. Errors: `gm.Problem` and a class for each code
    when the server refuses, `gm.errors.Unreachable`, `gm.JobFailed`.
    """

    def __init__(
        self,
        server: Optional[str] = None,
        token: Optional[str] = None,
        *,
        project: Optional[str] = None,
    ) -> None:
        """
        Arguments:
            server: its URL; by default GRISTMILL_SERVER, or this machine's.
            token: who asks; by default GRISTMILL_TOKEN.
            project: whose work is submitted; without one the server's default.
        """
        self._connection = Connection(AsyncTransport, AsyncFile, server, token, project)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._connection.transport.close()

    async def call(self, pipeline: Pipeline, /, *value: Any, **named: Any) -> Any:
        """Runs one job and waits for its result: `await client.call("draw", prompt="a mill")`.

        Arguments:
            value: the whole input, where it has no names.
            named: the input by name.

        Files in the result are `gm.AsyncFile`. Raises JobFailed.
        """
        return await call(self._connection, pipeline, value, named)

    def map(
        self,
        pipeline: Pipeline,
        inputs: Union[Iterable[Any], AsyncIterable[Any]],
        *,
        ordered: bool = True,
        errors: str = "raise",
        window: int = LARGEST,
        progress: Optional[bool] = None,
        **terms: Any,
    ) -> AsyncResults:
        """Runs a job for each input, and gives the results as they come.

        Inputs are read, and jobs submitted, as results are taken; so the iterable may be endless.

        Arguments:
            ordered: in the order of the inputs; otherwise as jobs end.
            errors: `"raise"` raises the first JobFailed; `"return"` gives it in its place.
            window: jobs that are on their way at once, 1,000 at most.
            progress: whether to show a count; by default where somebody looks.
            terms: as in `submit`.
        """
        return AsyncResults(
            Map(
                self._connection,
                pipeline,
                inputs,
                terms,
                ordered=ordered,
                errors=errors,
                window=window,
                progress=progress,
            )
        )

    async def submit(
        self,
        pipeline: Pipeline,
        inputs: Any,
        *,
        key: Optional[str] = None,
        **terms: Any,
    ) -> AsyncBatch:
        """Submits a job for each input, and waits for none. Long iterables are sent in pieces.

        Arguments:
            inputs: an iterable of inputs; or one input: a text, bytes, a dict, a path, a file.
            key: an idempotency key: the same key with the same inputs makes the batch once.
            terms: what the jobs share, as the API has it: `name`, `priority`, `labels`, `terms`.
        """
        batch = await submit(self._connection, pipeline, inputs, key, terms)
        return AsyncBatch(self._connection, batch)

    def job(self, id: str) -> AsyncJob:
        """A job by its id, `j17`, or its place, `b3/17`. Asks nothing yet."""
        return AsyncJob(self._connection, id)

    def batch(self, id: str) -> AsyncBatch:
        """A batch by its id. Asks nothing yet."""
        return AsyncBatch(self._connection, id)

    def jobs(self, filter: str = "", **terms: Optional[str]) -> AsyncIterator[JobInfo]:
        """Lists jobs, the oldest first: `client.jobs(state="failed", batch="b3")`.

        Arguments:
            filter: a filter's text, such as `label.user=ada id>j17`.
            terms: further terms: `state`, `batch`, `pipeline`, `project`, `key`, `code`.
        """
        return jobs.listed(self._connection, jobs.filter_of(filter, terms))

    async def cancel(self, id: str) -> int:
        """Cancels a job, or all of a batch that is not done; gives how many jobs that were."""
        return await jobs.cancel(self._connection, id)

    def logs(self, job: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """What a job printed; with `follow` also what it still prints, until it ends."""
        return self.job(job).logs(follow=follow)

    def events(self, batch: Optional[str] = None) -> AsyncIterator[Event]:
        """What happens to a batch, or to everything, as it happens; it never ends by itself."""
        return events.follow(self._connection, batch)

    async def define(self, name: str, stages: Iterable[Mapping[str, Any]]) -> int:
        """Defines a pipeline, or a new version of it; gives its version."""
        return await define(self._connection, name, stages)

    async def set_data(self, pipeline: str, **data: Data) -> int:
        """Gives a pipeline's sessions data that all its jobs share: bytes, the path of a file, a
        NumPy array, or None for none. Gives the pipeline's new version; jobs that were submitted
        before keep what they had."""
        return await set_data(self._connection, pipeline, data)

    async def upload(
        self, source: Union[bytes, str, os.PathLike[str]], name: Optional[str] = None
    ) -> AsyncFile:
        """Stores bytes, or the file at a path; gives what can be an input, or part of one."""
        blob = await upload(self._connection, source, name)
        return AsyncFile(self._connection, blob.info())

    def download(self, digest: str) -> AsyncFile:
        """The blob of a digest, as a file that is fetched when somebody asks."""
        return AsyncFile(self._connection, of_digest(digest))

    async def health(self) -> dict[str, Any]:
        """How the server is. Raises Unreachable where there is none."""
        answer: dict[str, Any] = await self._connection.ask(Request("GET", "/healthz"))
        return answer
