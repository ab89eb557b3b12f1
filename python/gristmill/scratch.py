"""Files that inputs need for the time of one call: bytes that a handler wants to have at a path."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class Scratch:
    """Makes files in a folder, and removes them when they are not needed any more."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._made: list[Path] = []

    def file(self, data: bytes) -> Path:
        """A new file with this in it."""
        number, path = tempfile.mkstemp(dir=self._folder, prefix="input-")
        self._made.append(Path(path))
        with os.fdopen(number, "wb") as file:
            file.write(data)
        return self._made[-1]

    def clear(self) -> None:
        """Removes all files that were made; a handler may have moved some away."""
        while self._made:
            self._made.pop().unlink(missing_ok=True)
