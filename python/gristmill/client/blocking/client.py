"""The client for ordinary programs: each call waits for the server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Optional, Union

from gristmill.client.blocking.driver import iterate, run
from gristmill.client.blocking.handles import Batch, File, Job, Results
from gristmill.client.blocking.transport import BlockingTransport
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


class Client:
    """A connection to a gristmill server.

        with gm.Client() as client:
            for image in client.map("generate", prompts):
                ...

    It keeps a few connections open and may be used by many threads. Requests that a failing network
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
        self._connection = Connection(BlockingTransport, File, server, token, project)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        run(self._connection.transport.close())

    def call(self, pipeline: Pipeline, /, *value: Any, **named: Any) -> Any:
        """Runs one job and waits for its result: `client.call("generate", prompt="a red mill")`.

        Arguments:
            value: the whole input, where it has no names.
            named: the input by name.

        Files in the result are `gm.File`. Raises JobFailed.
        """
        return run(call(self._connection, pipeline, value, named))

    def map(
        self,
        pipeline: Pipeline,
        inputs: Iterable[Any],
        *,
        ordered: bool = True,
        errors: str = "raise",
        window: int = LARGEST,
        progress: Optional[bool] = None,
        **terms: Any,
    ) -> Results:
        """Runs a job for each input, and gives the results as they come.

        Inputs are read, and jobs submitted, as results are taken; so the iterable may be endless.

        Arguments:
            ordered: in the order of the inputs; otherwise as jobs end.
            errors: `"raise"` raises the first JobFailed; `"return"` gives it in its place.
            window: jobs that are on their way at once, 1,000 at most.
            progress: whether to show a count; by default where somebody looks.
            terms: as in `submit`.
        """
        return Results(
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

    def submit(
        self,
        pipeline: Pipeline,
        inputs: Any,
        *,
        key: Optional[str] = None,
        **terms: Any,
    ) -> Batch:
        """Submits a job for each input, and waits for none. Long iterables are sent in pieces.

        Arguments:
            inputs: an iterable of inputs; or one input: a text, bytes, a dict, a path, a file.
            key: an idempotency key: the same key with the same inputs makes the batch once.
            terms: what the jobs share, as the API has it: `name`, `priority`, `labels`, `terms`.
        """
        batch = run(submit(self._connection, pipeline, inputs, key, terms))
        return Batch(self._connection, batch)

    def job(self, id: str) -> Job:
        """A job by its id, `j17`, or its place, `b3/17`. Asks nothing yet."""
        return Job(self._connection, id)

    def batch(self, id: str) -> Batch:
        """A batch by its id. Asks nothing yet."""
        return Batch(self._connection, id)

    def jobs(self, filter: str = "", **terms: Optional[str]) -> Iterator[JobInfo]:
        """Lists jobs, the oldest first: `client.jobs(state="failed", batch="b3")`.

        Arguments:
            filter: a filter's text, such as `label.user=ada id>j17`.
            terms: further terms: `state`, `batch`, `pipeline`, `project`, `key`, `code`.
        """
        return iterate(jobs.listed(self._connection, jobs.filter_of(filter, terms)))

    def cancel(self, id: str) -> int:
        """Cancels a job, or all of a batch that is not done; gives how many jobs that were."""
        return run(jobs.cancel(self._connection, id))

    def logs(self, job: str, *, follow: bool = False) -> Iterator[LogLine]:
        """What a job printed; with `follow` also what it still prints, until it ends."""
        return self.job(job).logs(follow=follow)

    def events(self, batch: Optional[str] = None) -> Iterator[Event]:
        """What happens to a batch, or to everything, as it happens; it never ends by itself."""
        return iterate(events.follow(self._connection, batch))

    def define(self, name: str, stages: Iterable[Mapping[str, Any]]) -> int:
        """Defines a pipeline, or a new version of it; gives its version."""
        return run(define(self._connection, name, stages))

    def set_data(self, pipeline: str, **data: Data) -> int:
        """Gives a pipeline's sessions data that all its jobs share: bytes, the path of a file, a
        NumPy array, or None for none. Gives the pipeline's new version; jobs that were submitted
        before keep what they had."""
        return run(set_data(self._connection, pipeline, data))

    def upload(
        self, source: Union[bytes, str, os.PathLike[str]], name: Optional[str] = None
    ) -> File:
        """Stores bytes, or the file at a path; gives what can be an input, or part of one."""
        blob = run(upload(self._connection, source, name))
        return File(self._connection, blob.info())

    def download(self, digest: str) -> File:
        """The blob of a digest, as a file that is fetched when somebody asks."""
        return File(self._connection, of_digest(digest))

    def health(self) -> dict[str, Any]:
        """How the server is. Raises Unreachable where there is none."""
        answer: dict[str, Any] = run(self._connection.ask(Request("GET", "/healthz")))
        return answer
