"""What `describe` tells of handlers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from host_process import PACKAGE


def _run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gristmill.host", *words],
        cwd=place,
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def _described(place: Path, source: str, entry: str = "app.py:work") -> dict[str, Any]:
    (place / "app.py").write_text("import gristmill as gm\n" + source)
    told = _run(place, "describe", entry)
    assert told.returncode == 0, told.stderr
    made: dict[str, Any] = json.loads(told.stdout)
    return made


FULL = '''
from typing import Literal, Optional
from PIL import Image
print("noise on standard output")

@gm.handler(name="paint", gpus=0.5, vram="8GiB", cpus=2, memory="512MiB", batch=8,
            batch_wait="20ms", timeout="10m", attempts=2, pinned=True, data=["lora"])
def work(prompts: list[str], styles: list[Literal["oil", "ink"]],
         seeds: list[Optional[int]]) -> list[Image.Image]:
    """Paints pictures.

    Slowly.
    """
'''


def test_all_that_an_author_can_say(tmp_path: Path) -> None:
    assert _described(tmp_path, FULL) == {
        "name": "paint",
        "doc": "Paints pictures.\n\nSlowly.",
        "gpus": 500,
        "vram": 8 * 2**30,
        "cpus": 2000,
        "memory": 512 * 2**20,
        "batch": 8,
        "batch_wait_ms": 20,
        "timeout_ms": 600_000,
        "attempts": 2,
        "pinned": True,
        "data": ["lora"],
        "signature": {
            "input": {
                "type": "object",
                "properties": {
                    "prompt": {"type": "string"},
                    "style": {"enum": ["oil", "ink"]},
                    "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                },
                "required": ["prompt", "style"],
                "additionalProperties": False,
            },
            "output": {"x-gristmill": "image"},
            "streams": False,
        },
    }


def test_a_function_without_a_decorator(tmp_path: Path) -> None:
    told = _described(
        tmp_path,
        "from collections.abc import Iterator\n"
        "import numpy, pathlib\n"
        "def work(a: pathlib.Path, b: numpy.ndarray, c: bytes, n: int = 3) -> Iterator[str]:\n"
        "    yield ''",
    )
    assert (told["name"], told["batch"], told["gpus"], told["doc"]) == ("work", 1, None, "")
    assert told["signature"] == {
        "input": {
            "type": "object",
            "properties": {
                "a": {"x-gristmill": "file"},
                "b": {"x-gristmill": "array"},
                "c": {"x-gristmill": "bytes"},
                "n": {"type": "integer", "default": 3},
            },
            "required": ["a", "b", "c"],
            "additionalProperties": False,
        },
        "output": {"type": "array", "items": {"type": "string"}},
        "streams": True,
    }


def test_defaults_that_json_can_say(tmp_path: Path) -> None:
    told = _described(
        tmp_path,
        "import enum\n"
        "class Style(enum.Enum):\n    OIL = 'oil'\n"
        "def work(a: Style = Style.OIL, b: float = float('inf'), c: list = []): ...",
    )
    properties = told["signature"]["input"]["properties"]
    assert properties["a"] == {"enum": ["oil"], "default": "oil"}
    assert "default" not in properties["b"]
    assert told["signature"]["input"]["required"] == []


def test_singular_names(tmp_path: Path) -> None:
    told = _described(
        tmp_path,
        "@gm.handler(batch=2)\n"
        "def work(prompts: list[str], mass: list[str], s: list[str], data: list[str]): ...",
    )
    assert list(told["signature"]["input"]["properties"]) == ["prompt", "mass", "s", "data"]


def test_elements_that_may_be_exceptions(tmp_path: Path) -> None:
    told = _described(
        tmp_path,
        "from typing import Union\n"
        "@gm.handler(batch=2)\n"
        "def work(ns: list[int]) -> list[Union[int, Exception]]: ...",
    )
    assert told["signature"]["output"] == {"type": "integer"}


def test_a_class_is_not_made(tmp_path: Path) -> None:
    told = _described(
        tmp_path,
        "class Paint:\n"
        "    'Paints.'\n"
        "    def __init__(self): raise RuntimeError('started')\n"
        "    def __call__(self, prompt: str) -> str: ...",
        "app.py:Paint",
    )
    assert (told["name"], told["doc"]) == ("Paint", "Paints.")
    assert list(told["signature"]["input"]["properties"]) == ["prompt"]


def test_a_module_of_a_package(tmp_path: Path) -> None:
    (tmp_path / "mill").mkdir()
    (tmp_path / "mill" / "stones.py").write_text("def work(n: int) -> int: ...")
    told = _run(tmp_path, "describe", "mill.stones:work")
    assert json.loads(told.stdout)["name"] == "work"
    missing = _run(tmp_path, "describe", "mill.sails:work")
    assert missing.returncode == 2
    assert "there is no module `mill.sails`" in missing.stderr


def test_a_file_elsewhere_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "app.py").write_text("import beside\ndef work(n: int) -> int: ...")
    (tmp_path / "there" / "beside.py").write_text("")
    assert _run(tmp_path, "describe", "there/app.py:work").returncode == 0


def test_a_file_that_is_called_like_a_module_in_use(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "json.py").write_text(
        "import dataclasses\n"
        "@dataclasses.dataclass\nclass Size:\n    width: int\n"
        "def work(size: Size) -> Size: ..."
    )
    told = _run(tmp_path, "describe", "there/json.py:work")
    assert told.returncode == 0, told.stderr
    assert (
        "width" in json.loads(told.stdout)["signature"]["input"]["properties"]["size"]["properties"]
    )


def test_what_cannot_be_found_is_named(tmp_path: Path) -> None:
    gone = _run(tmp_path, "describe", "gone.py:work")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr == f"gristmill: there is no file {tmp_path / 'gone.py'}\n"
    assert "write `app.py:function`" in _run(tmp_path, "describe", "app.py").stderr
    assert "usage:" in _run(tmp_path).stderr


def test_run_by_hand_says_who_starts_it(tmp_path: Path) -> None:
    told = _run(tmp_path, "run")
    assert told.returncode == 2
    assert "started by a worker" in told.stderr


def test_the_program_is_still_an_ordinary_one(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import gristmill as gm\n"
        "@gm.handler(batch=4)\n"
        "def work(ns: list[int]) -> list[int]:\n"
        "    gm.progress(1, 2)\n"
        "    gm.log('a line')\n"
        "    assert not gm.cancelled() and gm.data('x') is None\n"
        "    return [n * 2 for n in ns]\n"
        "print(work([1, 2]))"
    )
    told = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (told.stdout, told.stderr) == ("[2, 4]\n", "a line\n")


def test_the_host_imports_no_framework_and_no_client(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, gristmill.host.loop; print(*sys.modules)"],
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = set(told.stdout.split())
    assert "msgpack" in loaded
    assert not loaded & {"numpy", "torch", "PIL", "httpx", "asyncio", "importlib.metadata"}
