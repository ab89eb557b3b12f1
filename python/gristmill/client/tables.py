"""Many results as one array or one table, for those who go on with NumPy or Arrow."""

from __future__ import annotations

from typing import Any

from gristmill.errors import GristmillError


def numpy_array(values: list[Any]) -> Any:
    """An array of shape (values, ...). Raises GristmillError where their shapes differ."""
    import numpy

    arrays = [numpy.asarray(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        some = ", ".join(map(str, sorted(shapes)[:5]))
        raise GristmillError(f"the results have different shapes ({some}) and make no one array")
    return numpy.stack(arrays) if arrays else numpy.empty(0)


def arrow_table(values: list[Any]) -> Any:
    """A table with a row for each value."""
    import pyarrow

    if values and all(isinstance(value, dict) for value in values):
        return pyarrow.Table.from_pylist(values)
    return pyarrow.table({"result": values})
