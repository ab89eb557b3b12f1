"""NumPy arrays as bytes: as a marked value, or as a `.npy` file. Shared by the host and the client.

Nothing here unpickles, and NumPy is imported only where it is used.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from gristmill.marked import read_array, write_array


def portable(array: Any) -> Any:
    """The same array, little-endian and in C order."""
    import numpy

    shape, dtype = array.shape, array.dtype.newbyteorder("<")
    return numpy.ascontiguousarray(array).reshape(shape).astype(dtype, copy=False)


def to_marked(array: Any) -> dict[str, Any]:
    """A portable array as `{"$array": ...}`."""
    return write_array(array.dtype.name, array.shape, array.tobytes())


def from_marked(value: Any) -> Any:
    """The array of `{"$array": ...}`, which may be written to. Raises InvalidInput where it is
    none, ImportError without NumPy."""
    dtype, shape, data = read_array(value)
    import numpy

    flat = numpy.frombuffer(bytearray(data), dtype=numpy.dtype(dtype).newbyteorder("<"))
    return flat.astype(dtype, copy=False).reshape(shape)


def write_npy(array: Any, into: BinaryIO) -> None:
    """Writes a `.npy` file."""
    import numpy

    numpy.save(into, array, allow_pickle=False)


def to_npy(array: Any) -> bytes:
    """The bytes of a `.npy` file."""
    into = io.BytesIO()
    write_npy(array, into)
    return into.getvalue()


def is_npy(data: bytes) -> bool:
    """Whether these are the bytes of a `.npy` file."""
    return data.startswith(b"\x93NUMPY")


def from_npy(data: bytes) -> Any:
    """The array in a `.npy` file. Raises ValueError where none can be read."""
    import numpy

    return numpy.load(io.BytesIO(data), allow_pickle=False)
