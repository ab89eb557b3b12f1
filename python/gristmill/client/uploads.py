"""Brings bytes to the server's store. Which values become blobs is for `inputs`."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from gristmill.client.connection import PIECE_BYTES
from gristmill.client.request import Request, Steps
from gristmill.errors import GristmillError, NoSuchBlob

_POSTED_BYTES = 16 * 1024 * 1024
"""Bytes that the server takes without their digest."""


class Blob(NamedTuple):
    """Bytes in the server's store, and what a file of them is called."""

    digest: str
    size: int
    name: str
    media: str

    def marked(self) -> dict[str, Any]:
        """As a value within an input."""
        told = {"digest": self.digest, "name": self.name, "size": self.size, "media": self.media}
        return {"$blob": told}

    def artifact(self) -> dict[str, Any]:
        """As the whole of an input."""
        return {"name": self.name, "size": self.size, "place": {"blob": self.digest}}


class Whereabouts(NamedTuple):
    """What is told of a file, and where it is."""

    name: str
    size: int
    media: str
    blob: Optional[Blob]
    path: str


class Stored:
    """A file that is in the server's store already, or on a disk that the server's workers share.

    Attributes:
        name: what it is called, without folders.
        size: its length in bytes.
        media: what kind of media it is, such as `image/png`.
        blob: the blob; None where it lies at `path`.
        path: where it lies on a shared disk; empty where it is a blob.
    """

    def __init__(self, where: Whereabouts) -> None:
        self.name, self.size, self.media, self.blob, self.path = where

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.size} bytes, {self.media})"


def upload(
    source: Union[bytes, Path], name: Optional[str] = None, media: Optional[str] = None
) -> Steps[Blob]:
    """Stores bytes, or a file's; what is there already is not sent again.

    Raises GristmillError where a file is missing, or is too large to be sent without `blake3`.
    """
    size = _size(source)
    name = name or (source.name if isinstance(source, Path) else "input.bin")
    media = media or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = _digest(source)
    if digest is None:
        if size > _POSTED_BYTES:
            raise GristmillError(
                f"{name} has {size} bytes; beyond {_POSTED_BYTES} the digest is needed to send it: "
                "pip install blake3"
            )
        digest = (yield Request("POST", "/v1/blobs", content=source))["digest"]
    elif not (yield from _is_there(digest)):
        yield Request("PUT", f"/v1/blobs/{digest}", content=source)
    return Blob(digest, size, name, media)


def _is_there(digest: str) -> Steps[bool]:
    try:
        yield Request("HEAD", f"/v1/blobs/{digest}")
    except NoSuchBlob:
        return False
    except GristmillError as error:
        # A HEAD has no body that could name the problem.
        if getattr(error, "status", None) == 404:
            return False
        raise
    return True


def _size(source: Union[bytes, Path]) -> int:
    if isinstance(source, bytes):
        return len(source)
    if not source.is_file():
        raise GristmillError(f"there is no file {source}")
    return source.stat().st_size


def _digest(source: Union[bytes, Path]) -> Optional[str]:
    try:
        from blake3 import blake3
    except ImportError:
        return None
    hasher = blake3()
    if isinstance(source, bytes):
        hasher.update(source)
    else:
        with source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                hasher.update(piece)
    return f"b3-{hasher.hexdigest()}"
