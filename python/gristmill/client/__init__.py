"""The client of a gristmill server, blocking and for asyncio.

What they do is in `core`, once for both. `blocking` and `asynchronous` are the public classes: each
method of theirs runs, or awaits, a coroutine of the core.
"""

from __future__ import annotations

from gristmill.client.asynchronous import AsyncBatch, AsyncClient, AsyncFile, AsyncJob
from gristmill.client.blocking import Batch, Client, File, Job
from gristmill.client.core.models import BatchInfo, Event, Failure, JobInfo, LogLine

__all__ = [
    "AsyncBatch",
    "AsyncClient",
    "AsyncFile",
    "AsyncJob",
    "Batch",
    "BatchInfo",
    "Client",
    "Event",
    "Failure",
    "File",
    "Job",
    "JobInfo",
    "LogLine",
]
