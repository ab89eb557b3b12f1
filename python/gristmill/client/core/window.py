"""The jobs of a map that are on their way: how many may be, which of them are done, and what to ask
for next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gristmill.client.core.connection import Connection
from gristmill.client.core.models import FINAL, JobInfo, job_info
from gristmill.client.core.request import get
from gristmill.client.core.waiting import WAIT_SECONDS
from gristmill.errors import GristmillError

LARGEST = 1_000
"""Jobs on their way at most: as many as one page of the server shows."""

_FIRST_LOOK, _LAST_LOOK = 0.02, 0.5


class Sent(Protocol):
    """Jobs of one batch that were sent; more may follow."""

    @property
    def id(self) -> str:
        """The batch."""

    @property
    def count(self) -> int:
        """How many jobs it has by now."""


@dataclass(frozen=True)
class WholeBatch:
    """A batch to which nothing is added any more."""

    id: str
    count: int


class Window:
    """A bounded number of jobs of one batch, in the order of submission or as they end."""

    def __init__(
        self, connection: Connection, submission: Sent, size: int, *, ordered: bool
    ) -> None:
        if not 1 <= size <= LARGEST:
            raise GristmillError(f"window={size}: use 1 to {LARGEST}")
        self._connection = connection
        self._submission = submission
        self._size = size
        self._ordered = ordered
        self._taken = 0
        # All jobs up to this one have been taken; beyond it those in `_ahead`.
        self._behind = ""
        self._ahead: dict[str, None] = {}
        self._look = _FIRST_LOOK

    @property
    def outstanding(self) -> int:
        """Jobs that were sent and whose results were not taken."""
        return self._submission.count - self._taken

    @property
    def room(self) -> int:
        """How many more may be sent; 0 until a good part is free, so that few requests carry many.

        Those taken ahead of an older one count too, so that what is remembered of them is bounded.
        """
        free = self._size - self.outstanding - len(self._ahead)
        return free if free >= max(self._size // 4, 1) else 0

    async def advance(self, *, wait: bool) -> list[JobInfo]:
        """Jobs that have ended, whose turn it is; with `wait` at least one of them."""
        while True:
            ended = await (self._next_in_order() if self._ordered else self._next_to_end())
            if ended or not wait:
                self._taken += len(ended)
                return ended
            await self._wait_for_oldest()

    async def _next_in_order(self) -> list[JobInfo]:
        page = await self._page()
        ended = list(_while_final(page))
        if ended:
            self._behind = ended[-1].id
        return ended

    async def _next_to_end(self) -> list[JobInfo]:
        known = ",".join(self._ahead)
        ended = await self._page(f" state={','.join(FINAL)}" + (f" id!={known}" if known else ""))
        self._ahead.update((job.id, None) for job in ended)
        if ended:
            self._look = _FIRST_LOOK
            await self._move_on()
        return ended

    async def _move_on(self) -> None:
        """Lets go of those that were taken and have no open job before them."""
        for job in await self._page():
            if job.id not in self._ahead:
                return
            del self._ahead[job.id]
            self._behind = job.id

    async def _wait_for_oldest(self) -> None:
        """Lets the server wake us once the oldest job has ended; any other may end before."""
        seconds = WAIT_SECONDS if self._ordered else self._look
        self._look = min(self._look * 2, _LAST_LOOK)
        oldest = await self._page(limit=1)
        if oldest and not oldest[0].is_final:
            await self._connection.ask(get(f"/v1/jobs/{oldest[0].id}", wait=seconds))

    async def _page(self, terms: str = "", limit: int = LARGEST) -> list[JobInfo]:
        request = get(
            "/v1/jobs",
            filter=f"batch={self._submission.id}{terms}",
            after=self._behind or None,
            limit=str(min(limit, max(self.outstanding, 1) + len(self._ahead))),
        )
        page = await self._connection.ask(request)
        return [job_info(raw) for raw in page["items"]]


def _while_final(jobs: list[JobInfo]) -> Iterator[JobInfo]:
    for job in jobs:
        if not job.is_final:
            return
        yield job
