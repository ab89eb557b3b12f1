"""Files in the server's store, or on a disk that its workers share: what is known of one, and how
its bytes are fetched, saved and decoded."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Callable, NamedTuple, Optional, Union

from gristmill import arrays
from gristmill.client.core.connection import Connection
from gristmill.client.core.request import Request

PathLike = Union[str, "os.PathLike[str]"]


class Blob(NamedTuple):
    """Bytes in the server's store, and what a file of them is called."""

    digest: str
    size: int
    name: str
    media: str

    def marked(self) -> dict[str, Any]:
        """As a value within an input."""
        blob = {"digest": self.digest, "name": self.name, "size": self.size, "media": self.media}
        return {"$blob": blob}

    def artifact(self) -> dict[str, Any]:
        """As the whole of an input."""
        return {"name": self.name, "size": self.size, "place": {"blob": self.digest}}

    def info(self) -> FileInfo:
        """As a file."""
        return FileInfo(self.name, self.size, self.media, self, "")


class FileInfo(NamedTuple):
    """What is known of a file, and where it is."""

    name: str
    size: int
    media: str
    blob: Optional[Blob]
    path: str


class StoredFile:
    """A file that is in the server's store already, or on a disk that the server's workers share.

    Attributes:
        name: what it is called, without folders.
        size: its length in bytes.
        media: what kind of media it is, such as `image/png`.
        blob: the blob; None where it lies at `path`.
        path: where it lies on a shared disk; empty where it is a blob.
    """

    def __init__(self, connection: Connection, info: FileInfo) -> None:
        self._connection = connection
        self.name, self.size, self.media, self.blob, self.path = info

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.size} bytes, {self.media})"


async def read(file: StoredFile) -> bytes:
    """All that is in a file."""
    into = io.BytesIO()
    await _fetch(file, into)
    return into.getvalue()


async def save(file: StoredFile, path: PathLike) -> Path:
    """Writes a file to a path, or under its own name into a folder; gives where it is."""
    target = Path(path)
    if target.is_dir():
        # Of a name only its last part, whatever a handler called its file.
        target = target / Path(file.name).name
    # The name is given when the file is whole, so that nobody finds half of one.
    part = target.with_name(f".{target.name}.part")
    with part.open("wb") as into:
        await _fetch(file, into)
    return part.replace(target)


async def image(file: StoredFile) -> Any:
    """A PIL image of a file."""
    return _image(await read(file))


async def array(file: StoredFile) -> Any:
    """A NumPy array of a file."""
    return _array(await read(file))


async def content(file: StoredFile) -> Any:
    """A file as the type that is natural for it: an image, an array, else bytes."""
    return _decoded(await read(file), file.name, file.media)


async def _fetch(file: StoredFile, into: BinaryIO) -> None:
    connection = file._connection
    if file.blob is None:
        into.write(await connection.transport.disk(Path(file.path).read_bytes))
    else:
        await connection.download(Request("GET", f"/v1/blobs/{file.blob.digest}"), into)


def _decoded(data: bytes, name: str, media: str) -> Any:
    # Images need Pillow, arrays NumPy; without them bytes are given.
    if media.startswith("image/"):
        return _opened(_image, data)
    if media == "application/x-npy" or name.endswith(".npy"):
        return _opened(_array, data)
    return data


def _image(data: bytes) -> Any:
    from PIL import Image

    made = Image.open(io.BytesIO(data))
    made.load()
    return made


def _array(data: bytes) -> Any:
    import numpy

    return arrays.from_npy(data) if arrays.is_npy(data) else numpy.asarray(_image(data))


def _opened(read: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return read(data)
    except ImportError:
        return data
