"""Waits by blocking the calling thread."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, TypeVar

import httpx

from gristmill.client.core.transport import CHUNK_BYTES, Plain, Transport

T = TypeVar("T")


class BlockingTransport(Transport):
    """A pool of connections to one server. Any thread may use it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._http = httpx.Client(**options)

    async def send(self, arguments: Mapping[str, Any]) -> httpx.Response:
        return self._http.send(self._http.build_request(**arguments), stream=True)

    async def read(self, response: httpx.Response) -> None:
        response.read()

    def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        return Plain(response.iter_lines())

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        return Plain(response.iter_bytes(CHUNK_BYTES))

    async def release(self, response: httpx.Response) -> None:
        response.close()

    def file_body(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def disk(self, work: Callable[[], T]) -> T:
        return work()

    def iterate(self, source: Any) -> AsyncIterator[Any]:
        return Plain(source)

    async def close(self) -> None:
        self._http.close()
