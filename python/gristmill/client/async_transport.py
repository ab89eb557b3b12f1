"""Sends requests and awaits the answers: `transport` for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Optional, TypeVar

import httpx

from gristmill.client.connection import PIECE_BYTES, Connection, body_of
from gristmill.client.request import Request, Steps
from gristmill.client.retry import pause_after_answer, pause_after_error

T = TypeVar("T")


class AsyncTransport:
    """A pool of connections to one server, for one event loop."""

    def __init__(self, server: Optional[str], token: Optional[str]) -> None:
        self.connection = Connection(server, token)
        self._http = httpx.AsyncClient(**self.connection.options)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def run(self, steps: Steps[T]) -> T:
        """Runs steps to their end and gives what they return."""
        try:
            request = next(steps)
            while True:
                try:
                    answer = await self.send(request)
                except Exception as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def send(self, request: Request) -> Any:
        """Sends one request, again where that can help; gives the answer's JSON."""
        async with self._answered(request) as answer:
            await answer.aread()
            return body_of(answer)

    @asynccontextmanager
    async def lines(self, request: Request) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an answer, as they arrive."""
        async with self._answered(request) as answer:
            yield self._guarded(answer.aiter_lines())

    async def download(self, request: Request, into: BinaryIO) -> None:
        """Writes the bytes of an answer."""
        async with self._answered(request) as answer:
            async for piece in self._guarded(answer.aiter_bytes(PIECE_BYTES)):
                await asyncio.to_thread(into.write, piece)

    @asynccontextmanager
    async def _answered(self, request: Request) -> AsyncIterator[httpx.Response]:
        """An answer that is no error and whose body is still to be read."""
        answer = await self._insist(request)
        try:
            if not answer.is_success:
                await answer.aread()
                body_of(answer)
            yield answer
        finally:
            await answer.aclose()

    async def _insist(self, request: Request) -> httpx.Response:
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self._try(request)
                pause = pause_after_answer(request, tries, answer)
                if pause is None:
                    return answer
                await answer.aclose()
            except httpx.TransportError as error:
                pause = pause_after_error(request, tries, error)
                if pause is None:
                    raise self.connection.unreachable(error) from error
            await asyncio.sleep(pause)

    async def _try(self, request: Request) -> httpx.Response:
        # Of a file each try reads it anew.
        content = _pieces(request.content) if isinstance(request.content, Path) else None
        written = self._http.build_request(**self.connection.written(request, content))
        return await self._http.send(written, stream=True)

    async def _guarded(self, pieces: AsyncIterator[T]) -> AsyncIterator[T]:
        try:
            async for piece in pieces:
                yield piece
        except httpx.TransportError as error:
            raise self.connection.unreachable(error) from error


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
