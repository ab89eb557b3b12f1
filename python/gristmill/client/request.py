"""A request to the server before anybody sends it, and steps: what needs several of them.

Steps are generators that yield requests and are sent the answers. They know what to ask and in
which order; the blocking and the asynchronous transport run the same ones.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, TypeVar, Union

T = TypeVar("T")

Steps = Generator["Request", Any, T]
"""Asks one thing after the other, and returns what came of it."""

LINES = "application/x-ndjson"
BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        query: what follows the `?`.
        content: the body as it is sent; a path stands for the file's bytes.
        json: the body as a JSON value, where there is no `content`.
        again: whether sending it twice does no more than sending it once.
        wait: how many seconds the server may take before it answers, beyond the ordinary.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: Union[bytes, Path, None] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = True
    wait: float = 0.0


def get(path: str, wait: float = 0.0, **query: Optional[str]) -> Request:
    """A question. With `wait` the server answers later, once there is something to tell."""
    asked = {key: value for key, value in query.items() if value is not None}
    if wait > 0:
        asked["wait"] = f"{max(round(wait * 1_000), 1)}ms"
    return Request("GET", path, asked, wait=wait)
