"""The client of a gristmill server, blocking and for asyncio.

What can be asked is in `operations`, `submission` and `window`, once for both; how it travels is in
the transports.
"""

from __future__ import annotations

from gristmill.client.async_handles import AsyncBatch, AsyncJob
from gristmill.client.asynchronous import AsyncClient
from gristmill.client.blocking import Client
from gristmill.client.files import AsyncFile, File
from gristmill.client.handles import Batch, Job
from gristmill.client.models import BatchInfo, Event, Failure, JobInfo, LogLine

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
