"""A map in progress: inputs are read, and jobs submitted, as results are taken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sized
from contextlib import suppress
from typing import Any, Optional

from gristmill.client.core.connection import Connection
from gristmill.client.core.gather import gather, several
from gristmill.client.core.pipelines import Pipeline
from gristmill.client.core.progress import Progress
from gristmill.client.core.results import checked_errors, value_or_error
from gristmill.client.core.submission import Submission
from gristmill.client.core.window import Window
from gristmill.errors import GristmillError


class Map:
    """What `Client.map` was asked for, and how far it is. Arguments that cannot be are refused
    before anything is read or sent."""

    def __init__(
        self,
        connection: Connection,
        pipeline: Pipeline,
        inputs: Any,
        terms: Mapping[str, Any],
        *,
        ordered: bool,
        errors: str,
        window: int,
        progress: Optional[bool],
    ) -> None:
        self._connection = connection
        self._submission = Submission(connection, pipeline, terms)
        self._inputs = several(inputs)
        self._window = Window(connection, self._submission, window, ordered=ordered)
        self._raises = checked_errors(errors)
        self._name = pipeline if isinstance(pipeline, str) else "jobs"
        self._total = len(inputs) if isinstance(inputs, Sized) else None
        self._progress = progress

    @property
    def batch(self) -> Optional[str]:
        """The id of the batch, once the first inputs were submitted."""
        return self._submission.batch

    async def results(self) -> AsyncGenerator[Any, None]:
        """Results as they come. Where it does not come to its end, jobs that are not done are
        cancelled."""
        submission, window, last = self._submission, self._window, False
        progress = Progress(self._name, self._total, self._progress)
        source = self._connection.transport.iterate(self._inputs)
        try:
            while True:
                if not last and window.room:
                    piece, last = await gather(source, window.room)
                    await submission.send(piece, last=last)
                if window.outstanding:
                    for job in await window.advance(wait=last or not window.room):
                        progress.step()
                        yield await value_or_error(self._connection, job, raises=self._raises)
                elif last:
                    return
        except BaseException:
            # Whatever ended it is what is to be reported, not that cancelling failed as well.
            with suppress(GristmillError):
                await submission.abandon()
            raise
        finally:
            progress.close()
