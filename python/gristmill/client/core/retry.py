"""When a request that failed is sent again, and after how long."""

from __future__ import annotations

import random
from typing import Optional

import httpx

from gristmill.client.core.request import Request

TRIES = 6
"""Tries of one request in all."""

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.1, 5.0, 60.0
# Answers after which the server has done nothing, whatever was asked.
_UNTOUCHED = frozenset({429, 503})
# Answers of whatever stands between: what was asked may have been done.
_UNCLEAR = frozenset({502, 504})


def pause_after_error(request: Request, tries: int, error: httpx.TransportError) -> Optional[float]:
    """How many seconds to wait after a connection failed; None to give up."""
    never_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return _pause(tries) if request.again or never_sent else None


def pause_after_answer(request: Request, tries: int, answer: httpx.Response) -> Optional[float]:
    """How many seconds to wait after an answer that is an error; None to give up."""
    if answer.status_code in _UNTOUCHED:
        asked = answer.headers.get("retry-after", "")
        # Without the header waiting does not help: a store that has failed stays failed.
        if not asked.isdigit():
            return None
        pause = _pause(tries)
        return None if pause is None else max(pause, min(float(asked), _LONGEST_ASKED))
    return _pause(tries) if answer.status_code in _UNCLEAR and request.again else None


def _pause(tries: int) -> Optional[float]:
    if tries >= TRIES:
        return None
    longest = min(_FIRST_PAUSE * 2.0 ** (tries - 1), _LONGEST_PAUSE)
    # Clients that were refused together must not come back together.
    return longest * random.uniform(0.5, 1.0)
