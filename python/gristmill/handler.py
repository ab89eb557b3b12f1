"""The decorator by which an application says how a function wants to be run.

It only notes the author's words on the function. Reading the function's hints is for `signature`,
and running it for `host`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, TypeVar, overload

from gristmill.units import Size, Span, in_bytes, milliseconds, thousandths

Target = TypeVar("Target", bound=Callable[..., Any])

_MARK = "__gristmill__"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LARGEST_BATCH = 1_024


@dataclass(frozen=True)
class Options:
    """What an author said of a handler, in the units of the contract with workers."""

    name: Optional[str] = None
    gpus: Optional[int] = None
    vram: Optional[int] = None
    cpus: Optional[int] = None
    memory: Optional[int] = None
    batch: int = 1
    batch_wait_ms: int = 0
    timeout_ms: Optional[int] = None
    attempts: Optional[int] = None
    pinned: bool = False
    data: tuple[str, ...] = ()


@overload
def handler(target: Target) -> Target: ...


@overload
def handler(
    *,
    name: Optional[str] = None,
    gpus: Optional[float] = None,
    vram: Optional[Size] = None,
    cpus: Optional[float] = None,
    memory: Optional[Size] = None,
    batch: int = 1,
    batch_wait: Span = 0,
    timeout: Optional[Span] = None,
    attempts: Optional[int] = None,
    pinned: bool = False,
    data: Sequence[str] = (),
) -> Callable[[Target], Target]: ...


def handler(
    target: Optional[Target] = None,
    *,
    name: Optional[str] = None,
    gpus: Optional[float] = None,
    vram: Optional[Size] = None,
    cpus: Optional[float] = None,
    memory: Optional[Size] = None,
    batch: int = 1,
    batch_wait: Span = 0,
    timeout: Optional[Span] = None,
    attempts: Optional[int] = None,
    pinned: bool = False,
    data: Sequence[str] = (),
) -> Any:
    """Says how gristmill is to run a function or a class. The function stays what it is.

    Arguments:
        name: what jobs call it: letters, digits, `.`, `_`, `-`; by default the function's name.
        gpus: how many GPUs a session gets; 0.5 is half of one.
        vram: device memory that a session books, in bytes or as `8GiB`.
        cpus: how many CPUs a session books.
        memory: main memory that a session books, in bytes or as `4GiB`.
        batch: jobs of one call at most. Beyond 1 each parameter is a list with an element for each
            job, and the function gives a list of that length.
        batch_wait: how long a call waits for more jobs, in seconds or as `20ms`.
        timeout: how long a call may take, in seconds or as `10m`.
        attempts: how often a job is tried in all.
        pinned: keep the session even where another needs its room.
        data: names of data that all calls share; `gm.data(name)` and `setup(data)` give the files.

    Raises ValueError where one of them cannot be.
    """
    options = Options(
        name=_checked_name(name),
        gpus=None if gpus is None else thousandths(gpus, "gpus"),
        vram=None if vram is None else in_bytes(vram),
        cpus=None if cpus is None else thousandths(cpus, "cpus"),
        memory=None if memory is None else in_bytes(memory),
        batch=_counted("batch", batch, _LARGEST_BATCH),
        batch_wait_ms=milliseconds(batch_wait),
        timeout_ms=None if timeout is None else milliseconds(timeout),
        attempts=None if attempts is None else _counted("attempts", attempts, 100),
        pinned=pinned,
        data=tuple(data),
    )

    def note(target: Target) -> Target:
        setattr(target, _MARK, options)
        return target

    return note if target is None else note(target)


def options_of(target: object) -> Options:
    """What was said of a function or class; the defaults where it is not decorated."""
    # A class must not inherit what was said of its base.
    noted = vars(target).get(_MARK) if hasattr(target, "__dict__") else None
    return noted if isinstance(noted, Options) else Options()


def is_decorated(target: object) -> bool:
    """Whether somebody put the decorator on it."""
    return hasattr(target, "__dict__") and _MARK in vars(target)


def _checked_name(name: Optional[str]) -> Optional[str]:
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"name={name!r}: use up to 128 letters, digits, `.`, `_`, `-`")
    return name


def _counted(what: str, count: int, most: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ValueError(f"{what}={count!r}: expected a whole number from 1 to {most}")
    return count
