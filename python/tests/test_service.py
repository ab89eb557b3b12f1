"""A worker with sessions as a service: how it is asked to leave, and the units that do so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from mill import REPOSITORY, Mill

import gristmill as gm

UNITS = REPOSITORY / "deploy" / "systemd"

# It tells who it is when it begins, and ends when it is let.
APP = """
import os, time
from pathlib import Path
import gristmill as gm

@gm.handler(attempts=1)
def grind(grain: str) -> str:
    Path(f"{grain}.begun").write_text(str(os.getpid()))
    while not Path(f"{grain}.go").exists():
        time.sleep(0.01)
    return f"flour of {grain}"
"""

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(mill: Mill, tmp_path: Path) -> Iterator[Start]:
    """Starts workers that offer `grind`, in the test's folder."""
    (tmp_path / "app.py").write_text(APP)
    workers = []

    def started() -> subprocess.Popen[bytes]:
        words = [mill.gristmill, "work", "app.py:grind", "--as", tmp_path.name, "--no-gpus"]
        words += ["--server", mill.url, "--python", sys.executable]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY / "python")}
        with (tmp_path / "work.log").open("ab") as log:
            worker = subprocess.Popen(words, env=environment, cwd=tmp_path, stdout=log, stderr=log)
        workers.append(worker)
        _until(lambda: _offered(mill, tmp_path.name))
        return worker

    yield started
    for worker in workers:
        worker.kill()
        worker.wait()


def _offered(mill: Mill, name: str) -> bool:
    return httpx.get(f"{mill.url}/v1/pipelines/{name}").status_code == 200


def _until(reached: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def _begun(place: Path, grain: str) -> int:
    """The process that has begun with it."""
    told = place / f"{grain}.begun"
    _until(lambda: told.exists() and told.read_text())
    return int(told.read_text())


def _is_gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


def test_the_first_signal_lets_a_session_finish_its_call(
    start: Start, client: gm.Client, tmp_path: Path
) -> None:
    worker = start()
    held = client.submit(tmp_path.name, "rye").job(0)
    session = _begun(tmp_path, "rye")
    worker.send_signal(signal.SIGTERM)
    _until(lambda: "Finishing what is held" in (tmp_path / "work.log").read_text())
    after = client.submit(tmp_path.name, "oats").job(0)
    (tmp_path / "rye.go").touch()
    assert held.result(20) == "flour of rye"
    assert worker.wait(20) == 0
    assert _is_gone(session)
    assert after.info().state == "queued", "it took nothing new in"
    after.cancel()


def test_the_second_signal_ends_it_and_gives_the_job_back(
    start: Start, client: gm.Client, tmp_path: Path
) -> None:
    worker = start()
    job = client.submit(tmp_path.name, "rye").job(0)
    session = _begun(tmp_path, "rye")
    worker.send_signal(signal.SIGTERM)
    _until(lambda: "Finishing what is held" in (tmp_path / "work.log").read_text())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert _is_gone(session)
    assert job.info().state in ("queued", "retrying"), "an attempt is lost, not the job"
    (tmp_path / "rye.go").touch()
    start()
    assert job.result(30) == "flour of rye"


def test_units_are_what_systemd_understands(mill: Mill, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here; the units in deploy/systemd are not verified")
    (tmp_path / "gristmill").symlink_to(os.path.abspath(mill.gristmill))
    for unit in UNITS.iterdir():
        # It also asks whether what is started is there.
        text = unit.read_text().replace("/srv/gristmill/%i/environment/bin", str(tmp_path))
        name = unit.name.replace("@", "@paint")
        (tmp_path / name).write_text(text.replace("/usr/local/bin", str(tmp_path)))
    units = sorted(str(path) for path in tmp_path.glob("*.service"))
    told = subprocess.run([analyze, "verify", *units], check=False, capture_output=True, text=True)
    ours = [line for line in told.stderr.splitlines() if "gristmill" in line]
    assert (told.returncode, ours) == (0, [])


def test_units_of_workers_signal_nobody_but_the_worker() -> None:
    for unit in UNITS.iterdir():
        if " work " in unit.read_text():
            assert "KillMode=mixed" in unit.read_text().splitlines(), unit.name
