"""The blocking client against a real server and worker."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from mill import Mill, command
from PIL import Image

import gristmill as gm

ECHO = command("printf", "%s", "{input}")
COPY = command("cp", "{input}", "{output}")


def test_call_with_one_value(client: gm.Client) -> None:
    assert client.call(ECHO, "a red mill") == "a red mill"


def test_call_with_names(client: gm.Client) -> None:
    told = client.call(ECHO, prompt="a red mill", seed=3)
    assert json.loads(told) == {"prompt": "a red mill", "seed": 3}


def test_call_of_a_pipeline_by_name(client: gm.Client) -> None:
    assert client.define("echo", ECHO) == 1
    assert client.define("echo", ECHO) == 1
    assert client.call("echo", "x") == "x"
    assert client.define("echo", command("printf", "2%s", "{input}")) == 2


def test_a_failed_job_is_raised_by_name(client: gm.Client) -> None:
    with pytest.raises(gm.JobFailed) as raised:
        client.call(command("false"))
    error = raised.value
    assert (error.state, error.kind, error.code) == ("failed", "failed", "exit_status")
    assert error.job.startswith("j")


def test_problems_have_classes(client: gm.Client) -> None:
    with pytest.raises(gm.errors.NoSuchPipeline) as raised:
        client.call("no-such-thing", "x")
    assert raised.value.status == 404
    assert "gristmill pipelines define" in raised.value.advice
    with pytest.raises(gm.errors.NoSuchJob):
        client.job("j999999").info()
    with pytest.raises(gm.errors.InvalidFilter):
        list(client.jobs("stat=failed"))
    with pytest.raises(gm.errors.NoSuchProject):
        list(client.jobs(project="nowhere"))


def test_ids_cannot_lead_elsewhere(client: gm.Client) -> None:
    with pytest.raises(gm.GristmillError, match="is no id"):
        client.job("j1/../../v1/workers?x").info()


def test_map_keeps_the_order(client: gm.Client) -> None:
    words = [f"word {place}" for place in range(300)]
    assert list(client.map(ECHO, words)) == words


def test_map_of_nothing(client: gm.Client) -> None:
    assert list(client.map(ECHO, [])) == []


def test_map_has_a_bounded_window(client: gm.Client) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            read.append(number)
            yield number

    results = client.map(ECHO, numbers(), window=20)
    assert [next(results) for _ in range(50)] == [str(place) for place in range(50)]
    assert len(read) <= 50 + 20
    results.close()
    assert results.batch is not None
    info = client.batch(results.batch).wait(20)
    assert info.finished, "what was left is cancelled and the batch closed"
    assert 50 <= info.jobs <= 70


def test_map_begins_before_a_slow_iterable_has_ended(client: gm.Client) -> None:
    first_came = threading.Event()

    def slow() -> Iterator[str]:
        yield "first"
        while not first_came.is_set():
            yield "more"
            first_came.wait(0.1)

    results = client.map(ECHO, slow())
    assert next(results) == "first"
    first_came.set()
    assert set(results) <= {"more"}


def test_map_as_they_end(client: gm.Client) -> None:
    stages = command("sleep {input}; echo {input}", shell=True)
    results = list(client.map(stages, ["1.5", "0", "0.2"], ordered=False))
    assert [each.strip() for each in results] == ["0", "0.2", "1.5"]


def test_map_as_they_end_in_a_small_window(client: gm.Client) -> None:
    words = [str(place) for place in range(200)]
    assert sorted(client.map(ECHO, words, ordered=False, window=16)) == sorted(words)


def test_map_as_they_end_is_bounded_behind_a_slow_job(client: gm.Client) -> None:
    stages = command("sleep {input}; echo {input}", shell=True)
    seconds = itertools.chain(["1.5"], itertools.repeat("0"))
    results = client.map(stages, seconds, ordered=False, window=10)
    assert [next(results) for _ in range(10)] == ["0"] * 9 + ["1.5"]
    assert next(results) == "0"
    results.close()


FAILS_ON_2 = command("test {input} != 2 && printf %s {input}", shell=True)


def test_map_raises_the_first_failure_in_order(client: gm.Client) -> None:
    results = client.map(FAILS_ON_2, [1, 2, 3])
    assert next(results) == "1"
    with pytest.raises(gm.JobFailed):
        next(results)


def test_map_gives_failures_in_their_place(client: gm.Client) -> None:
    results = list(client.map(FAILS_ON_2, [1, 2, 3], errors="return"))
    assert (results[0], results[2]) == ("1", "3")
    assert isinstance(results[1], gm.JobFailed)
    with pytest.raises(gm.GristmillError, match="errors="):
        client.map(ECHO, [1], errors="ignore")
    with pytest.raises(gm.GristmillError, match="window=0"):
        client.map(ECHO, [1], window=0)


def test_map_shows_how_far_it_is(client: gm.Client, capsys: pytest.CaptureFixture[str]) -> None:
    list(client.map(ECHO, ["a", "b", "c"], progress=True))
    assert "3/3" in capsys.readouterr().err


def test_map_as_array_and_as_table(client: gm.Client) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; tables are then not tested")
    words = ["1", "2", "3"]
    assert client.map(ECHO, words).numpy().tolist() == words
    assert client.map(ECHO, words).arrow().column("result").to_pylist() == words


def test_batch_as_array_and_as_table(client: gm.Client) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; tables are then not tested")
    arrays: list[Any] = [numpy.full((2, 1), place, "f4") for place in range(3)]
    told = client.submit(COPY, arrays).numpy()
    assert (told.shape, told.dtype) == ((3, 2, 1), "f4")
    assert told[:, 0, 0].tolist() == [0, 1, 2], "in the order of submission"
    batch = client.submit(command("sleep {input}; echo {input}", shell=True), ["0.3", "0"])
    assert batch.arrow().column("result").to_pylist() == ["0.3", "0"]
    with pytest.raises(gm.JobFailed):
        client.submit(command("false"), ["a", "b"]).numpy()


def test_submit_in_pieces_makes_one_batch(
    client: gm.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.client.core.submission.PIECE_JOBS", 100)
    words = [str(place) for place in range(250)]
    batch = client.submit(ECHO, iter(words), name="pieces", labels={"user": "ada"})
    assert list(batch.results()) == words
    info = batch.info()
    assert (info.jobs, info.name, info.counts) == (250, "pieces", {"succeeded": 250})
    assert len(list(client.jobs("label.user=ada", batch=batch.id))) == 250


def test_submit_of_nothing_is_refused(client: gm.Client) -> None:
    with pytest.raises(gm.GristmillError, match="no inputs"):
        client.submit(ECHO, [])


def test_one_input_is_not_taken_apart(client: gm.Client) -> None:
    assert list(client.submit(ECHO, "a red mill").results()) == ["a red mill"]
    assert list(client.submit(ECHO, {"a": 1}).results()) == ['{"a":1}']
    assert list(client.submit(ECHO, 7).results()) == ["7"]
    with pytest.raises(gm.GristmillError, match="a str is one input"):
        client.map(ECHO, "a red mill")


def test_results_of_a_batch_come_before_it_is_done(client: gm.Client) -> None:
    batch = client.submit(command("sleep {input}; echo {input}", shell=True), ["0", "30"])
    assert next(batch.results()) == "0"
    assert not batch.info().finished
    assert batch.cancel() == 1
    assert isinstance(list(batch.results(errors="return"))[1], gm.errors.JobCancelled)


def test_submit_with_a_key_makes_one_batch(client: gm.Client) -> None:
    first = client.submit(ECHO, ["a"], key="monday")
    assert client.submit(ECHO, ["a"], key="monday").id == first.id
    with pytest.raises(gm.errors.KeyReused):
        client.submit(ECHO, ["b"], key="monday")


def test_submit_in_pieces_with_a_key_makes_one_batch(
    client: gm.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.client.core.submission.PIECE_JOBS", 10)
    words = [str(place) for place in range(25)]
    first = client.submit(ECHO, words, key="tuesday")
    assert client.submit(ECHO, words, key="tuesday").id == first.id
    assert first.wait(20).jobs == 25


def test_job_and_batch(client: gm.Client) -> None:
    batch = client.submit(ECHO, ["a", "b"])
    assert batch.job(1).value(20) == "b"
    assert client.job(f"{batch.id}/0").value(20) == "a"
    assert [info.index for info in batch.jobs()] == [0, 1]
    assert batch.wait(20).finished
    assert batch.info().raw["counts"] == {"succeeded": 2}


def test_wait_has_an_end(client: gm.Client) -> None:
    batch = client.submit(command("sleep", "30"), [None])
    with pytest.raises(TimeoutError, match=f"{batch.id} is not done yet"):
        batch.wait(0.2)
    assert client.cancel(batch.id) == 1
    with pytest.raises(gm.errors.JobCancelled):
        batch.job(0).value(20)
    with pytest.raises(gm.errors.WrongState):
        batch.job(0).cancel()


def test_logs(client: gm.Client) -> None:
    batch = client.submit(command("echo one; echo two >&2", shell=True), [None])
    followed = [line.text for line in batch.job(0).logs(follow=True)]
    assert sorted(followed) == ["one", "two"]
    lines = {line.stream: line.text for line in client.logs(f"{batch.id}.0")}
    assert lines == {"stdout": "one", "stderr": "two"}


def test_events(client: gm.Client) -> None:
    batch = client.submit(command("sleep", "0.5"), [None])
    for event in batch.events():
        assert event.batch == batch.id
        if event.state == "succeeded":
            break


def test_bytes_images_and_arrays_are_uploaded_and_come_back(client: gm.Client) -> None:
    image = Image.new("RGB", (5, 4), (1, 2, 3))
    array: Any = numpy.arange(6, dtype="f4").reshape(2, 3)
    files = list(client.map(COPY, [b"grain", image, array]))
    assert all(isinstance(file, gm.File) for file in files)
    assert files[0].bytes() == b"grain"
    assert files[0].size == 5
    assert Image.open(io.BytesIO(files[1].bytes())).getpixel((0, 0)) == (1, 2, 3)
    assert numpy.load(io.BytesIO(files[2].bytes())).tolist() == array.tolist()


def test_files_within_an_input_are_named_there(client: gm.Client, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * 5000)
    told = json.loads(client.call(ECHO, text=path, few=b"ab", array=numpy.int16([[1, 2]])))
    assert told["few"] == {"$bytes": "YWI="}
    assert told["array"]["$array"]["shape"] == [1, 2]
    blob = told["text"]["$blob"]
    assert (blob["name"], blob["size"], blob["media"]) == ("long.txt", 5000, "text/plain")
    assert client.download(blob["digest"]).bytes() == b"x" * 5000


def test_results_that_are_values_of_json(client: gm.Client, mill: Mill) -> None:
    blob = client.upload(b"grain", "a.bin").blob
    assert blob is not None
    made = gm.client.core.outputs.value(
        {"json": json.dumps({"b": {"$bytes": "YWI="}, "f": [blob.marked()], "n": 1})},
        lambda where: gm.File(client._connection, where),
    )
    assert (made["b"], made["n"]) == (b"ab", 1)
    assert made["f"][0].bytes() == b"grain"


def test_file_is_saved_whole_and_decoded(client: gm.Client, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    Image.new("RGB", (3, 2), (9, 8, 7)).save(source)
    file = client.upload(source)
    assert (file.name, file.media) == ("in.png", "image/png")
    folder = tmp_path / "out"
    folder.mkdir()
    assert file.save(folder) == folder / "in.png"
    assert file.save(str(folder / "b.png")).read_bytes() == source.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["b.png", "in.png"]
    assert file.image().size == (3, 2)
    assert file.array().shape == (2, 3, 3)
    assert file.result().getpixel((0, 0)) == (9, 8, 7)


def test_result_of_one_job_is_the_input_of_another(client: gm.Client) -> None:
    first = client.call(COPY, b"grain")
    assert (
        client.call(command("sha256sum", "{input}"), first).split()[0]
        == hashlib.sha256(b"grain").hexdigest()
    )


def test_upload_without_blake3(client: gm.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with_digest = client.upload(b"the same bytes").blob
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)
    without = client.upload(b"the same bytes").blob
    assert with_digest is not None
    assert without is not None
    assert with_digest.digest == without.digest
    with pytest.raises(gm.GristmillError, match="pip install blake3"):
        client.upload(b"x" * (17 * 1024 * 1024))


def test_upload_of_a_large_file(client: gm.Client, tmp_path: Path) -> None:
    pytest.importorskip("blake3", reason="blake3 is not installed; large files are then refused")
    path = tmp_path / "large.bin"
    path.write_bytes(b"0123456789abcdef" * (20 * 1024 * 64))
    file = client.upload(path)
    saved = file.save(tmp_path / "back.bin")
    assert hashlib.md5(saved.read_bytes()).digest() == hashlib.md5(path.read_bytes()).digest()


def test_what_cannot_be_an_input(client: gm.Client, tmp_path: Path) -> None:
    with pytest.raises(gm.GristmillError, match=r"builtins\.object cannot be an input"):
        client.call(ECHO, object())
    with pytest.raises(gm.GristmillError, match="there is no file"):
        client.call(ECHO, tmp_path / "gone.png")
    with pytest.raises(gm.GristmillError, match="JSON cannot say it"):
        client.call(ECHO, [float("nan")])
    with pytest.raises(gm.GristmillError, match="by names, or as one value"):
        client.call(ECHO, "a", prompt="b")


def test_a_client_for_many_threads(client: gm.Client) -> None:
    answers: list[str] = []

    def ask(word: str) -> None:
        answers.append(client.call(ECHO, word))

    threads = [threading.Thread(target=ask, args=(f"{place}",)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [str(place) for place in range(8)]
