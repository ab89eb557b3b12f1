"""The wheel, as somebody gets it who has nothing else: what is in it, and the way from
`pip install` to another process's result.

`scripts/python.sh wheel-test` builds one and names it in GRISTMILL_WHEEL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from mill import REPOSITORY, serving

pytestmark = pytest.mark.timeout(300)

APP = """
def generate(prompt: str) -> str:
    return f"a picture of {prompt}"
"""

CALL = """
import sys, gristmill as gm
with gm.Client(sys.argv[1]) as client:
    print(client.call("generate", prompt="a red mill"))
"""

# Neither the source, nor an environment that is active, nor the wheel's own on the PATH.
ALONE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def wheel() -> Path:
    named = os.environ.get("GRISTMILL_WHEEL")
    if named is None:
        pytest.skip("no wheel is named: `scripts/python.sh wheel-test` builds one and tests it")
    return Path(named)


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are of an environment that has the wheel and what it asks for."""
    place = tmp_path_factory.mktemp("wheel") / "environment"
    venv.create(place, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    install = ["--python", str(place / "bin" / "python"), "install", "--quiet", str(wheel)]
    made = subprocess.run([*pip, *install], check=False, capture_output=True, text=True)
    assert made.returncode == 0, f"pip could not install {wheel.name}:\n{made.stderr}"
    return place / "bin"


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [each for each in packed.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_bytes(packed.read(name))


def _run(*words: object, cwd: Path) -> str:
    line = [str(word) for word in words]
    done = subprocess.run(line, check=False, cwd=cwd, env=ALONE, capture_output=True, text=True)
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout.strip()


def test_it_holds_the_package_the_program_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    info = wheel.name.rsplit("-", 3)[0]
    source = REPOSITORY / "python"
    package = {
        str(path.relative_to(source))
        for path in (source / "gristmill").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    assert "gristmill/py.typed" in package
    about = ["METADATA", "RECORD", "WHEEL", "licenses/LICENSE"]
    others = {f"{info}.data/scripts/gristmill", *(f"{info}.dist-info/{each}" for each in about)}
    assert names == package | others


def test_it_says_what_it_is(wheel: Path, programs: Path, tmp_path: Path) -> None:
    told = _metadata(wheel)
    assert told["Name"] == "gristmill"
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.9"
    assert told["Description-Content-Type"].startswith("text/markdown")
    assert str(told.get_payload()).startswith("# gristmill for Python")
    needs = [need for need in told.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert [need.split(">")[0].strip() for need in needs] == ["httpx", "msgpack"]
    assert sorted(told.get_all("Provides-Extra", [])) == ["blobs", "progress", "results"]
    of_program = _run(programs / "gristmill", "--version", cwd=tmp_path)
    assert of_program == f"gristmill {told['Version']}"


def test_it_is_imported_from_where_it_was_installed(programs: Path, tmp_path: Path) -> None:
    line = "import gristmill; print(gristmill.__file__, gristmill.__version__)"
    place, version = _run(programs / "python", "-c", line, cwd=tmp_path).split()
    assert Path(place).is_relative_to(programs.parent)
    assert _run(programs / "gristmill", "--version", cwd=tmp_path).endswith(version)


def test_a_function_is_served_and_called_with_it_alone(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["--no-gpus", "--work", "app.py:generate"]
    log = tmp_path / "serve.log"
    with serving(programs / "gristmill", *words, cwd=tmp_path, log=log, environment=ALONE) as url:
        told = _run(programs / "python", "-c", CALL, url, cwd=tmp_path)
    assert told == "a picture of a red mill"
