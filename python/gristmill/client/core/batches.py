"""Batches that were submitted: how they stand, and the results of their jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Optional

from gristmill.client.core import results
from gristmill.client.core.connection import Connection
from gristmill.client.core.models import BatchInfo, batch_info
from gristmill.client.core.request import as_path, get
from gristmill.client.core.waiting import wait_until
from gristmill.client.core.window import LARGEST, WholeBatch, Window


async def info(connection: Connection, id: str) -> BatchInfo:
    """How a batch stands now."""
    return batch_info(await connection.ask(get(_path(id))))


async def wait(connection: Connection, id: str, timeout: Optional[float]) -> BatchInfo:
    """Waits until a batch is finished. Raises TimeoutError after so many seconds."""
    path = _path(id)
    return await wait_until(connection, path, batch_info, _is_finished, name=id, timeout=timeout)


async def results_of(
    connection: Connection, id: str, *, errors: str = "raise"
) -> AsyncGenerator[Any, None]:
    """The results of the jobs that a batch has now, in the order of submission."""
    raises = results.checked_errors(errors)
    count = (await info(connection, id)).jobs
    window = Window(connection, WholeBatch(id, count), LARGEST, ordered=True)
    while window.outstanding:
        for job in await window.advance(wait=True):
            yield await results.value_or_error(connection, job, raises=raises)


def _is_finished(batch: BatchInfo) -> bool:
    return batch.finished


def _path(id: str) -> str:
    return f"/v1/batches/{as_path(id)}"
