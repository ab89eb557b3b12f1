"""Values that JSON cannot say: an object with one key that begins with `$`, as the contract between
workers and hosts has them. Shared by the host and the client.

It only reads and writes these objects. Which Python value becomes which is for `values` and
`codecs`.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, NamedTuple, Optional

from gristmill.errors import InvalidInput

ELEMENTS = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
"""Names of the element types that an array may have."""

_LARGEST_RANK = 32


class File(NamedTuple):
    """A file that lies where this process can read it."""

    path: str
    name: str


def mark_of(value: Any) -> Optional[str]:
    """The one key of a marked value, such as `$bytes`; None where it is an ordinary value."""
    if isinstance(value, dict) and len(value) == 1:
        key = next(iter(value))
        if isinstance(key, str) and key.startswith("$"):
            return key
    return None


def write_bytes(data: bytes) -> dict[str, Any]:
    """Bytes as a marked value."""
    return {"$bytes": base64.b64encode(data).decode("ascii")}


def write_array(dtype: str, shape: tuple[int, ...], data: bytes) -> dict[str, Any]:
    """An array as a marked value; `data` are its elements, little-endian, in C order."""
    text = base64.b64encode(data).decode("ascii")
    return {"$array": {"dtype": dtype, "shape": list(shape), "data": text}}


def read_bytes(value: Any) -> bytes:
    """The bytes of `{"$bytes": base64}`. Raises InvalidInput where that is not what it is."""
    return _decoded(value.get("$bytes"), "$bytes")


def read_array(value: Any) -> tuple[str, tuple[int, ...], bytes]:
    """Element type, shape and elements of `{"$array": ...}`.

    Raises InvalidInput where it is not one, or where its length is not that of its shape.
    """
    array = value.get("$array")
    if not isinstance(array, dict):
        raise InvalidInput("`$array` must be an object with `dtype`, `shape` and `data`")
    dtype, shape = array.get("dtype"), array.get("shape")
    if dtype not in ELEMENTS:
        raise InvalidInput(
            f"`$array` has the dtype {dtype!r}: use one of {', '.join(sorted(ELEMENTS))}"
        )
    if not isinstance(shape, list) or len(shape) > _LARGEST_RANK or not all(map(_is_length, shape)):
        raise InvalidInput(f"`$array` has the shape {shape!r}: use a list of lengths")
    data = _decoded(array.get("data"), "$array.data")
    wanted = math.prod(shape) * element_bytes(str(dtype))
    if len(data) != wanted:
        raise InvalidInput(f"`$array` has {len(data)} bytes, but {dtype} {shape} takes {wanted}")
    return str(dtype), tuple(shape), data


def read_file(value: Any) -> File:
    """Where the file of `{"$file": ...}` lies. Raises InvalidInput where it is not one."""
    file = value.get("$file")
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not path:
        raise InvalidInput("`$file` must be an object with a `path`")
    return File(path, str(file.get("name") or path.rsplit("/", 1)[-1]))


def element_bytes(dtype: str) -> int:
    """How many bytes an element takes."""
    bits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(bits) // 8 if bits else 1


def _is_length(length: Any) -> bool:
    return isinstance(length, int) and not isinstance(length, bool) and length >= 0


def _decoded(text: Any, what: str) -> bytes:
    if not isinstance(text, str):
        raise InvalidInput(f"`{what}` must be a text in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"`{what}` is not base64: {error}") from None
