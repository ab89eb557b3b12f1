"""Brings bytes to the server's store. Which values become blobs is for `inputs`."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Optional, Union

from gristmill.client.core.connection import Connection
from gristmill.client.core.files import Blob, PathLike
from gristmill.client.core.request import Request
from gristmill.client.core.transport import CHUNK_BYTES
from gristmill.errors import GristmillError, NoSuchBlob

_POSTED_BYTES = 16 * 1024 * 1024
"""Bytes that the server takes without their digest."""


async def upload(
    connection: Connection,
    source: Union[bytes, PathLike],
    name: Optional[str] = None,
    media: Optional[str] = None,
) -> Blob:
    """Stores bytes, or a file's; what is there already is not sent again.

    Raises GristmillError where a file is missing, or is too large to be sent without `blake3`.
    """
    source = source if isinstance(source, bytes) else Path(source)
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
        digest = (await connection.ask(Request("POST", "/v1/blobs", content=source)))["digest"]
    elif not await _is_there(connection, digest):
        await connection.ask(Request("PUT", f"/v1/blobs/{digest}", content=source))
    return Blob(digest, size, name, media)


async def _is_there(connection: Connection, digest: str) -> bool:
    try:
        await connection.ask(Request("HEAD", f"/v1/blobs/{digest}"))
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
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
    return f"b3-{hasher.hexdigest()}"
