"""The whole way: an application's functions in sessions of a real worker, called by a real client.

The devices are declared: nobody looks at them, and everything else is as with real ones.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from mill import REPOSITORY, Mill, binary
from PIL import Image

import gristmill as gm

APP = '''
import os
import gristmill as gm

@gm.handler(gpus=1)
def greet(name: str, times: int = 1) -> str:
    """Greets somebody."""
    print("greeting", name)
    return " ".join(["hello", name] * times)

@gm.handler(batch=8, batch_wait="50ms")
def together(words: list[str]) -> list[int]:
    return [len(words)] * len(words)

@gm.handler
def count(up_to: int):
    for number in range(up_to):
        gm.progress(number + 1, up_to)
        yield number

@gm.handler(data=["lookup"])
class Lookup:
    def setup(self, data):
        path = data.get("lookup")
        self.words = path.read_text().split() if path else []

    def __call__(self, place: int) -> str:
        return self.words[place] if self.words else "nothing"

@gm.handler
def shade(image: "Image.Image", by: float = 0.5) -> "Image.Image":
    return image.point(lambda value: int(value * by))

@gm.handler
def norm(matrix: "numpy.ndarray") -> float:
    return float((matrix ** 2).sum())

@gm.handler
def album(pictures: int, words: int) -> dict:
    return {"pictures": [Image.new("RGB", (8, 8))] * pictures, "words": ["mill"] * words}

@gm.handler
def where() -> dict:
    return {"pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}

@gm.handler(gpus=1, attempts=1)
def fails(how: str) -> str:
    if how == "raise":
        refuse()
    if how == "memory":
        raise gm.OutOfMemory("20 GiB wanted")
    if how == "crash":
        os.kill(os.getpid(), 9)
    return "well"

def refuse():
    raise ValueError("no such prompt")

from PIL import Image
import numpy
'''

NAMES = ["greet", "together", "count", "Lookup", "shade", "norm", "album", "where", "fails"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a mill whose worker keeps the application's functions loaded."""
    gristmill = binary()
    if gristmill is None:
        pytest.skip("no binary `gristmill`: build it with cargo, or name it in GRISTMILL_BINARY")
    place = tmp_path_factory.mktemp("app")
    (place / "app.py").write_text(APP)
    (place / "data").mkdir()
    running = Mill(gristmill, place / "data")
    words = [gristmill, "work", *(f"app.py:{name}" for name in NAMES)]
    words += ["--server", running.url, "--python", sys.executable, "--session-cpus", "0.1"]
    words += ["--no-gpus", "--device", "gpu=GPU-fake-1,vram=16GiB"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY / "python")}
    with (place / "work.log").open("ab") as log:
        worker = subprocess.Popen(
            words,
            env=environment,
            cwd=place,
            stdout=log,
            stderr=log,
        )
    try:
        running._until(lambda health: health["workers"] == 2)
        yield running.url
    finally:
        worker.terminate()
        worker.wait(20)
        running.stop()


@pytest.fixture(scope="module")
def grinding(address: str) -> Iterator[gm.Client]:
    with gm.Client(address) as client:
        yield client


def test_every_project_may_call_what_workers_offer(grinding: gm.Client, address: str) -> None:
    with gm.Client(address, project="lab") as of_lab:
        assert of_lab.call("greet", name="ada") == "hello ada"
        assert of_lab.call("where") == grinding.call("where"), "all share the session"
    (job,) = grinding.jobs("project=lab pipeline=greet")
    assert job.state == "succeeded"


def test_a_function_answers_and_its_words_are_in_the_log(grinding: gm.Client) -> None:
    job = grinding.submit("greet", {"name": "ada", "times": 2}).job(0)
    assert job.result() == "hello ada hello ada"
    assert "greeting ada" in "".join(line.text for line in job.logs())


def test_jobs_that_wait_together_are_one_call(grinding: gm.Client) -> None:
    sizes = list(grinding.map("together", [{"word": str(n)} for n in range(8)]))
    assert sum(1 for size in sizes if size > 1) > 1


