"""Submits jobs: one and waits for it, or a batch piece by piece.

Each piece of a batch may be sent twice and makes nothing twice: the first by the batch's
idempotency key, each further one by its jobs' keys.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from gristmill.client.core import inputs, jobs, results
from gristmill.client.core.connection import Connection
from gristmill.client.core.gather import gather, one_or_several
from gristmill.client.core.models import job_info
from gristmill.client.core.pipelines import Pipeline, head
from gristmill.client.core.request import LINES, Request
from gristmill.client.core.waiting import WAIT_SECONDS
from gristmill.errors import BatchClosed, GristmillError

PIECE_JOBS = 5_000
"""Jobs of one piece at most; the server takes as many all or nothing."""

_HEADERS = {"Content-Type": LINES}


async def call(
    connection: Connection, pipeline: Pipeline, values: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    """Submits one job; gives its result. Raises JobFailed."""
    value = _sole_input(values, named)
    shared = head(pipeline, project=connection.project)
    request = Request(
        "POST",
        "/v1/jobs",
        {"wait": f"{WAIT_SECONDS:.0f}s"},
        json={**shared, **(await inputs.job(connection, value))},
        headers={"Idempotency-Key": _new_key()},
        wait=WAIT_SECONDS,
    )
    info = job_info(await connection.ask(request))
    if not info.is_final:
        info = await jobs.wait(connection, info.id, None)
    return await results.value(connection, info)


async def submit(
    connection: Connection,
    pipeline: Pipeline,
    values: Any,
    key: Optional[str],
    terms: Mapping[str, Any],
) -> str:
    """Submits a job for each value, or one for a value that is one input; gives the batch's id."""
    submission = Submission(connection, pipeline, terms, key)
    source, last = connection.transport.iterate(one_or_several(values)), False
    while not last:
        piece, last = await gather(source, PIECE_JOBS, patience=None)
        await submission.send(piece, last=last)
    return submission.id


class Submission:
    """Sends the inputs of one batch.

    Attributes:
        batch: its id, once the first piece has been sent.
        count: how many jobs have been sent.
    """

    def __init__(
        self,
        connection: Connection,
        pipeline: Pipeline,
        terms: Mapping[str, Any],
        key: Optional[str] = None,
    ) -> None:
        self._connection = connection
        self._head = head(pipeline, **{"project": connection.project, **terms})
        self._key = key or _new_key()
        self.batch: Optional[str] = None
        self.count = 0
        self._known = False

    @property
    def id(self) -> str:
        """The batch's id. Raises GristmillError where nothing was sent."""
        if self.batch is None:
            raise GristmillError("there are no inputs, and a batch has at least one job")
        return self.batch

    async def send(self, values: Sequence[Any], *, last: bool) -> None:
        """Sends further inputs, up to `PIECE_JOBS`; after the last ones the batch takes no more."""
        if self.batch is None:
            if values:
                await self._open(values, last=last)
        elif values or last:
            try:
                await self._append(values, last=last)
            except BatchClosed:
                # It was submitted before, and all of it; what is known is not made again.
                if not self._known:
                    raise
        self.count += len(values)

    async def _append(self, values: Sequence[Any], *, last: bool) -> None:
        if not values:
            await self._connection.ask(Request("POST", f"/v1/batches/{self.batch}/close"))
            return
        jobs = []
        for place, value in enumerate(values, self.count):
            job = await inputs.job(self._connection, value)
            jobs.append({**job, "key": f"{self._key}.{place}"})
        query = {"close": "true"} if last else {}
        path = f"/v1/batches/{self.batch}/jobs"
        await self._connection.ask(
            Request("POST", path, query, content=_lines(jobs), headers=_HEADERS)
        )

    async def _open(self, values: Sequence[Any], *, last: bool) -> None:
        first = {**self._head} if last else {**self._head, "open": True}
        jobs = [await inputs.job(self._connection, value) for value in values]
        headers = {**_HEADERS, "Idempotency-Key": self._key}
        accepted = await self._connection.ask(
            Request("POST", "/v1/batches", content=_lines([first, *jobs]), headers=headers)
        )
        self.batch = accepted["batch"]
        self._known = bool(accepted.get("replayed"))

    async def abandon(self) -> None:
        """Cancels what is not done; nobody waits for it any more."""
        if self.batch is not None:
            await self._connection.ask(Request("POST", f"/v1/batches/{self.batch}/cancel"))


def _sole_input(values: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The input of a call: by name, or one value alone."""
    if len(values) > 1 or (values and named):
        raise GristmillError("give an input by names, or as one value")
    return values[0] if values else dict(named)


def _new_key() -> str:
    """An idempotency key that nobody else has."""
    return uuid.uuid4().hex


def _lines(values: Sequence[Any]) -> bytes:
    texts = (json.dumps(each, separators=(",", ":")) for each in values)
    return "\n".join(texts).encode() + b"\n"
