"""What a client can ask for, as steps that both clients run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Optional

from gristmill.client import inputs
from gristmill.client.models import BatchInfo, JobInfo, batch_info, job_info
from gristmill.client.request import Request, Steps, get
from gristmill.client.submission import Pipeline, head, new_key
from gristmill.errors import GristmillError

_WAIT_SECONDS = 30.0
_PAGE = 1_000


def call(pipeline: Pipeline, project: Optional[str], value: Any) -> Steps[JobInfo]:
    """Submits one job and waits for its end."""
    body = {**head(pipeline, project=project), **(yield from inputs.job(value))}
    headers = {"Idempotency-Key": new_key()}
    query = {"wait": f"{_WAIT_SECONDS:.0f}s"}
    raw = yield Request("POST", "/v1/jobs", query, json=body, headers=headers, wait=_WAIT_SECONDS)
    job = job_info(raw)
    while not job.is_final:
        job = job_info((yield get(f"/v1/jobs/{job.id}", wait=_WAIT_SECONDS)))
    return job


def sole_input(value: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The input of a call: by name, or one value alone."""
    if len(value) > 1 or (value and named):
        raise GristmillError("give an input by names, or as one value")
    return value[0] if value else dict(named)


def checked_errors(errors: str) -> bool:
    """Whether a failed job is raised."""
    if errors not in ("raise", "return"):
        raise GristmillError(f'errors={errors!r}: write "raise" or "return"')
    return errors == "raise"


def job(name: str) -> Steps[JobInfo]:
    """Shows a job: `j17`, or `b3.17` by its place."""
    return job_info((yield get(f"/v1/jobs/{as_path(name)}")))


def batch(name: str) -> Steps[BatchInfo]:
    """Shows a batch."""
    return batch_info((yield get(f"/v1/batches/{as_path(name)}")))


def wait_for_job(name: str, timeout: Optional[float]) -> Steps[JobInfo]:
    """Waits until a job is final. Raises TimeoutError after so many seconds."""
    until = _until(timeout)
    while True:
        raw = yield get(f"/v1/jobs/{as_path(name)}", wait=_left(until, name))
        found = job_info(raw)
        if found.is_final:
            return found


def wait_for_batch(name: str, timeout: Optional[float]) -> Steps[BatchInfo]:
    """Waits until a batch is finished. Raises TimeoutError after so many seconds."""
    until = _until(timeout)
    while True:
        raw = yield get(f"/v1/batches/{as_path(name)}", wait=_left(until, name))
        found = batch_info(raw)
        if found.finished:
            return found


def jobs_page(filter: str, after: Optional[str]) -> Steps[tuple[list[JobInfo], bool]]:
    """A page of jobs, and whether there are more after it."""
    page = yield get("/v1/jobs", filter=filter or None, after=after, limit=str(_PAGE))
    return [job_info(raw) for raw in page["items"]], bool(page["has_more"])


def cancel(name: str) -> Steps[int]:
    """Cancels a job, or all of a batch that is not done; gives how many jobs that were."""
    what = "batches" if _is_batch(name) else "jobs"
    raw = yield Request("POST", f"/v1/{what}/{as_path(name)}/cancel", again=what == "batches")
    return int(raw["jobs"]) if what == "batches" else 1


def define(name: str, stages: Any, project: Optional[str]) -> Steps[int]:
    """Defines a pipeline; gives its version."""
    query = {} if project is None else {"project": project}
    body = {"name": name, "stages": list(stages)}
    raw = yield Request("PUT", f"/v1/pipelines/{as_path(name)}", query, json=body)
    return int(raw["version"])


def events(batch: Optional[str], after: Optional[int]) -> Request:
    """What happens, as it happens, to a batch or to everything."""
    path = "/v1/events" if batch is None else f"/v1/batches/{as_path(batch)}/events"
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    # The server says something every few seconds, so that the ordinary patience is enough.
    return Request("GET", path, headers={**headers, "Accept": "text/event-stream"})


def logs(name: str, *, follow: bool) -> Request:
    """What a job printed, a line of JSON each."""
    query = {"follow": "true"} if follow else {}
    headers = {"Accept": "application/x-ndjson"}
    # A job may be silent for as long as it likes.
    return Request(
        "GET", f"/v1/jobs/{as_path(name)}/logs", query, headers=headers, wait=_DAY if follow else 0
    )


def filter_of(filter: str, terms: Mapping[str, Optional[str]]) -> str:
    """A filter's text and further terms, as one text."""
    further = [f"{field}={value}" for field, value in terms.items() if value is not None]
    return " ".join([filter, *further] if filter else further)


_DAY = 86_400.0


def _until(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _left(until: Optional[float], name: str) -> float:
    """How long the next question may wait."""
    if until is None:
        return _WAIT_SECONDS
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"{name} is not done yet; it goes on, and can be waited for again")
    return min(left, _WAIT_SECONDS)


def _is_batch(name: str) -> bool:
    return name.startswith("b") and "." not in name and "/" not in name


def as_path(name: str) -> str:
    """An id as part of a path: `b3/17` is written `b3.17` there."""
    written = name.replace("/", ".")
    if not written or not all(each.isalnum() or each in "._-" for each in written):
        raise GristmillError(f"`{name}` is no id or name; ids look like j17, b3 or b3/17")
    return written
