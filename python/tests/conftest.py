"""What the tests share: a real host process behind a real socket, and an application for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess
from mill import Mill, binary

import gristmill as gm

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


@pytest.fixture(scope="session")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """A server with a worker, for all tests of the client."""
    gristmill = binary()
    if gristmill is None:
        pytest.skip("no binary `gristmill`: build it with cargo, or name it in GRISTMILL_BINARY")
    place = tmp_path_factory.mktemp("mill") / "data"
    place.mkdir()
    running = Mill(gristmill, place)
    yield running
    running.stop()


@pytest.fixture
def client(mill: Mill) -> Iterator[gm.Client]:
    with gm.Client(mill.url) as made:
        yield made
