"""Jobs that were submitted: lists, waits for, reads and cancels them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Optional

from gristmill.client.core import results
from gristmill.client.core.connection import Connection
from gristmill.client.core.models import JobInfo, LogLine, job_info, log_line
from gristmill.client.core.request import Request, as_path, get
from gristmill.client.core.waiting import wait_until

_PAGE = 1_000
_DAY = 86_400.0


async def info(connection: Connection, id: str) -> JobInfo:
    """How a job stands now: `j17`, or `b3.17` by its place."""
    return job_info(await connection.ask(get(_path(id))))


async def wait(connection: Connection, id: str, timeout: Optional[float]) -> JobInfo:
    """Waits until a job is final. Raises TimeoutError after so many seconds."""
    path = _path(id)
    return await wait_until(connection, path, job_info, _is_final, name=id, timeout=timeout)


async def value(connection: Connection, id: str, timeout: Optional[float]) -> Any:
    """Waits for a job's result; files in it are not fetched. Raises JobFailed."""
    return await results.value(connection, await wait(connection, id, timeout))


async def result(connection: Connection, id: str, timeout: Optional[float]) -> Any:
    """Waits for a job's result, with files fetched and decoded. Raises JobFailed."""
    return await results.with_contents(await value(connection, id, timeout))


async def logs(connection: Connection, id: str, *, follow: bool) -> AsyncGenerator[LogLine, None]:
    """What a job printed."""
    request = Request(
        "GET",
        f"{_path(id)}/logs",
        {"follow": "true"} if follow else {},
        headers={"Accept": "application/x-ndjson"},
        # A job may be silent for as long as it likes.
        wait=_DAY if follow else 0,
    )
    async with connection.lines(request) as lines:
        async for line in lines:
            if line:
                yield log_line(line)


async def listed(connection: Connection, filter: str) -> AsyncGenerator[JobInfo, None]:
    """Jobs that a filter lets through, page by page."""
    after, more = None, True
    while more:
        request = get("/v1/jobs", filter=filter or None, after=after, limit=str(_PAGE))
        page = await connection.ask(request)
        found, more = [job_info(raw) for raw in page["items"]], bool(page["has_more"])
        for job in found:
            yield job
        after = found[-1].id if found else after


def filter_of(filter: str, terms: Mapping[str, Optional[str]]) -> str:
    """A filter's text and further terms, as one text."""
    further = [f"{field}={value}" for field, value in terms.items() if value is not None]
    return " ".join([filter, *further] if filter else further)


async def cancel(connection: Connection, id: str) -> int:
    """Cancels a job, or all of a batch that is not done; gives how many jobs that were."""
    if _is_batch(id):
        raw = await connection.ask(Request("POST", f"/v1/batches/{as_path(id)}/cancel"))
        return int(raw["jobs"])
    # Sent twice, the second would be refused: the job is cancelled already.
    await connection.ask(Request("POST", f"/v1/jobs/{as_path(id)}/cancel", again=False))
    return 1


def _path(id: str) -> str:
    return f"/v1/jobs/{as_path(id)}"


def _is_final(job: JobInfo) -> bool:
    return job.is_final


def _is_batch(id: str) -> bool:
    """Whether it is the id of a batch, and not of a job."""
    return id.startswith("b") and "." not in id and "/" not in id
