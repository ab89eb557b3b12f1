"""What the server tells, as typed values. Each keeps the whole answer under `raw`, for what a later
server adds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from gristmill.errors import BrokenAnswer, JobCancelled, JobExpired, JobFailed

FINAL = ("succeeded", "failed", "cancelled", "expired")
"""States of a job that it does not leave by itself."""

_ERRORS = {"cancelled": JobCancelled, "expired": JobExpired}


class Failure(NamedTuple):
    """Why a job has no result."""

    kind: str
    code: str
    message: str
    traceback: Optional[str] = None


@dataclass(frozen=True)
class JobInfo:
    """A job as it was when the server was asked.

    Attributes:
        index: its place in its batch, from 0.
        state: `scheduled`, `blocked`, `queued`, `running`, `retrying`, `cancelling`, or one of
            those in which it is final: `succeeded`, `failed`, `cancelled`, `expired`.
    """

    id: str
    batch: str
    index: int
    pipeline: str
    state: str
    failure: Optional[Failure]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    def error(self) -> Optional[JobFailed]:
        """Why it ended without a result; None where it did not."""
        if not self.is_final or self.state == "succeeded":
            return None
        why = self.failure or Failure(self.state, self.state, "")
        made = _ERRORS.get(self.state, JobFailed)
        return made(self.id, self.state, why.kind, why.code, why.message, traceback=why.traceback)


@dataclass(frozen=True)
class BatchInfo:
    """A batch as it was when the server was asked.

    Attributes:
        jobs: how many there are.
        counts: how many of them stand in which state.
    """

    id: str
    name: Optional[str]
    pipeline: str
    finished: bool
    jobs: int
    counts: Mapping[str, int]
    raw: Mapping[str, Any] = field(repr=False)


class LogLine(NamedTuple):
    """A line of what a job printed; `stream` is `stdout`, `stderr` or `worker`."""

    attempt: str
    stream: Optional[str]
    text: str


class Event(NamedTuple):
    """Something that happened: `event` says what, `state` is the job's after it if it changed."""

    seq: int
    event: str
    batch: Optional[str]
    job: Optional[str]
    state: Optional[str]
    data: Mapping[str, Any]


def job_info(raw: Any) -> JobInfo:
    """Reads a job."""
    try:
        return JobInfo(
            id=raw["id"],
            batch=raw["batch"],
            index=raw["index"],
            pipeline=raw["pipeline"],
            state=raw["state"],
            failure=_failure(raw.get("failure")),
            raw=raw,
        )
    except (KeyError, TypeError) as error:
        raise _broken("job", error) from error


def batch_info(raw: Any) -> BatchInfo:
    """Reads a batch."""
    try:
        return BatchInfo(
            id=raw["id"],
            name=raw.get("name"),
            pipeline=raw["pipeline"],
            finished=raw["finished"],
            jobs=raw["jobs"],
            counts=raw["counts"],
            raw=raw,
        )
    except (KeyError, TypeError) as error:
        raise _broken("batch", error) from error


def log_line(line: str) -> LogLine:
    """Reads a line of a log."""
    raw = json.loads(line)
    return LogLine(raw["attempt"], raw.get("stream"), raw["text"])


def event(data: str) -> Event:
    """Reads an event of the feed."""
    raw = json.loads(data)
    said = raw.get("data", raw)
    return Event(
        raw.get("seq", 0),
        raw.get("event", "gap"),
        raw.get("batch"),
        raw.get("job"),
        raw.get("state"),
        said,
    )


def _failure(raw: Any) -> Optional[Failure]:
    if raw is None:
        return None
    return Failure(raw["kind"], raw["code"], raw["message"], raw.get("traceback"))


def _broken(what: str, error: Exception) -> BrokenAnswer:
    return BrokenAnswer(
        f"the server told of a {what} without {error}; use gristmill of one version"
    )
