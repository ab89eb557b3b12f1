"""A batch on its way to the server, piece by piece. Each piece may be sent twice and makes nothing
twice: the first by the batch's idempotency key, each further one by its jobs' keys."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from gristmill.client import inputs
from gristmill.client.request import LINES, Request, Steps
from gristmill.errors import BatchClosed, GristmillError

Pipeline = Union[str, Sequence[Mapping[str, Any]]]
"""A pipeline's name, or the stages of one of its own."""

PIECE_JOBS = 5_000
"""Jobs of one piece at most; the server takes as many all or nothing."""


def head(pipeline: Pipeline, **terms: Any) -> dict[str, Any]:
    """What a batch's jobs share, as the server takes it; what is None is left out."""
    named = {"pipeline": pipeline} if isinstance(pipeline, str) else {"stages": list(pipeline)}
    return {**named, **{key: each for key, each in terms.items() if each is not None}}


def new_key() -> str:
    """An idempotency key that nobody else has."""
    return uuid.uuid4().hex


class Submission:
    """Sends the inputs of one batch.

    Attributes:
        batch: its id, once the first piece has been sent.
        count: how many jobs have been sent.
    """

    def __init__(self, head: Mapping[str, Any], key: Optional[str]) -> None:
        self._head = head
        self._key = key or new_key()
        self.batch: Optional[str] = None
        self.count = 0
        self._known = False

    @property
    def id(self) -> str:
        """The batch's id. Raises GristmillError where nothing was sent."""
        if self.batch is None:
            raise GristmillError("there are no inputs, and a batch has at least one job")
        return self.batch

    def send(self, values: Sequence[Any], *, last: bool) -> Steps[None]:
        """Sends further inputs, up to `PIECE_JOBS`; after the last ones the batch takes no more."""
        if self.batch is None:
            if values:
                yield from self._open(values, last=last)
        elif values or last:
            try:
                yield from self._append(values, last=last)
            except BatchClosed:
                # It was submitted before, and all of it; what is known is not made again.
                if not self._known:
                    raise
        self.count += len(values)

    def _append(self, values: Sequence[Any], *, last: bool) -> Steps[None]:
        if not values:
            yield Request("POST", f"/v1/batches/{self.batch}/close")
            return
        jobs = []
        for place, value in enumerate(values, self.count):
            jobs.append({**(yield from inputs.job(value)), "key": f"{self._key}.{place}"})
        query = {"close": "true"} if last else {}
        path = f"/v1/batches/{self.batch}/jobs"
        yield Request("POST", path, query, content=_lines(jobs), headers=_HEADERS)

    def _open(self, values: Sequence[Any], *, last: bool) -> Steps[None]:
        first = {**self._head} if last else {**self._head, "open": True}
        jobs = []
        for value in values:
            jobs.append((yield from inputs.job(value)))
        headers = {**_HEADERS, "Idempotency-Key": self._key}
        accepted = yield Request(
            "POST", "/v1/batches", content=_lines([first, *jobs]), headers=headers
        )
        self.batch = accepted["batch"]
        self._known = bool(accepted.get("replayed"))

    def abandon(self) -> Steps[None]:
        """Cancels what is not done; nobody waits for it any more."""
        if self.batch is not None:
            yield Request("POST", f"/v1/batches/{self.batch}/cancel")


_HEADERS = {"Content-Type": LINES}


def _lines(values: Sequence[Any]) -> bytes:
    texts = (json.dumps(each, separators=(",", ":")) for each in values)
    return "\n".join(texts).encode() + b"\n"
