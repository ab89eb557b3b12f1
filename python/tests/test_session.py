"""A session's life: noise, cancel, close, and a worker that is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import Start
from host_process import PACKAGE

WAITS = """
import time
def work(n: int) -> int:
    gm.log('begun')
    deadline = time.monotonic() + 15
    while not gm.cancelled():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return n
"""


def test_what_an_application_prints_does_not_disturb(host: Start) -> None:
    process = host(
        "import os, sys\n"
        "print('at import')\n"
        "def work(n: int) -> int:\n"
        "    print('in a call')\n"
        "    os.write(1, b'raw\\n')\n"
        "    sys.stdout.write('without an end')\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    return n"
    ).ready()
    assert process.value(4) == 4
    # All of it is there once the call is over: it belongs to this call's log.
    assert process.out.read_text() == "at import\nin a call\nraw\nwithout an end"
    assert "to stderr" in process.err.read_text()


def test_an_application_that_closes_its_output(host: Start) -> None:
    process = host("import sys\nsys.stdout.close()\ndef work(n: int) -> int: return n").ready()
    assert process.value(1) == 1
    assert process.close() == 0


def test_cancel_is_heard_while_the_handler_works(host: Start) -> None:
    process = host(WAITS).ready()
    number = process.begin(1)
    process.read("log")
    process.send("cancel", call=number, items=[0])
    assert process.finish(1).error(0)["kind"] == "cancelled"


def test_cancel_of_another_call_means_nothing(host: Start) -> None:
    process = host("def work(n: int) -> int: return n").ready()
    process.send("cancel", call=99, items=[0])
    assert process.value(1) == 1
    process.send("cancel", call=1, items=[0])
    assert process.value(2) == 2


def test_cancel_of_one_item_leaves_the_others(host: Start) -> None:
    process = host(
        "import time\n"
        "@gm.handler(batch=4)\n"
        "def work(ns: list[int]) -> list[int]:\n"
        "    gm.log('begun')\n"
        "    while not gm.cancelled(item=1): time.sleep(0.005)\n"
        "    assert not gm.cancelled()\n"
        "    return ns"
    ).ready()
    number = process.begin(1, 2, 3)
    process.read("log")
    process.send("cancel", call=number, items=[1])
    outcome = process.finish(3)
    assert (outcome.ok(0), outcome.ok(2)) == (1, 3)
    assert outcome.error(1)["kind"] == "cancelled"


def test_cancel_ends_a_coroutine_that_waits(host: Start) -> None:
    process = host(
        "import asyncio\n"
        "async def work(n: int) -> int:\n"
        "    if n == 0: return 0\n"
        "    gm.log('begun')\n"
        "    await asyncio.sleep(1000)\n"
    ).ready()
    number = process.begin(1)
    process.read("log")
    process.send("cancel", call=number, items=[0])
    assert process.finish(1).error(0)["kind"] == "cancelled"
    assert process.value(0) == 0, "the session goes on"


def test_cancel_ends_a_generator_between_its_parts(host: Start) -> None:
    process = host(
        "import time\n"
        "def work(n: int):\n"
        "    try:\n"
        "        while True:\n"
        "            yield n\n"
        "            time.sleep(0.005)\n"
        "    finally: print('tidied up')"
    ).ready()
    number = process.begin(1)
    process.read("partial")
    process.send("cancel", call=number, items=[0])
    assert process.finish(1).error(0)["kind"] == "cancelled"
    assert process.out.read_text() == "tidied up\n"


def test_cancel_ends_an_asynchronous_generator(host: Start) -> None:
    process = host(
        "import asyncio\n"
        "async def work(n: int):\n"
        "    try:\n"
        "        yield n\n"
        "        await asyncio.sleep(1000)\n"
        "    finally: print('tidied up')"
    ).ready()
    number = process.begin(1)
    process.read("partial")
    process.send("cancel", call=number, items=[0])
    assert process.finish(1).error(0)["kind"] == "cancelled"
    assert process.out.read_text() == "tidied up\n"
    assert process.err.read_text() == ""


def test_says_alive_while_it_loads_and_works_and_not_while_it_waits(host: Start) -> None:
    process = host(
        "import time\n"
        "class Work:\n"
        "    def setup(self): time.sleep(0.4)\n"
        "    def __call__(self, n: int) -> int: time.sleep(0.4); return n",
        "Work",
        alive_every_ms=100,
    )
    assert _alive_before(process, "ready") >= 4
    process.begin(1)
    assert _alive_before(process, "done") >= 4
    # One may have been on its way as the call ended; then there is silence.
    time.sleep(0.1)
    process.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        process.socket.recv(1024)
    process.socket.settimeout(0.4)
    with pytest.raises((TimeoutError, socket.timeout)):
        process.socket.recv(1)


def _alive_before(process: object, kind: str) -> int:
    count = 0
    while True:
        frame = process.next()  # type: ignore[attr-defined]
        assert frame is not None
        if frame["type"] == kind:
            return count
        count += frame["type"] == "alive"


def test_close_while_a_handler_works_that_listens(host: Start) -> None:
    process = host(WAITS).ready()
    process.begin(1)
    process.read("log")
    process.send("close")
    assert process.finish(1).error(0)["kind"] == "cancelled"
    assert process.process.wait(10) == 0


def test_close_while_a_handler_hangs(host: Start) -> None:
    process = host("import time\ndef work(n: int): gm.log('begun'); time.sleep(1000)").ready()
    process.begin(1)
    process.read("log")
    began = time.monotonic()
    process.send("close")
    assert process.process.wait(15) == 1
    assert time.monotonic() - began < 10


def test_worker_that_is_gone_ends_an_idle_host(host: Start) -> None:
    process = host("def work(n: int) -> int: return n").ready()
    process.socket.shutdown(socket.SHUT_RDWR)
    assert process.process.wait(10) == 0


def test_worker_that_is_gone_ends_a_host_that_hangs(host: Start) -> None:
    process = host("import time\ndef work(n: int): gm.log('begun'); time.sleep(1000)").ready()
    process.begin(1)
    process.read("log")
    process.socket.shutdown(socket.SHUT_RDWR)
    assert process.process.wait(15) == 1


def test_worker_that_is_gone_before_it_opened() -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "gristmill.host", "run"],
        env={
            **os.environ,
            "PYTHONPATH": str(PACKAGE),
            "GRISTMILL_SESSION_FD": str(theirs.fileno()),
        },
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    ours.close()
    assert process.wait(10) == 0


def test_another_version_of_the_contract(host: Start) -> None:
    process = host("def work(n: int) -> int: return n", protocol=2)
    error = process.read("failed")["error"]
    assert error["code"] == "wrong_protocol"
    assert "same version of gristmill" in error["message"]


def test_frame_beyond_the_bound_ends_the_session(host: Start) -> None:
    process = host("def work(n: int) -> int: return n").ready()
    process.socket.sendall((17 * 1024 * 1024).to_bytes(4, "little"))
    assert process.process.wait(10) == 1
    assert "16777216 at most" in process.err.read_text()


def test_frames_of_a_worker_that_is_wrong_end_the_session(host: Start) -> None:
    process = host("def work(n: int) -> int: return n").ready()
    process.send("call", call=1)
    assert process.process.wait(10) == 1
    assert "'items'" in process.err.read_text()
    process = host("import time\ndef work(n: int) -> int: time.sleep(60)").ready()
    process.begin(1)
    process.begin(2)
    assert process.process.wait(10) == 1
    assert "before the one before it was done" in process.err.read_text()


def test_interrupt_is_the_workers_to_act_on(host: Start) -> None:
    process = host("def work(n: int) -> int: return n").ready()
    process.process.send_signal(signal.SIGINT)
    assert process.value(1) == 1


def test_programs_of_the_application_do_not_inherit_the_socket(host: Start) -> None:
    process = host(
        "import os, subprocess\n"
        "def work(n: int) -> list:\n"
        "    told = subprocess.run(['sh', '-c', 'ls -l /proc/self/fd | grep -c socket'],\n"
        "                          close_fds=False, capture_output=True, text=True)\n"
        "    return [told.stdout.strip(), 'GRISTMILL_SESSION_FD' in os.environ]"
    ).ready()
    assert process.value(1) == ["0", False]


def test_keys_that_the_host_does_not_know_are_ignored(host: Start) -> None:
    process = host("def work(n: int) -> int: return n", new_key=[1]).ready()
    process.send("novelty", of="a later worker")
    assert process.value(1) == 1


def test_close_ends_with_what_the_application_registered(host: Start) -> None:
    process = host("import atexit\natexit.register(print, 'bye')\ndef work(n: int): ...").ready()
    assert process.close() == 0
    assert process.out.read_text() == "bye\n"
