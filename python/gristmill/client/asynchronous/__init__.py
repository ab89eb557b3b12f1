"""The client for asyncio: each call is awaited."""

from __future__ import annotations

from gristmill.client.asynchronous.client import AsyncClient
from gristmill.client.asynchronous.handles import AsyncBatch, AsyncFile, AsyncJob, AsyncResults

__all__ = ["AsyncBatch", "AsyncClient", "AsyncFile", "AsyncJob", "AsyncResults"]
