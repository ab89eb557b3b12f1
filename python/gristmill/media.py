"""Inputs that JSON cannot say: bytes, files, images, arrays, tensors.

A class is known by where it comes from, so that neither Pillow nor NumPy nor torch is imported
unless the application did. Nothing here unpickles.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Optional

from gristmill import arrays
from gristmill.codecs import Codec, shown
from gristmill.errors import InvalidInput
from gristmill.marked import mark_of, read_bytes, read_file
from gristmill.scratch import Scratch


def codec(cls: type) -> Optional[Codec]:
    """What such a class takes; None where it is none of them."""
    if cls is bytes:
        return Codec({"x-gristmill": "bytes"}, as_bytes)
    if cls is Path or (cls.__module__.startswith("pathlib") and issubclass(cls, Path)):
        return Codec({"x-gristmill": "file"}, as_path)
    return _BY_NAME.get((cls.__module__, cls.__qualname__))


def as_bytes(value: Any, _scratch: Scratch) -> bytes:
    """The bytes of `$bytes`, or of a file."""
    mark = mark_of(value)
    if mark == "$bytes":
        return read_bytes(value)
    if mark == "$file":
        return _read(read_file(value).path)
    raise InvalidInput(f"expected bytes or a file, not {shown(value)}")


def as_path(value: Any, scratch: Scratch) -> Path:
    """Where a file lies; bytes become one for the time of the call."""
    mark = mark_of(value)
    if mark == "$file":
        return Path(read_file(value).path)
    if mark == "$bytes":
        return scratch.file(read_bytes(value))
    raise InvalidInput(f"expected a file, not {shown(value)}; a path as text needs the hint `str`")


def as_image(value: Any, _scratch: Scratch) -> Any:
    """A decoded PIL image of a file, of bytes or of an array. Pillow bounds its size."""
    from PIL import Image

    mark = mark_of(value)
    if mark == "$array":
        try:
            return Image.fromarray(_array(value))
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the array is no image: {error}") from error
    if mark not in ("$file", "$bytes"):
        raise InvalidInput(f"expected an image, not {shown(value)}")
    source = read_file(value).path if mark == "$file" else io.BytesIO(read_bytes(value))
    try:
        image = Image.open(source)
        image.load()
    except FileNotFoundError as error:
        raise _gone(error) from error
    # Decoders of damaged files raise whatever comes to their minds.
    except Exception as error:
        raise InvalidInput(f"not an image that can be decoded: {error}") from error
    return image


def as_array(value: Any, scratch: Scratch) -> Any:
    """A NumPy array of `$array`, of a `.npy` file, of an image, or of a list of numbers."""
    import numpy

    mark = mark_of(value)
    if mark == "$array":
        return _array(value)
    if isinstance(value, list):
        return _array_of_list(value)
    if mark not in ("$file", "$bytes"):
        raise InvalidInput(f"expected an array, not {shown(value)}")
    data = as_bytes(value, scratch)
    if not arrays.is_npy(data):
        return numpy.asarray(as_image(value, scratch))
    try:
        return arrays.from_npy(data)
    except ValueError as error:
        raise InvalidInput(f"the file holds no array that can be read: {error}") from error


def as_tensor(value: Any, scratch: Scratch) -> Any:
    """A torch tensor in main memory."""
    import torch

    array = as_array(value, scratch)
    # torch takes only memory that it may write to, which a decoded image's is not.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def natural(value: Any, scratch: Scratch) -> Any:
    """What a value becomes where the hint allows anything: files as paths, the rest as it says."""
    if isinstance(value, list):
        return [natural(each, scratch) for each in value]
    mark = mark_of(value)
    if mark == "$file":
        return as_path(value, scratch)
    if mark == "$bytes":
        return as_bytes(value, scratch)
    if mark == "$array":
        return as_array(value, scratch)
    if isinstance(value, dict):
        return {key: natural(each, scratch) for key, each in value.items()}
    return value


def _array(value: Any) -> Any:
    try:
        return arrays.from_marked(value)
    except ImportError as error:
        raise InvalidInput("an array came, but NumPy is not installed here") from error


def _array_of_list(value: list[Any]) -> Any:
    import numpy

    try:
        array = numpy.asarray(value)
    except ValueError as error:
        raise InvalidInput(f"the lists make no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InvalidInput(f"expected numbers, not {shown(value)}")
    return array


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise _gone(error) from error


def _gone(error: FileNotFoundError) -> InvalidInput:
    return InvalidInput(f"the file {error.filename} is not there")


_BY_NAME: dict[tuple[str, str], Codec] = {
    ("PIL.Image", "Image"): Codec({"x-gristmill": "image"}, as_image),
    ("numpy", "ndarray"): Codec({"x-gristmill": "array"}, as_array),
    ("torch", "Tensor"): Codec({"x-gristmill": "tensor"}, as_tensor),
}
