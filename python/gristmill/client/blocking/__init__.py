"""The client for ordinary programs: each call waits for the server."""

from __future__ import annotations

from gristmill.client.blocking.client import Client
from gristmill.client.blocking.handles import Batch, File, Job, Results

__all__ = ["Batch", "Client", "File", "Job", "Results"]
