"""Spans of time and sizes of memory as people write them: `20ms`, `10m`, `8GiB`.

What a number is for (a batch's wait, a session's memory) is the caller's business.
"""

from __future__ import annotations

import re
from typing import Union

Span = Union[int, float, str]
"""A number of seconds, or a text such as `20ms`, `1.5s`, `10m`, `2h`, `1d`."""

Size = Union[int, str]
"""A number of bytes, or a text such as `512MiB`, `8GiB`, `24GB`."""

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")


def milliseconds(span: Span) -> int:
    """A span in whole milliseconds.

    Raises ValueError where it is negative or not written like `20ms`.
    """
    if isinstance(span, str):
        return _scaled(span, _MILLISECONDS, "a span of time, such as `20ms` or `10m`")
    if isinstance(span, bool) or span < 0:
        raise ValueError(f"{span!r} is not a span of time: write seconds, or a text such as `20ms`")
    return round(span * 1_000)


def in_bytes(size: Size) -> int:
    """A size in bytes.

    Raises ValueError where it is negative or not written like `8GiB`.
    """
    if isinstance(size, str):
        return _scaled(size, _BYTES, "a size, such as `512MiB` or `8GiB`")
    if isinstance(size, bool) or size < 0:
        raise ValueError(f"{size!r} is not a size: write bytes, or a text such as `8GiB`")
    return size


def thousandths(amount: float, what: str) -> int:
    """An amount of CPUs or GPUs in thousandths, in which all of gristmill books them."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not amount >= 0:
        raise ValueError(f"{what}={amount!r}: expected a number that is not negative, such as 0.5")
    return round(amount * 1_000)


def _scaled(text: str, units: dict[str, int], wanted: str) -> int:
    match = _WRITTEN.fullmatch(text)
    unit = units.get(match.group(2).lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not {wanted}; the units are {', '.join(units)}")
    return round(float(match.group(1)) * unit)
