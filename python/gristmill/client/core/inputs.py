"""From Python values to the input of a job. Small bytes and arrays travel within it; files, images
and whatever is larger become blobs first."""

from __future__ import annotations

import dataclasses
import enum
import io
import math
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Optional, Union

from gristmill import arrays
from gristmill.client.core.connection import Connection
from gristmill.client.core.files import Blob, StoredFile
from gristmill.client.core.uploads import upload
from gristmill.errors import GristmillError
from gristmill.marked import ELEMENTS, write_bytes

_INLINE_BYTES = 4 * 1024
_DEEPEST = 100

Media = tuple[Union[bytes, Path], Optional[str], Optional[str]]
"""Bytes or a file, its name, and what kind of media it is."""


async def job(connection: Connection, value: Any) -> dict[str, Any]:
    """A job with this input, as the server takes it."""
    blob = await _blob(connection, value)
    if blob is not None:
        return {"file": blob.artifact()}
    return {"input": await encoded(connection, value)}


async def encoded(connection: Connection, value: Any, depth: int = 0) -> Any:
    """A value as it stands within an input. Raises GristmillError where it cannot be sent."""
    if isinstance(value, float) and not math.isfinite(value):
        raise GristmillError(f"{value} cannot be part of an input, for JSON cannot say it")
    if value is None or isinstance(value, (str, int, float)):
        return value.value if isinstance(value, enum.Enum) else value
    if depth > _DEEPEST:
        raise GristmillError(
            f"an input is nested deeper than {_DEEPEST} levels, or contains itself"
        )
    if isinstance(value, enum.Enum):
        return await encoded(connection, value.value, depth)
    if isinstance(value, (list, tuple)):
        return [await encoded(connection, each, depth + 1) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, StoredFile)):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): await encoded(connection, each, depth + 1) for key, each in value.items()}
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "ndim", 1):
        return value.item()  # a number of NumPy's or torch's
    small = _small(value)
    if small is not None:
        return small
    blob = await _blob(connection, value)
    if blob is None:
        raise GristmillError(
            f"a {type(value).__module__}.{type(value).__qualname__} cannot be an input; give text, "
            "numbers, lists, dicts, bytes, a path, an image or an array"
        )
    return blob.marked()


def _small(value: Any) -> Optional[dict[str, Any]]:
    """Small bytes and arrays, to travel within the input."""
    if isinstance(value, (bytes, bytearray)) and len(value) <= _INLINE_BYTES:
        return write_bytes(bytes(value))
    array = _as_array(value)
    if array is None or array.nbytes > _INLINE_BYTES:
        return None
    return arrays.to_marked(array)


async def _blob(connection: Connection, value: Any) -> Optional[Blob]:
    """The blob of a file, of bytes, of an image or of an array; None for everything else."""
    if isinstance(value, StoredFile):
        return value.blob or await upload(connection, Path(value.path), value.name)
    media = _media(value)
    return None if media is None else await upload(connection, *media)


def _media(value: Any) -> Optional[Media]:
    if isinstance(value, PurePath):
        return Path(value), None, None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value), "input.bin", None
    # Only a module that somebody imported can have made the value.
    image = sys.modules.get("PIL.Image")
    if image is not None and isinstance(value, image.Image):
        made = io.BytesIO()
        value.save(made, format="PNG", compress_level=1)
        return made.getvalue(), "input.png", "image/png"
    array = _as_array(value)
    if array is None:
        return None
    return arrays.to_npy(array), "input.npy", "application/x-npy"


def _as_array(value: Any) -> Any:
    """A NumPy array or a torch tensor, little-endian and in C order; None for everything else."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    if value.dtype.name not in ELEMENTS:
        raise GristmillError(f"an array of {value.dtype} cannot be an input; give numbers")
    return arrays.portable(value)
