"""Files that inputs need for the time of one call: bytes that a handler wants to have at a path."""

from __future__ import annotations

import itertools
from pathlib import Path


class Scratch:
    """Makes files in a session's folder, and removes them when they are not needed any more."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._numbers = itertools.count()
        self._made: list[Path] = []

    def file(self, data: bytes) -> Path:
        """A new file with this in it."""
        path = self._folder / f"input-{next(self._numbers):08}"
        self._made.append(path)
        with path.open("xb") as file:
            file.write(data)
        return path

    def clear(self) -> None:
        """Removes all files that were made; a handler may have moved some away."""
        while self._made:
            self._made.pop().unlink(missing_ok=True)
