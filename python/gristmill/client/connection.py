"""What both transports share: where the server is, how a request is written for httpx, and what an
answer means."""

from __future__ import annotations

import os
from typing import Any, Optional

import httpx

from gristmill.client.request import BYTES, Request
from gristmill.errors import BrokenAnswer, GristmillError, Unreachable, problem

_DEFAULT_SERVER = "http://127.0.0.1:7077"
_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_CONNECTIONS = 16
PIECE_BYTES = 1024 * 1024
"""Bytes of a file that are in memory at once."""


class Connection:
    """A server, and who asks it."""

    def __init__(self, server: Optional[str], token: Optional[str]) -> None:
        url = server or os.environ.get("GRISTMILL_SERVER") or _DEFAULT_SERVER
        self.server = url.rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            raise GristmillError(f"{url} is no URL of a server; write one like {_DEFAULT_SERVER}")
        token = token or os.environ.get("GRISTMILL_TOKEN")
        self.options: dict[str, Any] = {
            "base_url": self.server,
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "timeout": httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
            "limits": httpx.Limits(max_connections=_CONNECTIONS),
        }

    def written(self, request: Request, content: Any = None) -> dict[str, Any]:
        """The arguments of httpx for a request."""
        said: dict[str, Any] = {
            "method": request.method,
            "url": request.path,
            "params": dict(request.query),
            "headers": dict(request.headers),
            "timeout": httpx.Timeout(_SECONDS + request.wait, connect=_CONNECT_SECONDS),
        }
        content = request.content if content is None else content
        if content is not None:
            said["content"] = content
            said["headers"].setdefault("Content-Type", BYTES)
        elif request.json is not None:
            said["json"] = request.json
        return said

    def unreachable(self, error: httpx.TransportError) -> Unreachable:
        """Of a connection that failed for good."""
        why = str(error) or type(error).__name__
        return Unreachable(
            f"{self.server} does not answer ({why}); start one with `gristmill serve`, or name "
            "another with gm.Client(server=...) or GRISTMILL_SERVER"
        )


def body_of(answer: httpx.Response) -> Any:
    """What an answer says. Raises the Problem that it tells of."""
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
        told = answer.json()
    except ValueError:
        told = None
    raise problem(answer.status_code, told)
