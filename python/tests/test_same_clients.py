"""Holds the two public clients together: the same methods, parameters, results and words, but for
what is awaited."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Optional

import pytest

from gristmill.client import asynchronous, blocking

PAIRS = [(name, f"Async{name}") for name in blocking.__all__]

# What Python itself calls otherwise where it awaits.
PROTOCOL = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
ALWAYS = {"__init__", *PROTOCOL, *PROTOCOL.values()}

# They ask the server nothing, so that there is nothing to await.
NEVER_AWAITED = {"__init__", "__iter__"}

# Each shows a call as it is written with its client.
OTHER_EXAMPLE = {"call"}


def drift(plain: type, awaited: type) -> list[str]:
    """In which ways a class and its counterpart for asyncio are not the same."""
    ours, theirs = _methods(plain), _methods(awaited)
    found = [f"only one has {name}" for name in sorted(set(ours) ^ set(theirs))]
    for name in sorted(set(ours) & set(theirs)):
        one, other = ours[name], theirs[name]
        if _shape(one) != _shape(other):
            found.append(f"{name} is {_shape(one)}, and for asyncio {_shape(other)}")
        if inspect.iscoroutinefunction(one):
            found.append(f"{name} of the blocking client must be awaited")
        if inspect.iscoroutinefunction(other) != _must_be_awaited(name, awaited, other):
            found.append(f"{name} of the client for asyncio: awaited or not?")
        if name not in OTHER_EXAMPLE and _words(one) != _words(other):
            found.append(f"{name} is described otherwise")
    return found


def _methods(cls: type) -> dict[str, Any]:
    """Public methods and properties, by the name that the blocking client has for them."""
    found: dict[str, Any] = {}
    for name in dir(cls):
        if not name.startswith("_") or name in ALWAYS:
            member = inspect.getattr_static(cls, name)
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function):
                found[PROTOCOL.get(name, name)] = function
    return found


def _shape(function: Any) -> str:
    """Parameters and result, as they are written."""
    return _neutral(str(inspect.signature(function)))


def _words(function: Any) -> str:
    return _neutral(function.__doc__ or "")


def _neutral(text: str) -> str:
    """A text without what sets asyncio apart."""
    text = re.sub(r"\bAsync(?=[A-Z])", "", text)
    return re.sub(r"Union\[(Iterable\[\w+\]), \1\]", r"\1", text)


def _must_be_awaited(name: str, cls: type, function: Any) -> bool:
    """All must that do not give at once what will itself be awaited or iterated."""
    gives_handle = str(inspect.signature(function).return_annotation).startswith("Async")
    is_property = isinstance(inspect.getattr_static(cls, name, None), property)
    if name in ("__enter__", "submit", "upload"):
        return True  # they give a handle, but ask the server first
    return not (gives_handle or is_property or name in NEVER_AWAITED)


def test_each_class_has_a_counterpart() -> None:
    assert sorted(other for _, other in PAIRS) == sorted(asynchronous.__all__)


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_the_clients_are_the_same(plain: str, awaited: str) -> None:
    assert drift(getattr(blocking, plain), getattr(asynchronous, awaited)) == []


class _Plain:
    """What the classes below have drifted from."""

    def info(self, name: str, *, wait: float = 0.0) -> int:
        """How it stands."""
        return 0

    def lines(self) -> Iterator[str]:
        """Its lines."""
        return iter(())


class _Same:
    async def info(self, name: str, *, wait: float = 0.0) -> int:
        """How it stands."""
        return 0

    async def lines(self) -> AsyncIterator[str]:
        """Its lines."""
        yield ""


class _Missing:
    async def lines(self) -> AsyncIterator[str]:
        """Its lines."""
        yield ""


class _More(_Same):
    async def cancel(self) -> None: ...


class _OtherParameter(_Same):
    async def info(self, id: str, *, wait: float = 0.0) -> int:
        """How it stands."""
        return 0


class _OtherDefault(_Same):
    async def info(self, name: str, *, wait: float = 1.0) -> int:
        """How it stands."""
        return 0


class _OtherKind(_Same):
    async def info(self, name: str, wait: float = 0.0) -> int:
        """How it stands."""
        return 0


class _OtherResult(_Same):
    async def info(self, name: str, *, wait: float = 0.0) -> Optional[int]:  # type: ignore[override]
        """How it stands."""
        return 0


class _NotAwaited(_Same):
    def info(self, name: str, *, wait: float = 0.0) -> int:  # type: ignore[override]
        """How it stands."""
        return 0


class _OtherWords(_Same):
    async def info(self, name: str, *, wait: float = 0.0) -> int:
        """How it stood."""
        return 0


def test_no_drift_is_seen_where_there_is_none() -> None:
    assert drift(_Plain, _Same) == []


@pytest.mark.parametrize(
    ("awaited", "words"),
    [
        (_Missing, "only one has info"),
        (_More, "only one has cancel"),
        (_OtherParameter, "info is ("),
        (_OtherDefault, "info is ("),
        (_OtherKind, "info is ("),
        (_OtherResult, "info is ("),
        (_NotAwaited, "info of the client for asyncio: awaited or not?"),
        (_OtherWords, "info is described otherwise"),
    ],
)
def test_drift_is_seen(awaited: type, words: str) -> None:
    assert [each for each in drift(_Plain, awaited) if each.startswith(words)]
