"""Shared, GPU-aware job processing: write a function, and let many people use it at once.

    import gristmill as gm

    @gm.handler(gpus=1, batch=8, batch_wait="20ms")
    def generate(prompts: list[str]) -> list[Image]: ...

    with gm.Client() as client:
        for image in client.map("generate", prompts):
            ...

The decorator leaves the function as it is. The client is imported when it is first asked for, so
that a session's start does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gristmill import errors
from gristmill.context import cancelled, data, log, progress
from gristmill.errors import GristmillError, InvalidInput, JobFailed, OutOfMemory, Problem
from gristmill.handler import handler

if TYPE_CHECKING:
    from gristmill.client import AsyncClient, AsyncFile, Client, File

__all__ = [
    "AsyncClient",
    "AsyncFile",
    "Client",
    "File",
    "GristmillError",
    "InvalidInput",
    "JobFailed",
    "OutOfMemory",
    "Problem",
    "cancelled",
    "data",
    "errors",
    "handler",
    "log",
    "progress",
]


def __getattr__(name: str) -> Any:
    if name in ("AsyncClient", "AsyncFile", "Client", "File"):
        from gristmill import client

        return getattr(client, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("gristmill")
    raise AttributeError(f"module 'gristmill' has no attribute {name!r}")
