"""How far a map is, on the terminal or in a notebook. With tqdm installed it draws, else a line."""

from __future__ import annotations

import sys
import time
from typing import Any, Optional

_REDRAW_SECONDS = 0.2


class Progress:
    """Counts results, and shows the count where somebody looks."""

    def __init__(self, name: str, total: Optional[int], shown: Optional[bool]) -> None:
        """
        Arguments:
            total: how many there will be, where that is known.
            shown: whether to show anything; None means if standard error is a terminal or this is
                a notebook.
        """
        self._name, self._total = name, total
        self._done = 0
        self._drawn = 0.0
        visible = _somebody_looks() if shown is None else shown
        self._bar: Any = _bar(name, total) if visible else None
        self._line = visible and self._bar is None

    def step(self) -> None:
        """One more."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif self._line and time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._drawn = time.monotonic()
            self._write("")

    def close(self) -> None:
        """Leaves the last state to be seen."""
        if self._bar is not None:
            self._bar.close()
        elif self._line and self._done:
            self._write("\n")

    def _write(self, end: str) -> None:
        of = "" if self._total is None else f"/{self._total}"
        sys.stderr.write(f"\r{self._name}: {self._done}{of}{end}")
        sys.stderr.flush()


def _somebody_looks() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _bar(name: str, total: Optional[int]) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(desc=name, total=total)
