"""What a handler gives, as the contract with workers has it: JSON values, and marked values for
bytes, arrays and files.

Large bytes and arrays become files in the session's folder; images and paths always do, for only a
file can say what kind of media it is. What comes in is for `codecs` and `media`.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import mimetypes
import os
import sys
from pathlib import Path, PurePath
from typing import Any, Callable

from gristmill import arrays
from gristmill.errors import BadOutput
from gristmill.marked import ELEMENTS, mark_of, write_bytes

_DEEPEST = 100
_PIECE_BYTES = 1024 * 1024
_LEAST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1


class Writer:
    """Encodes the results of one session."""

    def __init__(self, folder: str, inline_bytes: int) -> None:
        """
        Arguments:
            folder: where files go.
            inline_bytes: bytes and arrays beyond this size become files.
        """
        self._folder = folder
        self._inline_bytes = inline_bytes
        self._numbers = itertools.count()

    def encode(self, value: Any, name: str = "result", depth: int = 0) -> Any:
        """A value as it is sent; `name` is what a file made of it is called, without its ending.

        Raises BadOutput where it cannot be sent, and says what would do instead.
        """
        if value is None or isinstance(value, (str, bool)):
            return _text(value) if type(value) is not str and isinstance(value, str) else value
        if isinstance(value, enum.Enum):
            return self.encode(value.value, name, depth)
        if isinstance(value, int):
            return _integer(value, name)
        if isinstance(value, float):
            return _number(value, name)
        if depth > _DEEPEST:
            raise BadOutput(f"`{name}` is nested deeper than {_DEEPEST} levels, or contains itself")
        return self._composite(value, name, depth)

    def _composite(self, value: Any, name: str, depth: int) -> Any:
        if isinstance(value, (list, tuple, set, frozenset)):
            return [
                self.encode(each, f"{name}-{place}", depth + 1) for place, each in enumerate(value)
            ]
        if isinstance(value, dict):
            return self._object(value, name, depth)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(value), name)
        if isinstance(value, PurePath):
            return self._path(Path(value), name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
            return self._object(fields, name, depth)
        return self._foreign(value, name)

    def _object(self, value: dict[Any, Any], name: str, depth: int) -> dict[str, Any]:
        mark = mark_of(value)
        if mark is not None:
            raise BadOutput(
                f"`{name}` is an object with the one key `{mark}`; a `$` there is reserved"
            )
        return {
            _key(key, name): self.encode(each, _joined(name, key), depth + 1)
            for key, each in value.items()
        }

    def _bytes(self, data: bytes, name: str) -> dict[str, Any]:
        if len(data) <= self._inline_bytes:
            return write_bytes(data)
        return self._file(f"{name}.bin", "application/octet-stream", lambda to: to.write(data))

    def _path(self, path: Path, name: str) -> dict[str, Any]:
        if not path.is_file():
            raise BadOutput(f"`{name}` is the path {path}, where no file is")
        media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"

        # A copy, for a handler may write to the same path again in its next call.
        def copy(to: Any) -> None:
            with path.open("rb") as source:
                while piece := source.read(_PIECE_BYTES):
                    to.write(piece)

        return self._file(path.name, media, copy)

    def _foreign(self, value: Any, name: str) -> Any:
        # Only a module that somebody imported can have made the value.
        numpy, image = sys.modules.get("numpy"), sys.modules.get("PIL.Image")
        torch = sys.modules.get("torch")
        if image is not None and isinstance(value, image.Image):
            return self._image(value, name)
        if torch is not None and isinstance(value, torch.Tensor):
            value = _numpy_of_tensor(value, torch)
        if numpy is not None and isinstance(value, numpy.generic):
            return self.encode(value.item(), name)
        if numpy is not None and isinstance(value, numpy.ndarray):
            return self._array(value, name)
        raise BadOutput(
            f"`{name}` is a {type(value).__module__}.{type(value).__qualname__}, which cannot be "
            "sent; give text, numbers, lists, dicts, a dataclass, bytes, a path, an image or an "
            "array"
        )

    def _image(self, image: Any, name: str) -> dict[str, Any]:
        # The lowest level of compression: a GPU must not wait while a CPU saves a few per cent.
        def save(to: Any) -> None:
            try:
                image.save(to, format="PNG", compress_level=1)
            except OSError as error:
                raise BadOutput(f"`{name}` cannot be a PNG: {error}; convert it first") from error

        return self._file(f"{name}.png", "image/png", save)

    def _array(self, array: Any, name: str) -> dict[str, Any]:
        if array.dtype.name not in ELEMENTS:
            raise BadOutput(
                f"`{name}` is an array of {array.dtype.name}; give numbers, or `.tolist()` of it"
            )
        array = arrays.portable(array)
        if array.nbytes <= self._inline_bytes:
            return arrays.to_marked(array)
        return self._file(
            f"{name}.npy", "application/x-npy", lambda to: arrays.write_npy(array, to)
        )

    def _file(self, name: str, media: str, write: Callable[[Any], Any]) -> dict[str, Any]:
        path = self._new_path(name)
        try:
            with open(path, "xb") as file:
                write(file)
        except BaseException:
            # Nobody will hear of it, so nobody else removes it.
            Path(path).unlink(missing_ok=True)
            raise
        return {"$file": {"path": path, "name": name, "media": media}}

    def again(self, value: Any) -> Any:
        """The same encoded value with files of its own: a worker moves a file once it has heard of
        it, so that none may be named twice."""
        if isinstance(value, list):
            return [self.again(each) for each in value]
        if not isinstance(value, dict):
            return value
        if mark_of(value) != "$file":
            return {key: self.again(each) for key, each in value.items()}
        file = value["$file"]
        path = self._new_path(file["name"])
        os.link(file["path"], path)
        return {"$file": {**file, "path": path}}

    def _new_path(self, name: str) -> str:
        return os.path.join(self._folder, f"{next(self._numbers):08}-{name[-100:]}")


def _text(value: str) -> str:
    return str.__str__(value)


def _integer(value: int, name: str) -> int:
    if not _LEAST_INTEGER <= value <= _LARGEST_INTEGER:
        raise BadOutput(f"`{name}` is {value}, beyond 64 bits; give it as text")
    return int(value)


def _number(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise BadOutput(f"`{name}` is {value}, which JSON cannot say; give None, or an array")
    return float(value)


def _key(key: Any, name: str) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return str(key)
    raise BadOutput(f"`{name}` has the key {key!r}; the keys of an object must be texts")


def _joined(name: str, key: Any) -> str:
    # What follows becomes part of a file's name.
    clean = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in str(key))
    return clean if name == "result" else f"{name}-{clean}"


def _numpy_of_tensor(tensor: Any, torch: Any) -> Any:
    tensor = tensor.detach().cpu()
    # NumPy has no bfloat16; float32 holds each of its values exactly.
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
