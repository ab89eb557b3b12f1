"""Pipelines: how a submission names one, how one is defined, and the data that its jobs share.

Data is part of a pipeline's version: other data makes another version, and jobs that were submitted
before keep the data that they were submitted with. It is uploaded once, and handed to each session
once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from gristmill import arrays
from gristmill.client.core.connection import Connection
from gristmill.client.core.files import Blob
from gristmill.client.core.request import Request, as_path
from gristmill.client.core.uploads import upload
from gristmill.errors import GristmillError

Pipeline = Union[str, Sequence[Mapping[str, Any]]]
"""A pipeline's name, or the stages of one of its own."""

Data = Union[bytes, str, os.PathLike[str], Any, None]
"""Bytes, the path of a file, a NumPy array, or None for no data."""


def head(pipeline: Pipeline, **terms: Any) -> dict[str, Any]:
    """What a batch's jobs share, as the server takes it; what is None is left out."""
    named = {"pipeline": pipeline} if isinstance(pipeline, str) else {"stages": list(pipeline)}
    return {**named, **{key: each for key, each in terms.items() if each is not None}}


async def define(connection: Connection, name: str, stages: Iterable[Mapping[str, Any]]) -> int:
    """Defines a pipeline; gives its version."""
    body = {"name": name, "stages": list(stages)}
    raw = await connection.ask(Request("PUT", _path(name), _query(connection), json=body))
    return int(raw["version"])


async def set_data(connection: Connection, pipeline: str, data: Mapping[str, Data]) -> int:
    """Gives a pipeline's sessions data, by the names that its handlers take; gives its version.

    Raises GristmillError where no handler takes data of such a name.
    """
    raw = await connection.ask(Request("GET", _path(pipeline), _query(connection)))
    stages = raw["spec"]["stages"]
    for name, given in data.items():
        blob = None if given is None else await upload(connection, *_content(name, given))
        _bind(pipeline, stages, name, blob)
    return await define(connection, pipeline, stages)


def _path(name: str) -> str:
    """Where the server has a pipeline."""
    return f"/v1/pipelines/{as_path(name)}"


def _query(connection: Connection) -> dict[str, str]:
    """Whose pipeline is meant."""
    return {} if connection.project is None else {"project": connection.project}


def _content(name: str, given: Any) -> tuple[Union[bytes, Path], Optional[str]]:
    """What is uploaded, and what it is called."""
    if isinstance(given, bytes):
        return given, name
    if isinstance(given, (str, os.PathLike)):
        return Path(given), None
    if type(given).__module__.partition(".")[0] == "numpy":
        return arrays.to_npy(given), f"{name}.npy"
    raise TypeError(
        f"data `{name}` is a {type(given).__name__}: expected bytes, a path or a NumPy array"
    )


def _bind(pipeline: str, stages: list[Any], name: str, blob: Optional[Blob]) -> None:
    sessions = [stage["handler"].get("session") for stage in stages]
    takers = [session for session in sessions if session and name in session.get("data", {})]
    if not takers:
        taken = [known for session in sessions if session for known in session.get("data", {})]
        raise GristmillError(
            f"the sessions of `{pipeline}` take {', '.join(taken) or 'no data'}, not `{name}`; "
            'name it in the handler, as @gm.handler(data=["lookup"])'
        )
    for session in takers:
        session["data"][name] = None if blob is None else blob.artifact()
