"""Data that all jobs of a pipeline share: it is uploaded once, and handed to each session once.

Data is part of a pipeline's version: other data makes another version, and jobs that were submitted
before keep the data that they were submitted with.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional, Union

from gristmill.client.operations import as_path, define
from gristmill.client.request import Request, Steps
from gristmill.client.uploads import Blob, upload
from gristmill.errors import GristmillError

Data = Union[bytes, str, os.PathLike[str], Any, None]
"""Bytes, the path of a file, a NumPy array, or None for no data."""


def set_data(pipeline: str, data: Mapping[str, Data], project: Optional[str]) -> Steps[int]:
    """Gives a pipeline's sessions data, by the names that its handlers take; gives its version.

    Raises GristmillError where no handler takes data of such a name.
    """
    query = {} if project is None else {"project": project}
    raw = yield Request("GET", f"/v1/pipelines/{as_path(pipeline)}", query)
    stages = raw["spec"]["stages"]
    for name, given in data.items():
        blob = None if given is None else (yield from upload(*_content(name, given)))
        _bind(pipeline, stages, name, blob)
    return (yield from define(pipeline, stages, project))


def _content(name: str, given: Any) -> tuple[Union[bytes, Path], Optional[str]]:
    """What is uploaded, and what it is called."""
    if isinstance(given, bytes):
        return given, name
    if isinstance(given, (str, os.PathLike)):
        return Path(given), None
    if type(given).__module__.partition(".")[0] == "numpy":
        import numpy

        file = io.BytesIO()
        numpy.save(file, given, allow_pickle=False)
        return file.getvalue(), f"{name}.npy"
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
