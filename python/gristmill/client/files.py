"""Files among results: fetched when somebody asks for what is in them."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Union

from gristmill.client import outputs
from gristmill.client.async_transport import AsyncTransport
from gristmill.client.models import JobInfo
from gristmill.client.request import Request
from gristmill.client.transport import Transport
from gristmill.client.uploads import Blob, Stored, Whereabouts

PathLike = Union[str, "os.PathLike[str]"]


class File(Stored):
    """A file that a job made. Nothing is fetched before somebody asks.

    It may be the input of another job as it is; its bytes then need not come here.
    """

    def __init__(self, transport: Transport, where: Whereabouts) -> None:
        super().__init__(where)
        self._transport = transport

    def bytes(self) -> bytes:
        """All that is in it."""
        if self.blob is None:
            return Path(self.path).read_bytes()
        into = io.BytesIO()
        self._fetch(into)
        return into.getvalue()

    def save(self, path: PathLike) -> Path:
        """Writes it to a path, or under its own name into a folder; gives where it is."""
        place = _place(self, path)
        with _partial(place).open("wb") as file:
            self._fetch(file)
        return _partial(place).replace(place)

    def image(self) -> Any:
        """A PIL image of it, decoded. Needs Pillow."""
        return outputs.image(self.bytes())

    def array(self) -> Any:
        """A NumPy array: of a `.npy` file, or of an image with shape (height, width, channels)."""
        return outputs.array(self.bytes())

    def result(self) -> Any:
        """The type that is natural for it: an image, an array, else bytes."""
        return outputs.content(self, self.bytes())

    def _fetch(self, into: BinaryIO) -> None:
        if self.blob is None:
            into.write(Path(self.path).read_bytes())
        else:
            self._transport.download(_blob(self.blob), into)


class AsyncFile(Stored):
    """`File` for asyncio: what fetches is awaited."""

    def __init__(self, transport: AsyncTransport, where: Whereabouts) -> None:
        super().__init__(where)
        self._transport = transport

    async def bytes(self) -> bytes:
        """All that is in it."""
        into = io.BytesIO()
        await self._fetch(into)
        return into.getvalue()

    async def save(self, path: PathLike) -> Path:
        """Writes it to a path, or under its own name into a folder; gives where it is."""
        place = _place(self, path)
        with _partial(place).open("wb") as file:
            await self._fetch(file)
        return _partial(place).replace(place)

    async def image(self) -> Any:
        """A PIL image of it, decoded. Needs Pillow."""
        return outputs.image(await self.bytes())

    async def array(self) -> Any:
        """A NumPy array: of a `.npy` file, or of an image with shape (height, width, channels)."""
        return outputs.array(await self.bytes())

    async def result(self) -> Any:
        """The type that is natural for it: an image, an array, else bytes."""
        return outputs.content(self, await self.bytes())

    async def _fetch(self, into: BinaryIO) -> None:
        if self.blob is None:
            into.write(await asyncio.to_thread(Path(self.path).read_bytes))
        else:
            await self._transport.download(_blob(self.blob), into)


def value_of(transport: Transport, info: JobInfo) -> Any:
    """A job's result. What was too long to travel within the job is fetched; files in it are not
    before somebody asks."""

    def make_file(where: Whereabouts) -> File:
        return File(transport, where)

    found = outputs.value(info.raw.get("result"), make_file)
    return outputs.long_value(found.bytes(), make_file) if outputs.is_long_value(found) else found


async def value_of_async(transport: AsyncTransport, info: JobInfo) -> Any:
    """`value_of` for asyncio."""

    def make_file(where: Whereabouts) -> AsyncFile:
        return AsyncFile(transport, where)

    found = outputs.value(info.raw.get("result"), make_file)
    if outputs.is_long_value(found):
        return outputs.long_value(await found.bytes(), make_file)
    return found


def contents(value: Any) -> Any:
    """A value with its files fetched and decoded."""
    fetched = {
        id(file): file.result() for file in outputs.files_in(value) if isinstance(file, File)
    }
    return outputs.with_contents(value, fetched)


async def contents_async(value: Any) -> Any:
    """A value with its files fetched and decoded."""
    fetched = {}
    for file in outputs.files_in(value):
        if isinstance(file, AsyncFile):
            fetched[id(file)] = await file.result()
    return outputs.with_contents(value, fetched)


def _blob(blob: Blob) -> Request:
    return Request("GET", f"/v1/blobs/{blob.digest}")


def _place(file: Stored, path: PathLike) -> Path:
    place = Path(path)
    # Of a name only its last part, whatever a handler called its file.
    return place / Path(file.name).name if place.is_dir() else place


def _partial(place: Path) -> Path:
    # A name that a file gets when it is whole, so that nobody finds half of one.
    return place.with_name(f".{place.name}.part")
