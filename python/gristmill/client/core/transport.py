"""What the core asks of the world: network, clock, disk, and the caller's iterables.

Each client has an implementation of its own; nothing else differs between them.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, Callable, Protocol, TypeVar, Union

import httpx

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
"""Bytes of a file that are in memory at once."""


class Transport(Protocol):
    """A pool of connections to one server, and ways to wait."""

    async def send(self, arguments: Mapping[str, Any]) -> httpx.Response:
        """Sends what `httpx.Client.build_request` makes of the arguments. The body of the response
        is still to be read. Raises httpx.TransportError."""

    async def read(self, response: httpx.Response) -> None:
        """Reads the whole body into the response."""

    def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        """The body's lines, as they arrive."""

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body's bytes, as they arrive."""

    async def release(self, response: httpx.Response) -> None:
        """Gives the connection of a response back, whether its body was read or not."""

    def file_body(self, path: Path) -> Union[Iterable[bytes], AsyncIterable[bytes]]:
        """A file's bytes, as the body of one request."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    async def disk(self, work: Callable[[], T]) -> T:
        """Does work that may wait for a disk."""

    def iterate(self, source: Any) -> AsyncIterator[Any]:
        """What the caller's iterable gives. Raises TypeError for a kind that the client does not
        take."""

    async def close(self) -> None:
        """Closes the connections."""


class Plain(AsyncIterator[T]):
    """An ordinary iterator, as the core iterates."""

    def __init__(self, source: Iterable[T]) -> None:
        self._iterator = iter(source)

    async def __anext__(self) -> T:
        try:
            return next(self._iterator)
        except StopIteration:
            raise StopAsyncIteration from None
