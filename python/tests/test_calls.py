"""Every kind of handler through the real host."""

from __future__ import annotations

from typing import Any

from conftest import Start


def test_says_who_it_is(host: Start) -> None:
    process = host("def work(prompt: str) -> str: return prompt").ready()
    assert process.hello["protocol"] == 1
    assert process.hello["versions"]["python"].startswith("3.")
    assert "gristmill" in process.hello["versions"]
    assert process.close() == 0


def test_plain_function_without_a_decorator(host: Start) -> None:
    process = host(
        "def work(prompt: str, steps: int = 4) -> str: return f'{prompt} {steps}'"
    ).ready()
    assert process.value({"prompt": "a red mill", "steps": 9}) == "a red mill 9"
    assert process.value({"prompt": "a red mill"}) == "a red mill 4"
    assert process.value("a red mill") == "a red mill 4", "the one required parameter's value alone"


EMPTY: tuple[Any, ...] = (None, "", {})


def test_function_without_parameters(host: Start) -> None:
    process = host("def work() -> int: return 7").ready()
    assert [process.value(empty) for empty in EMPTY] == [7, 7, 7]
    assert process.error("something")["code"] == "bad_input"


def test_a_whole_input_that_is_an_object_but_names_no_parameter(host: Start) -> None:
    process = host("def work(settings: dict) -> int: return len(settings)").ready()
    assert process.value({"a": 1, "b": 2}) == 2
    assert process.value({"settings": {"a": 1}}) == 1
    assert process.value({}) == 0


def test_several_items_for_a_function_that_takes_one(host: Start) -> None:
    process = host("def work(n: int) -> float: return 6 / n").ready()
    outcome = process.call(2, 0, 3)
    assert (outcome.ok(0), outcome.ok(2)) == (3, 2)
    assert outcome.error(1)["code"] == "ZeroDivisionError"


BATCHED = """
@gm.handler(batch=8)
def work(prompts: list[str], seeds: list[int]) -> list[str]:
    return [f'{len(prompts)} {prompt} {seed}' for prompt, seed in zip(prompts, seeds)]
"""


def test_batch_is_one_call_with_lists(host: Start) -> None:
    process = host(BATCHED).ready()
    outcome = process.call({"prompt": "a", "seed": 1}, {"prompt": "b", "seed": 2})
    assert [outcome.ok(0), outcome.ok(1)] == ["2 a 1", "2 b 2"]


def test_wrong_input_in_a_batch_is_that_items_error_alone(host: Start) -> None:
    process = host(BATCHED).ready()
    outcome = process.call(
        {"prompt": "a", "seed": 1}, {"prompt": "b", "seed": "x"}, {"prompt": "c", "seed": 3}
    )
    assert [outcome.ok(0), outcome.ok(2)] == ["2 a 1", "2 c 3"]
    error = outcome.error(1)
    assert (error["kind"], error["code"]) == ("invalid", "bad_input")
    assert error["message"] == "`seed`: expected a whole number, not 'x'"


def test_exception_as_an_element_is_that_items_error(host: Start) -> None:
    process = host(
        "@gm.handler(batch=4)\n"
        "def work(numbers: list[int]) -> list:\n"
        "    return [ValueError('odd') if number % 2 else number for number in numbers]"
    ).ready()
    outcome = process.call(2, 3, 4)
    assert (outcome.ok(0), outcome.ok(2)) == (2, 4)
    assert (outcome.error(1)["kind"], outcome.error(1)["code"]) == ("failed", "ValueError")


def test_wrong_length_of_a_batch_fails_every_item(host: Start) -> None:
    process = host(
        "@gm.handler(batch=4)\ndef work(prompts: list[str]) -> list[str]: return prompts[1:]"
    ).ready()
    outcome = process.call("a", "b", "c")
    for item in range(3):
        assert outcome.error(item)["code"] == "wrong_batch_length"
        assert "2 results for a batch of 3" in outcome.error(item)["message"]
    assert process.call("a", "b").error(0)["code"] == "wrong_batch_length", "the session goes on"


