"""Server-sent events as they come over a connection, line by line."""

from __future__ import annotations

from typing import Optional

from gristmill.client.models import Event, event


class EventLines:
    """Puts lines together to events, and remembers which was the last.

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
