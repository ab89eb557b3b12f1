"""A request to the server before it is sent, and ids as they stand in paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from gristmill.errors import GristmillError

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
    """A GET. With `wait` seconds the server answers later: once something has changed."""
    given = {key: value for key, value in query.items() if value is not None}
    if wait > 0:
        given["wait"] = f"{max(round(wait * 1_000), 1)}ms"
    return Request("GET", path, given, wait=wait)


def as_path(name: str) -> str:
    """An id or name as part of a path: `b3/17` is written `b3.17` there."""
    written = name.replace("/", ".")
    if not written or not all(each.isalnum() or each in "._-" for each in written):
        raise GristmillError(f"`{name}` is no id or name; ids look like j17, b3 or b3/17")
    return written
