"""Sends requests and waits for the answers, in the calling thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Optional, TypeVar

import httpx

from gristmill.client.connection import PIECE_BYTES, Connection, body_of
from gristmill.client.request import Request, Steps
from gristmill.client.retry import pause_after_answer, pause_after_error

T = TypeVar("T")


class Transport:
    """A pool of connections to one server. Any thread may use it."""

    def __init__(self, server: Optional[str], token: Optional[str]) -> None:
        self.connection = Connection(server, token)
        self._http = httpx.Client(**self.connection.options)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def run(self, steps: Steps[T]) -> T:
        """Runs steps to their end and gives what they return."""
        try:
            request = next(steps)
            while True:
                try:
                    answer = self.send(request)
                except Exception as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def send(self, request: Request) -> Any:
        """Sends one request, again where that can help; gives the answer's JSON."""
        with self._answered(request) as answer:
            answer.read()
            return body_of(answer)

    @contextmanager
    def lines(self, request: Request) -> Iterator[Iterator[str]]:
        """The lines of an answer, as they arrive."""
        with self._answered(request) as answer:
            yield self._guarded(answer.iter_lines())

    def download(self, request: Request, into: BinaryIO) -> None:
        """Writes the bytes of an answer."""
        with self._answered(request) as answer:
            for piece in self._guarded(answer.iter_bytes(PIECE_BYTES)):
                into.write(piece)

    @contextmanager
    def _answered(self, request: Request) -> Iterator[httpx.Response]:
        """An answer that is no error and whose body is still to be read."""
        answer = self._insist(request)
        try:
            if not answer.is_success:
                answer.read()
                body_of(answer)
            yield answer
        finally:
            answer.close()

    def _insist(self, request: Request) -> httpx.Response:
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._try(request)
                pause = pause_after_answer(request, tries, answer)
                if pause is None:
                    return answer
                answer.close()
            except httpx.TransportError as error:
                pause = pause_after_error(request, tries, error)
                if pause is None:
                    raise self.connection.unreachable(error) from error
            time.sleep(pause)

    def _try(self, request: Request) -> httpx.Response:
        # Of a file each try reads it anew.
        content = _pieces(request.content) if isinstance(request.content, Path) else None
        written = self._http.build_request(**self.connection.written(request, content))
        return self._http.send(written, stream=True)

    def _guarded(self, pieces: Iterator[T]) -> Iterator[T]:
        try:
            yield from pieces
        except httpx.TransportError as error:
            raise self.connection.unreachable(error) from error


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
