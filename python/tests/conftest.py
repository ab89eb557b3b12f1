"""What the tests share: a real host process behind a real socket, and an application for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess

Start = Callable[..., HostProcess]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Start]:
    """Starts hosts for the source text of an application; ends them by their process ids."""
    started: list[HostProcess] = []

    def start(source: str, function: str = "work", **opening: Any) -> HostProcess:
        place = tmp_path / str(len(started))
        place.mkdir()
        (place / "app.py").write_text("import gristmill as gm\n" + source)
        process = HostProcess(place, f"app.py:{function}", **opening)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
