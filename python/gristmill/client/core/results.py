"""Results of jobs that have ended, one or many."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from gristmill.client.core import files, outputs
from gristmill.client.core.connection import Connection
from gristmill.client.core.models import JobInfo
from gristmill.errors import GristmillError


async def value(connection: Connection, job: JobInfo) -> Any:
    """A job's result; files in it are not fetched. Raises JobFailed."""
    return await value_or_error(connection, job, raises=True)


async def value_or_error(connection: Connection, job: JobInfo, *, raises: bool) -> Any:
    """A job's result, or the JobFailed where it has none and that is not to be raised."""
    error = job.error()
    if error is not None:
        if raises:
            raise error
        return error
    found = outputs.value(job.raw.get("result"), connection.file)
    if outputs.is_long_value(found):
        return outputs.long_value(await files.read(found), connection.file)
    return found


def checked_errors(errors: str) -> bool:
    """Whether a failed job is raised."""
    if errors not in ("raise", "return"):
        raise GristmillError(f'errors={errors!r}: write "raise" or "return"')
    return errors == "raise"


async def with_contents(found: Any) -> Any:
    """A value with its files fetched and decoded."""
    contents = {}
    for file in outputs.files_in(found):
        contents[id(file)] = await files.content(file)
    return outputs.with_contents(found, contents)


async def numpy_array(values: AsyncIterable[Any]) -> Any:
    """All results as one NumPy array."""
    return _stacked([await with_contents(each) async for each in values])


async def arrow_table(values: AsyncIterable[Any]) -> Any:
    """All results as one Arrow table."""
    return _table([await with_contents(each) async for each in values])


def _stacked(values: list[Any]) -> Any:
    """An array of shape (values, ...). Raises GristmillError where their shapes differ."""
    import numpy

    arrays = [numpy.asarray(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        some = ", ".join(map(str, sorted(shapes)[:5]))
        raise GristmillError(f"the results have different shapes ({some}) and make no one array")
    return numpy.stack(arrays) if arrays else numpy.empty(0)


def _table(values: list[Any]) -> Any:
    """A table with a row for each value."""
    import pyarrow

    if values and all(isinstance(value, dict) for value in values):
        return pyarrow.Table.from_pylist(values)
    return pyarrow.table({"result": values})
