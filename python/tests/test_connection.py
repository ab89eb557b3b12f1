"""How the client bears a network and a server that fail, and what it says of them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mill import Mill, binary, command, free_port

import gristmill as gm
from gristmill.client.core.retry import TRIES
from gristmill.errors import PROBLEMS, problem

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


class Scripted(ThreadingHTTPServer):
    """A server that answers what a test has written down, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, headers, said = self.server.answers.pop(0)
        if status == 0:  # hangs up
            self.close_connection = True
            return
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_HEAD = _answer

    def log_message(self, format: str, *words: Any) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(scripted: Scripted) -> Iterator[gm.Client]:
    with gm.Client(scripted.url, "gm_secret", project="lab") as made:
        yield made


ACCEPTED: dict[str, Any] = {"batch": "b1", "first_job": "j1", "jobs": 1, "known": []}
BUSY = {"code": "queue_full", "detail": "full", "advice": "wait"}


def test_submission_is_sent_again_with_its_key(scripted: Scripted, client: gm.Client) -> None:
    scripted.answers = [(0, {}, None), (502, {}, b"gateway"), (202, {}, ACCEPTED)]
    assert client.submit("echo", ["a"]).id == "b1"
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in scripted.asked}
    bodies = {body for _, _, _, body in scripted.asked}
    assert (len(scripted.asked), len(keys), len(bodies)) == (3, 1, 1)
    head = json.loads(scripted.asked[0][3].splitlines()[0])
    assert head == {"pipeline": "echo", "project": "lab"}
    assert scripted.asked[0][2]["Authorization"] == "Bearer gm_secret"


def test_further_pieces_are_sent_again_with_the_keys_of_their_jobs(
    scripted: Scripted, client: gm.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.client.core.submission.PIECE_JOBS", 2)
    scripted.answers = [(202, {}, ACCEPTED), (0, {}, None), (202, {}, ACCEPTED)]
    client.submit("echo", ["a", "b", "c"], key="friday")
    _, first, second = scripted.asked
    assert first[1] == second[1] == "/v1/batches/b1/jobs?close=true"
    assert first[3] == second[3] == b'{"input":"c","key":"friday.2"}\n'


def test_what_cannot_be_sent_twice_is_not(scripted: Scripted, client: gm.Client) -> None:
    scripted.answers = [(0, {}, None)]
    with pytest.raises(gm.errors.Unreachable):
        client.cancel("j1")
    assert len(scripted.asked) == 1


def test_a_full_queue_is_waited_for(scripted: Scripted, client: gm.Client) -> None:
    scripted.answers = [(429, {"Retry-After": "1"}, BUSY), (202, {}, ACCEPTED)]
    began = time.monotonic()
    assert client.submit("echo", ["a"]).id == "b1"
    assert time.monotonic() - began >= 1


def test_a_failed_store_is_not_waited_for(scripted: Scripted, client: gm.Client) -> None:
    scripted.answers = [(503, {}, {"code": "store_unavailable", "detail": "no disk"})]
    with pytest.raises(gm.errors.StoreUnavailable, match="no disk"):
        client.submit("echo", ["a"])


def test_tries_have_an_end(
    scripted: Scripted, client: gm.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.client.core.retry._FIRST_PAUSE", 0.001)
    scripted.answers = [(429, {"Retry-After": "0"}, BUSY)] * TRIES
    with pytest.raises(gm.errors.QueueFull):
        client.submit("echo", ["a"])
    assert len(scripted.asked) == TRIES


def test_what_is_no_gristmill_is_named(scripted: Scripted, client: gm.Client) -> None:
    scripted.answers = [(200, {}, b"<html>"), (500, {}, b"<html>"), (200, {}, {"id": "j1"})]
    with pytest.raises(gm.errors.BrokenAnswer, match="is it a gristmill server"):
        client.health()
    with pytest.raises(gm.Problem, match="the server answered 500"):
        client.health()
    with pytest.raises(gm.errors.BrokenAnswer, match="without 'batch'"):
        client.job("j1").info()


def test_no_server() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        gm.Client(nowhere) as client,
        pytest.raises(gm.errors.Unreachable, match="gristmill serve"),
    ):
        client.health()
    with pytest.raises(gm.GristmillError, match="no URL"):
        gm.Client("127.0.0.1:7077")


def test_server_and_token_of_the_environment(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_SERVER", scripted.url + "/")
    monkeypatch.setenv("GRISTMILL_TOKEN", "gm_other")
    scripted.answers = [(401, {}, {"code": "unauthorized", "detail": "no"})]
    with gm.Client() as client, pytest.raises(gm.errors.Unauthorized):
        client.health()
    assert scripted.asked[0][2]["Authorization"] == "Bearer gm_other"


PAGE = {
    "items": [
        {"id": f"j{number}", "batch": "b1", "index": number, "pipeline": "p", "state": "queued"}
        for number in range(2)
    ],
    "has_more": True,
}


def test_the_blocking_client_works_where_an_event_loop_runs(scripted: Scripted) -> None:
    scripted.answers = [(200, {}, PAGE)]

    async def inside() -> list[str]:
        with gm.Client(scripted.url) as client:
            jobs = client.jobs()
            return [next(jobs).id, next(jobs).id]

    assert asyncio.run(inside()) == ["j0", "j1"]


def test_every_problem_of_the_reference_has_a_class() -> None:
    page = (DOCS / "reference" / "problems.md").read_text()
    codes = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert len(codes) > 20
    assert sorted(codes) == sorted(PROBLEMS)
    for code in codes:
        made = problem(400, {"code": code, "detail": "d", "advice": "a"})
        assert type(made) is PROBLEMS[code]
        named = "".join(part.title() for part in code.split("_"))
        # A handler raises `InvalidInput`, so the server's word for it has another name.
        assert type(made).__name__ == ("InputRefused" if code == "invalid_input" else named)
    assert type(problem(418, {"code": "novelty", "detail": "d"})) is gm.Problem


def test_a_server_that_is_killed_in_the_middle_of_a_map(tmp_path: Path) -> None:
    gristmill = binary()
    if gristmill is None:
        pytest.skip("no binary `gristmill`: build it with cargo, or name it in GRISTMILL_BINARY")
    (tmp_path / "data").mkdir()
    mill = Mill(gristmill, tmp_path / "data")
    try:
        with gm.Client(mill.url) as client:
            words = [str(place) for place in range(200)]
            results = client.map(command("printf", "%s", "{input}"), iter(words), window=40)
            got = [next(results) for _ in range(60)]
            mill.kill_server()
            again = threading.Timer(0.3, mill.serve)
            again.start()
            got += list(results)
            again.join()
            assert got == words
            assert results.batch is not None
            assert client.batch(results.batch).info().jobs == 200, "nothing was made twice"
    finally:
        mill.stop()
