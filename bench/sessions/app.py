"""The handlers that are measured: they do nothing, so that what is left is the way to them."""

import itertools

import gristmill as gm

CALLS = itertools.count()


@gm.handler()
def no_op(text: str) -> str:
    """One job a call."""
    return text


@gm.handler(batch=64)
def no_ops(texts: list[str]) -> list[str]:
    """Up to 64 jobs a call, as many as wait when it begins."""
    return texts


@gm.handler(batch=64, batch_wait="100ms")
def counted(texts: list[str]) -> list[list[int]]:
    """Gives each job the number of its call and how many jobs that call had."""
    call = next(CALLS)
    return [[call, len(texts)] for _ in texts]
