"""Every error that this package raises, by name.

The classes of problems follow docs/reference/problems.md, and a test holds the two together. What
is made of an exception in a handler is for `host.failures`.
"""

from __future__ import annotations

import sys
import textwrap
from typing import Any, Optional


class GristmillError(Exception):
    """Whatever goes wrong in gristmill rather than in the code around it."""


class OutOfMemory(GristmillError):
    """A handler had too little device memory. Raise it to say so: the job is tried again where
    there is more, or in a smaller batch."""


class InvalidInput(GristmillError):
    """An input on which the handler can never work. Raise it to end a job without another try."""

    def __init__(self, message: str, steps: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.steps = steps

    def within(self, step: str) -> InvalidInput:
        """The same, told from one level further out: `prompt`, `[3]`, `.width`."""
        return type(self)(self.message, (step, *self.steps))

    def __str__(self) -> str:
        path = "".join(self.steps).lstrip(".")
        return f"`{path}`: {self.message}" if path else self.message


class BadOutput(GristmillError):
    """A handler gave a value that cannot be sent."""

    code = "bad_output"


class BadHandler(GristmillError):
    """What was named cannot serve as a handler; `code` says in which way."""

    def __init__(self, code: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.traceback = traceback


class Unreachable(GristmillError):
    """No server answered."""


class BrokenAnswer(GristmillError):
    """What answered does not speak the API of gristmill."""


class JobFailed(GristmillError):
    """A job ended without a result.

    Attributes:
        job: its id.
        state: `failed`, `cancelled` or `expired`.
        kind: the failure's class: `failed`, `invalid`, `timed_out`, `lost`, `cancelled`.
        code: the stable code of the cause, such as `exit_status` or `ValueError`.
        message: one sentence that names the cause.
        traceback: where in the handler it happened, or what its process printed last; None where
            nothing is known. Python shows it below the error that nobody catches (from 3.11 on).
    """

    def __init__(
        self,
        job: str,
        state: str,
        kind: str,
        code: str,
        message: str,
        *,
        traceback: Optional[str] = None,
    ) -> None:
        super().__init__(f"{job} {state}: {message}" if message else f"{job} {state}")
        self.job, self.state, self.kind, self.code, self.message = job, state, kind, code, message
        self.traceback = traceback
        # A note, and no part of the text: whoever prints an error in a list wants one line.
        if traceback and sys.version_info >= (3, 11):
            self.add_note("from the handler:\n" + textwrap.indent(traceback.rstrip(), "  "))


class JobCancelled(JobFailed):
    """A job was cancelled."""


class JobExpired(JobFailed):
    """A job's time ran out before it was done."""


class Problem(GristmillError):
    """A server refused a request.

    Attributes:
        status: the HTTP status.
        code: the stable code; each has a class of its own below.
        detail: what went wrong this time.
        advice: the way out.
    """

    def __init__(self, status: int, code: str, detail: str, advice: str = "") -> None:
        super().__init__(f"{detail} ({code}); {advice}" if advice else f"{detail} ({code})")
        self.status, self.code, self.detail, self.advice = status, code, detail, advice


class InvalidRequest(Problem):
    """The request cannot be read."""


class InvalidFilter(Problem):
    """The filter cannot be read."""


class InputRefused(Problem):
    """The input is not what the handler takes; the message names the place."""

    CODE = "invalid_input"
    """Its code is not its name: `InvalidInput` is what a handler raises."""


class CallFailed(Problem):
    """The job that a call over HTTP made has no result. The clients here raise `JobFailed`."""


class InvalidPipeline(Problem):
    """The pipeline breaks a rule."""


class UnknownPlaceholder(Problem):
    """A command has a placeholder that does not exist."""


class Unauthorized(Problem):
    """No valid token."""


class Forbidden(Problem):
    """Not allowed."""


class NoSuchRoute(Problem):
    """The server has no such route."""


class MethodNotAllowed(Problem):
    """The route has no such method."""


class NoSuchJob(Problem):
    """There is no such job."""


class NoSuchBatch(Problem):
    """There is no such batch."""


class NoSuchAttempt(Problem):
    """There is no such attempt."""


class NoSuchPipeline(Problem):
    """There is no such pipeline."""


class NoSuchWorker(Problem):
    """There is no such worker."""


class NoSuchDevice(Problem):
    """The worker has no such device."""


class NoSuchBlob(Problem):
    """There is no such blob."""


class NoSuchProject(Problem):
    """There is no such project."""


class BatchClosed(Problem):
    """The batch takes no more jobs."""


class BatchForgotten(Problem):
    """The batch was forgotten; only its record is left."""


class Draining(Problem):
    """The scope takes no new work in."""


class NeverFits(Problem):
    """No worker could ever run it."""


class WrongState(Problem):
    """Its state does not allow it."""


class KeyReused(Problem):
    """The idempotency key was used for something else."""


class StaleAttempt(Problem):
    """The attempt is not the live one."""


class TooLarge(Problem):
    """Too large."""


class DigestMismatch(Problem):
    """The bytes have another digest."""


class QueueFull(Problem):
    """Too much is queued."""


class TooMany(Problem):
    """Too many at once."""


class WrongProtocol(Problem):
    """Another version of the worker protocol."""


class StoreUnavailable(Problem):
    """The server's store takes no more."""


class ShuttingDown(Problem):
    """The server is stopping."""


class Internal(Problem):
    """A bug in the server."""


def _code(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


PROBLEMS: dict[str, type[Problem]] = {
    vars(each).get("CODE", _code(each.__name__)): each for each in Problem.__subclasses__()
}
"""Class of problem by code."""


def problem(status: int, body: Any) -> Problem:
    """The error that an answer tells of; a `Problem` itself where its code is not known here."""
    known = body if isinstance(body, dict) else {}
    code = str(known.get("code", f"http_{status}"))
    detail = str(known.get("detail") or known.get("title") or f"the server answered {status}")
    return PROBLEMS.get(code, Problem)(status, code, detail, str(known.get("advice", "")))
