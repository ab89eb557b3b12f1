"""Waits by suspending the calling task of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Callable, TypeVar

import httpx

from gristmill.client.core.transport import CHUNK_BYTES, Plain, Transport

T = TypeVar("T")


class AsyncTransport(Transport):
    """A pool of connections to one server, for one event loop."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._http = httpx.AsyncClient(**options)

    async def send(self, arguments: Mapping[str, Any]) -> httpx.Response:
        return await self._http.send(self._http.build_request(**arguments), stream=True)

    async def read(self, response: httpx.Response) -> None:
        await response.aread()

    def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        return response.aiter_lines()

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        return response.aiter_bytes(CHUNK_BYTES)

    async def release(self, response: httpx.Response) -> None:
        await response.aclose()

    async def file_body(self, path: Path) -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def disk(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    def iterate(self, source: Any) -> AsyncIterator[Any]:
        return source.__aiter__() if isinstance(source, AsyncIterable) else Plain(source)

    async def close(self) -> None:
        await self._http.aclose()