def test_parts_come_in_order_and_the_result_is_all_of_them(grinding: gm.Client) -> None:
    assert grinding.call("count", up_to=4) == [0, 1, 2, 3]


def test_data_is_handed_to_setup_and_may_be_absent(grinding: gm.Client, tmp_path: Path) -> None:
    assert grinding.call("Lookup", place=1) == "nothing"
    words = tmp_path / "words.txt"
    words.write_text("rye wheat spelt")
    grinding.set_data("Lookup", lookup=words)
    assert grinding.call("Lookup", place=1) == "wheat"


def test_images_and_arrays_travel(grinding: gm.Client) -> None:
    shade = grinding.submit("shade", {"image": Image.new("L", (64, 64), 200)})
    shaded = shade.job(0).result()
    assert shaded.getpixel((3, 3)) == 100
    assert grinding.call("norm", matrix=numpy.full((100, 100), 2.0)) == 40_000.0


def test_arrays_of_inputs_give_an_array_of_results(grinding: gm.Client) -> None:
    for size in (2, 100):  # within the input, and as a file
        matrices: Any = numpy.arange(3 * size * size, dtype="f8").reshape(3, size, size)
        norms = grinding.map("norm", matrices).numpy()
        assert norms.tolist() == (matrices**2).sum((1, 2)).tolist()
    assert grinding.map("count", [1, 3, 0]).arrow().column("result").to_pylist() == [
        [0],
        [0, 1, 2],
        [],
    ]
    with pytest.raises(gm.errors.InputRefused, match="input `up_to`: expected an integer"):
        grinding.call("count", ["x"])


def test_a_value_too_long_for_its_job_comes_as_what_it_is(
    grinding: gm.Client, address: str
) -> None:
    inputs = [{"pictures": 1, "words": words} for words in (2, 50_000)]
    for found, asked in zip(grinding.map("album", inputs), inputs):
        assert found["words"] == ["mill"] * asked["words"]
        assert found["pictures"][0].image().size == (8, 8), "a file in it, fetched when asked"
    told = grinding.job(grinding.submit("album", inputs[1:]).id + "/0")
    assert told.result()["pictures"][0].size == (8, 8)

    async def calls() -> list[Any]:
        async with gm.AsyncClient(address) as client:
            called = await client.call("album", **inputs[1])
            return [called, *[each async for each in client.map("album", inputs[1:])]]

    for found in asyncio.run(calls()):
        assert len(found["words"]) == 50_000


def test_a_session_stays_and_sees_the_gpus_it_booked(grinding: gm.Client) -> None:
    first, second = grinding.call("where"), grinding.call("where")
    assert first == second
    assert first["gpus"] == "", "it booked none"


@pytest.mark.parametrize(
    ("how", "state", "words"),
    [
        ("raise", "failed", "no such prompt"),
        ("memory", "failed", "20 GiB wanted"),
        ("crash", "failed", "signal 9"),
    ],
)
def test_what_fails_says_why(grinding: gm.Client, how: str, state: str, words: str) -> None:
    with pytest.raises(gm.errors.JobFailed) as caught:
        grinding.call("fails", how=how)
    assert words in str(caught.value)
    assert grinding.call("fails", how="well") == "well", "the worker and its device serve on"


def test_a_failure_shows_where_in_the_handler_it_was(grinding: gm.Client) -> None:
    (error,) = grinding.map("fails", ["raise"], errors="return")
    assert str(error).endswith("failed: no such prompt"), "one line, for those who print a list"
    frames = [line for line in error.traceback.splitlines() if line.startswith("  File")]
    assert [frame.rsplit(" in ", 1)[1] for frame in frames] == ["fails", "refuse"]
    assert 'raise ValueError("no such prompt")' in error.traceback
    shown = "".join(traceback.format_exception(error))
    below = shown.split(f"{error}\n", 1)[1]
    assert below.startswith("from the handler:\n  Traceback (most recent call last):\n")
    assert below.rstrip().endswith("ValueError: no such prompt")