def test_generator_sends_parts_in_order_and_then_the_list(host: Start) -> None:
    process = host(
        "from collections.abc import Iterator\n"
        "def work(count: int) -> Iterator[str]:\n"
        "    for place in range(count): yield f'part {place}'"
    ).ready()
    outcome = process.call(3)
    parts = [(frame["index"], frame["value"]) for frame in outcome.told("partial")]
    assert parts == [(0, "part 0"), (1, "part 1"), (2, "part 2")]
    assert outcome.ok(0) == ["part 0", "part 1", "part 2"]


def test_generator_that_fails_midway_keeps_what_it_sent(host: Start) -> None:
    process = host(
        "def work(count: int):\n    yield 'first'\n    raise RuntimeError('out of flour')"
    ).ready()
    outcome = process.call(1)
    assert [frame["value"] for frame in outcome.told("partial")] == ["first"]
    assert outcome.error(0)["message"] == "out of flour"


def test_batched_generator_gives_each_item_its_parts(host: Start) -> None:
    process = host(
        "@gm.handler(batch=4)\n"
        "def work(words: list[str]):\n"
        "    for place in range(2): yield [f'{word}{place}' for word in words]"
    ).ready()
    outcome = process.call("a", "b")
    assert (outcome.ok(0), outcome.ok(1)) == (["a0", "a1"], ["b0", "b1"])


def test_coroutines_share_one_event_loop(host: Start) -> None:
    process = host(
        "import asyncio\nloops = set()\n"
        "async def work(n: int) -> int:\n"
        "    await asyncio.sleep(0)\n"
        "    loops.add(id(asyncio.get_running_loop()))\n"
        "    return len(loops)"
    ).ready()
    assert [process.value(1), process.value(2)] == [1, 1]


def test_asynchronous_generator_streams(host: Start) -> None:
    process = host(
        "import asyncio\n"
        "async def work(count: int):\n"
        "    for place in range(count):\n"
        "        await asyncio.sleep(0)\n"
        "        yield place"
    ).ready()
    outcome = process.call(3)
    assert [frame["value"] for frame in outcome.told("partial")] == [0, 1, 2]
    assert outcome.ok(0) == [0, 1, 2]


def test_item_that_is_not_there_is_named(host: Start) -> None:
    process = host(
        "@gm.handler(batch=2)\n"
        "def work(calls: list[str]) -> list[str]:\n"
        "    getattr(gm, calls[0])(*([1] if calls[0] != 'cancelled' else []), item=2)\n"
    ).ready()
    for name in ("progress", "log", "cancelled"):
        error = process.call(name, name).error(0)
        assert error["message"] == "item=2: this call has 2 items, from 0 on"


def test_class_is_set_up_once_with_its_data(host: Start) -> None:
    process = host(
        "@gm.handler(data=['words'])\n"
        "class Work:\n"
        "    def setup(self, data: dict):\n"
        "        self.words = data['words'].read_text().split()\n"
        "        self.calls = 0\n"
        "    def __call__(self, place: int) -> dict:\n"
        "        self.calls += 1\n"
        "        return {'word': self.words[place], 'calls': self.calls,\n"
        "                'same': str(gm.data('words')), 'none': gm.data('other')}",
        "Work",
        data={"words": __file__},
    ).ready()
    assert process.value(0)["calls"] == 1
    second = process.value(1)
    assert second["calls"] == 2
    assert second["same"] == __file__
    assert second["none"] is None


def test_class_with_a_call_method_and_a_setup_without_arguments(host: Start) -> None:
    process = host(
        "class Work:\n"
        "    def setup(self): self.greeting = 'hello'\n"
        "    async def call(self, name: str) -> str: return f'{self.greeting} {name}'",
        "Work",
    ).ready()
    assert process.value("ada") == "hello ada"


def test_progress_and_log_name_their_items(host: Start) -> None:
    process = host(
        "@gm.handler(batch=2)\n"
        "def work(words: list[str]) -> list[str]:\n"
        "    gm.progress(3, 3, 'steps')\n"
        "    gm.progress(1, 1, item=1)\n"
        "    gm.log('for', 'all')\n"
        "    gm.log('for the second', item=1)\n"
        "    return words"
    ).ready()
    outcome = process.call("a", "b")
    progress = [(each["item"], each["done"], each["message"]) for each in outcome.told("progress")]
    assert progress == [(0, 3, "steps"), (1, 3, "steps"), (1, 1, "")]
    logs = [(each["item"], each["text"]) for each in outcome.told("log")]
    assert logs == [(None, "for all\n"), (1, "for the second\n")]
