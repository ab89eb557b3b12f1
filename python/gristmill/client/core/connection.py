"""Requests to one server and their answers: sent again where that can help, read as JSON, as lines
or as bytes, with errors of the house."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Optional

import httpx

from gristmill.client.core.request import BYTES, Request
from gristmill.client.core.retry import pause_after_answer, pause_after_error
from gristmill.client.core.transport import Transport
from gristmill.errors import BrokenAnswer, GristmillError, Unreachable, problem

if TYPE_CHECKING:
    from gristmill.client.core.files import FileInfo, StoredFile

_DEFAULT_SERVER = "http://127.0.0.1:7077"
_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_CONNECTIONS = 16


class Connection:
    """A server, and who asks it.

    Attributes:
        project: whose work is submitted; None for the server's default.
        transport: how requests travel.
    """

    def __init__(
        self,
        make_transport: Callable[[dict[str, Any]], Transport],
        make_file: Callable[[Connection, FileInfo], StoredFile],
        server: Optional[str],
        token: Optional[str],
        project: Optional[str],
    ) -> None:
        """
        Arguments:
            make_transport: takes the options of an `httpx.Client`.
            make_file: makes the object for a file in a result.
        """
        url = server or os.environ.get("GRISTMILL_SERVER") or _DEFAULT_SERVER
        self._server = url.rstrip("/")
        if not self._server.startswith(("http://", "https://")):
            raise GristmillError(f"{url} is no URL of a server; write one like {_DEFAULT_SERVER}")
        token = token or os.environ.get("GRISTMILL_TOKEN")
        self.transport = make_transport(
            {
                "base_url": self._server,
                "headers": {"Authorization": f"Bearer {token}"} if token else {},
                "timeout": httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
                "limits": httpx.Limits(max_connections=_CONNECTIONS),
            }
        )
        self.project = project
        self._make_file = make_file

    def file(self, info: FileInfo) -> StoredFile:
        """The object by which users reach a file."""
        return self._make_file(self, info)

    async def ask(self, request: Request) -> Any:
        """Sends a request; gives the JSON of the answer. Raises the Problem that it reports."""
        async with self._answered(request) as answer:
            await self.transport.read(answer)
            return body_of(answer)

    @asynccontextmanager
    async def lines(self, request: Request) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an answer, as they arrive."""
        async with self._answered(request) as answer:
            with self._connected():
                yield self.transport.lines(answer)

    async def download(self, request: Request, into: BinaryIO) -> None:
        """Writes the bytes of an answer."""
        async with self._answered(request) as answer:
            with self._connected():
                async for chunk in self.transport.chunks(answer):
                    await self.transport.disk(partial(into.write, chunk))

    @asynccontextmanager
    async def _answered(self, request: Request) -> AsyncIterator[httpx.Response]:
        """An answer that is no error and whose body is still to be read."""
        answer = await self._send(request)
        try:
            if not answer.is_success:
                await self.transport.read(answer)
                body_of(answer)
            yield answer
        finally:
            await self.transport.release(answer)

    async def _send(self, request: Request) -> httpx.Response:
        """Sends a request until there is an answer with which to go on."""
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self.transport.send(self._arguments(request))
                pause = pause_after_answer(request, tries, answer)
                if pause is None:
                    return answer
                await self.transport.release(answer)
            except httpx.TransportError as error:
                pause = pause_after_error(request, tries, error)
                if pause is None:
                    raise self._unreachable(error) from error
            await self.transport.sleep(pause)

    def _arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of httpx for a request."""
        arguments: dict[str, Any] = {
            "method": request.method,
            "url": request.path,
            "params": dict(request.query),
            "headers": dict(request.headers),
            "timeout": httpx.Timeout(_SECONDS + request.wait, connect=_CONNECT_SECONDS),
        }
        content = request.content
        if content is not None:
            # Each try reads a file anew.
            body = self.transport.file_body(content) if isinstance(content, Path) else content
            arguments["content"] = body
            arguments["headers"].setdefault("Content-Type", BYTES)
        elif request.json is not None:
            arguments["json"] = request.json
        return arguments

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Raises Unreachable where the connection breaks."""
        try:
            yield
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        why = str(error) or type(error).__name__
        return Unreachable(
            f"{self._server} does not answer ({why}); start one with `gristmill serve`, or name "
            "another with gm.Client(server=...) or GRISTMILL_SERVER"
        )


def body_of(answer: httpx.Response) -> Any:
    """The JSON of an answer. Raises the Problem that it reports."""
    if answer.is_success:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise BrokenAnswer(
                f"{answer.url} answered something that is not JSON; is it a gristmill server?"
            ) from error
    try:
        reported = answer.json()
    except ValueError:
        reported = None
    raise problem(answer.status_code, reported)
