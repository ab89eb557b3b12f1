"""Events as they happen, over a connection that is made anew where it breaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Optional

from gristmill.client.core.connection import Connection
from gristmill.client.core.models import Event, event
from gristmill.client.core.request import Request, as_path
from gristmill.client.core.retry import TRIES
from gristmill.errors import Unreachable


async def follow(connection: Connection, batch: Optional[str]) -> AsyncGenerator[Event, None]:
    """Events of a batch or of everything. A broken connection is resumed after the last event."""
    reader, failures = EventReader(), 0
    while True:
        try:
            async with connection.lines(_request(batch, reader.last)) as lines:
                async for line in lines:
                    found = reader.take(line)
                    if found is not None:
                        failures = 0
                        yield found
        except Unreachable:
            failures += 1
            if failures >= TRIES:
                raise


class EventReader:
    """Puts the lines of server-sent events together.

    Attributes:
        last: the number of the last event, to go on after it over another connection.
    """

    def __init__(self) -> None:
        self.last: Optional[int] = None
        self._data: list[str] = []

    def take(self, line: str) -> Optional[Event]:
        """Takes a line; gives the event that it completes, if it does."""
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "id" and value.isdigit():
            self.last = int(value)
        elif not line and self._data:
            data = "\n".join(self._data)
            self._data.clear()
            return event(data)
        return None


def _request(batch: Optional[str], after: Optional[int]) -> Request:
    path = "/v1/events" if batch is None else f"/v1/batches/{as_path(batch)}/events"
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    # The server sends something every few seconds, so that the ordinary timeout is enough.
    return Request("GET", path, headers={**headers, "Accept": "text/event-stream"})
