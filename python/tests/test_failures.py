"""Everything that can go wrong in a handler, through the real host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Start
from host_process import PACKAGE


def test_exception_tells_class_message_and_the_users_frames_alone(host: Start) -> None:
    process = host(
        "def inner(n): raise KeyError('flour')\ndef work(n: int) -> int: return inner(n)"
    ).ready()
    error = process.error(1)
    assert (error["kind"], error["code"], error["message"]) == ("failed", "KeyError", "'flour'")
    assert not error["fatal"]
    frames = [line for line in error["traceback"].splitlines() if line.startswith("  File")]
    assert [frame.rsplit(" in ", 1)[1] for frame in frames] == ["work", "inner"]
    assert "app.py" in frames[0]
    assert str(PACKAGE) not in error["traceback"]
    assert process.error(2)["code"] == "KeyError", "the session goes on"


def test_the_cause_of_an_exception_is_told(host: Start) -> None:
    process = host(
        "def work(n: int) -> int:\n"
        "    try: [][n]\n"
        "    except IndexError as error: raise RuntimeError('no grain') from error"
    ).ready()
    assert "IndexError" in process.error(3)["traceback"]


def test_exit_in_a_handler_is_that_calls_error(host: Start) -> None:
    process = host("import sys\ndef work(n: int) -> int: sys.exit(n) if n else None").ready()
    assert process.error(3)["code"] == "SystemExit"
    assert process.value(0) is None


def test_very_long_message_is_cut(host: Start) -> None:
    process = host("def work(n: int) -> int: raise ValueError('x' * n)").ready()
    error = process.error(5_000_000)
    assert len(error["message"]) <= 2_048
    assert len(error["traceback"]) <= 20_000


def test_invalid_input_raised_by_the_handler(host: Start) -> None:
    process = host("def work(n: int) -> int: raise gm.InvalidInput('n is unlucky')").ready()
    error = process.error(13)
    assert (error["kind"], error["code"]) == ("invalid", "bad_input")
    assert error["message"] == "n is unlucky"


OUT_OF_MEMORY = [
    "raise gm.OutOfMemory('3 GiB short')",
    "raise type('OutOfMemoryError', (RuntimeError,), {})('no room')",
    "raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')",
    "raise RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate')",
    "raise RuntimeError('RESOURCE_EXHAUSTED: Out of memory while trying to allocate 5 bytes')",
]


@pytest.mark.parametrize("line", OUT_OF_MEMORY)
def test_out_of_memory_is_a_kind_of_its_own(host: Start, line: str) -> None:
    process = host(f"def work(n: int) -> int:\n    if n: {line}\n    return n").ready()
    error = process.error(1)
    assert (error["kind"], error["code"], error["fatal"]) == ("out_of_memory", "OutOfMemory", False)
    assert process.value(0) == 0, "the session goes on"


def test_memory_of_the_failed_call_is_free_before_the_next(host: Start) -> None:
    process = host(
        "import weakref\n"
        "class Tensor: pass\n"
        "held = []\n"
        "def work(n: int) -> bool:\n"
        "    if n == 0:\n"
        "        tensor = Tensor()\n"
        "        held.append(weakref.ref(tensor))\n"
        "        raise gm.OutOfMemory('short')\n"
        "    return held[0]() is None"
    ).ready()
    process.error(0)
    assert process.value(1) is True


STICKY = [
    "CUDA error: device-side assert triggered",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: unspecified launch failure",
    "CUDA error: uncorrectable ECC error encountered",
    "cudaErrorIllegalAddress: an illegal memory access was encountered",
    "CUDA error 700 at kernel.cu:12",
    "CUDA error (710)",
    "CUDA error: code 999",
    "cudaError_t = 719",
    "CUDA error 214",
]


@pytest.mark.parametrize("words", STICKY)
def test_sticky_error_of_the_device_ends_the_session(host: Start, words: str) -> None:
    process = host(f"def work(n: int) -> int: raise RuntimeError({words!r})").ready()
    error = process.error(1)
    assert (error["kind"], error["fatal"]) == ("device", True)
    assert process.next() is None, "the socket closes"
    assert process.process.wait(10) == 1


@pytest.mark.parametrize("words", ["CUDA error 7000 of them", "7 assertions failed", "error 700"])
def test_words_that_only_look_like_it_do_not(host: Start, words: str) -> None:
    process = host(f"def work(n: int) -> int: raise RuntimeError({words!r})").ready()
    assert process.error(1)["kind"] == "failed"


def test_sticky_error_of_one_element_ends_the_session(host: Start) -> None:
    process = host(
        "@gm.handler(batch=2)\n"
        "def work(ns: list[int]) -> list:\n"
        "    return [1, RuntimeError('CUDA error: device-side assert triggered')]"
    ).ready()
    outcome = process.call(1, 2)
    assert outcome.ok(0) == 1
    assert outcome.error(1)["kind"] == "device"
    assert process.process.wait(10) == 1


BAD_OUTPUT = [
    ("object()", "which cannot be sent"),
    ("float('nan')", "which JSON cannot say"),
    ("2 ** 70", "beyond 64 bits"),
    ("{(1, 2): 3}", "the keys of an object must be texts"),
    ("{'$file': {'path': '/etc/passwd'}}", "reserved"),
    ("loop", "contains itself"),
    ("__import__('pathlib').Path('not/there.png')", "where no file is"),
]


@pytest.mark.parametrize(("expression", "words"), BAD_OUTPUT)
def test_output_that_cannot_be_sent(host: Start, expression: str, words: str) -> None:
    process = host(f"loop = []\nloop.append(loop)\ndef work(n: int): return {expression}").ready()
    error = process.error(1)
    assert error["code"] == "bad_output"
    assert words in error["message"]
    assert process.error(2)["code"] == "bad_output", "the session goes on"


def test_json_beyond_a_frame_is_refused_and_bytes_are_not(host: Start) -> None:
    process = host(
        "def work(kind: str, size: int): return 'x' * size if kind == 'text' else b'x' * size"
    ).ready()
    size = 17 * 1024 * 1024
    error = process.error({"kind": "text", "size": size})
    assert error["code"] == "result_too_large"
    assert "$file" in process.value({"kind": "bytes", "size": size})


def test_text_that_utf_8_cannot_say(host: Start) -> None:
    process = host(
        "def work(n: int):\n"
        "    gm.log('\\udcff')\n"
        "    if n: raise ValueError('file \\udcff')\n"
        "    return '\\udcff'"
    ).ready()
    outcome = process.call(1)
    assert outcome.error(0)["message"] == "file ?"
    assert outcome.told("log")[0]["text"] == "?\n"
    assert process.error(0)["code"] == "UnicodeEncodeError"


def test_part_beyond_a_frame_is_refused(host: Start) -> None:
    process = host("def work(size: int):\n    yield 'small'\n    yield 'x' * size").ready()
    outcome = process.call(17 * 1024 * 1024)
    assert outcome.error(0)["code"] == "result_too_large"
    assert len(outcome.told("partial")) == 1


CANNOT_LOAD = [
    ("import gone_with_the_wind", "work", "import_failed", "No module named 'gone_with_the_wind'"),
    ("raise RuntimeError('no')", "work", "import_failed", "RuntimeError: no"),
    ("def work(:", "work", "import_failed", "SyntaxError"),
    ("def generate(n: int): ...", "work", "no_such_function", "there are: `generate`"),
    ("def work(n): ...", "work", "bad_handler", "`n` has no type hint"),
    ("def work(n: 'Gone'): ...", "work", "bad_handler", "'Gone' is not defined"),
    ("def work(n: complex): ...", "work", "bad_handler", "complex is not a type"),
    ("def work(*n: int): ...", "work", "bad_handler", "`*n: int` has no fixed name"),
    ("class Work: ...", "Work", "bad_handler", "no method `__call__` or `call`"),
    ("@gm.handler(batch=2)\ndef work(n: int): ...", "work", "bad_handler", "must be a list"),
    (
        "@gm.handler(batch=2)\ndef work(ns: list[int] = []): ...",
        "work",
        "bad_handler",
        "has a default",
    ),
    ("@gm.handler(batch=0)\ndef work(ns: list[int]): ...", "work", "import_failed", "batch=0"),
]


@pytest.mark.parametrize(("source", "function", "code", "words"), CANNOT_LOAD)
def test_what_cannot_be_loaded(
    host: Start, source: str, function: str, code: str, words: str
) -> None:
    process = host(source, function)
    error = process.read("failed")["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert process.process.wait(10) == 1


@pytest.mark.parametrize(("source", "function", "code", "words"), CANNOT_LOAD)
def test_describe_says_the_same_in_one_line(
    tmp_path: Path, source: str, function: str, code: str, words: str
) -> None:
    (tmp_path / "app.py").write_text("import gristmill as gm\n" + source)
    told = subprocess.run(
        [sys.executable, "-m", "gristmill.host", "describe", f"app.py:{function}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert told.returncode == 2
    assert told.stdout == ""
    assert words in told.stderr.splitlines()[-1]


def test_setup_that_fails(host: Start) -> None:
    process = host(
        "class Work:\n"
        "    def setup(self): raise gm.OutOfMemory('the model is too large')\n"
        "    def __call__(self, n: int) -> int: ...",
        "Work",
    )
    error = process.read("failed")["error"]
    assert (error["kind"], error["message"]) == ("out_of_memory", "the model is too large")
    assert process.process.wait(10) == 1
