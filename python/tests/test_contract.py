"""Holds this host to the contract as the workers' side has it: crates/model/src/host.rs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Start
from host_process import PACKAGE

from gristmill.handler import Options
from gristmill.host import frames
from gristmill.host.failures import told

MODEL = PACKAGE.parent / "crates" / "model" / "src"
HOST = (MODEL / "host.rs").read_text()


def _fields(text: str, head: str) -> set[str]:
    """The names of the fields between the braces that follow."""
    body = text.split(head, 1)[1].split("\n}" if head.startswith("pub") else "\n    }", 1)[0]
    return set(re.findall(r"^\s+(?:pub )?(\w+): ", body, re.MULTILINE))


def test_version_variable_and_bound() -> None:
    assert f"pub const PROTOCOL: u32 = {frames.PROTOCOL};" in HOST
    assert f'pub const FD_VARIABLE: &str = "{frames.FD_VARIABLE}";' in HOST
    (bound,) = re.findall(
        r"HOST_FRAME_BYTES: usize = ([\d *]+);", (MODEL / "limits.rs").read_text()
    )
    numbers = [int(number) for number in bound.split("*")]
    assert numbers[0] * numbers[1] * numbers[2] == frames.FRAME_BYTES


def test_what_is_described() -> None:
    said = set(Options.__dataclass_fields__) | {"doc", "signature"}
    assert said == _fields(HOST, "pub struct Described {")


def test_errors() -> None:
    assert set(told("failed", "x", "y")) == _fields(HOST, "pub struct HostError {")
    kinds = HOST.split("pub enum HostErrorKind {", 1)[1].split("\n}", 1)[0]
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in re.findall(r"(\w+),", kinds)]
    source = "".join(path.read_text() for path in sorted(Path(frames.__file__).parent.glob("*.py")))
    for name in names:
        assert f'"{name}"' in source, f"no error is ever `{name}`"


FRAMES = {"partial": "Partial", "progress": "Progress", "log": "Log", "ended": "Ended"}


@pytest.mark.parametrize(("kind", "variant"), FRAMES.items())
def test_frames_have_the_keys_of_the_contract(host: Start, kind: str, variant: str) -> None:
    process = host(
        "def work(n: int):\n    gm.progress(1, 1)\n    gm.log('a')\n    yield n", "work"
    ).ready()
    process.begin(1)
    wanted = _fields(HOST.split("pub enum FromHost", 1)[1], f"    {variant} {{") | {"type"}
    while True:
        frame = process.next()
        assert frame is not None
        if frame["type"] == kind:
            assert set(frame) == wanted
            return
