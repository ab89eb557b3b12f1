"""Works on a call: inputs become arguments, the function is called, what it gives becomes results.

Plain functions, coroutines, generators and asynchronous generators are told apart by what they
return, so a function that some decorator wraps behaves like the one inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Callable, Optional

from gristmill.errors import BadOutput
from gristmill.host.calls import Call
from gristmill.host.failures import cancelled, failure, free_device_memory
from gristmill.scratch import Scratch
from gristmill.signature import Signature
from gristmill.values import Writer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

Arguments = dict[str, Any]


class Workplace:
    """A loaded handler, ready to be called again and again."""

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Signature,
        *,
        batched: bool,
        scratch: Scratch,
        writer: Writer,
    ) -> None:
        self._function = function
        self._signature = signature
        self._batched = batched
        self._scratch = scratch
        self._writer = writer
        self._loop: Optional[AbstractEventLoop] = None

    def work(self, call: Call) -> None:
        """Ends every item of the call, whatever the handler does."""
        ready = self._ready(call)
        if self._batched and ready:
            self._attempt(call, ready)
        elif not self._batched:
            for item, arguments in ready.items():
                self._attempt(call, {item: arguments})
        self._scratch.clear()

    def _attempt(self, call: Call, ready: dict[int, Arguments]) -> None:
        """Calls the function once; all its items have ended afterwards."""
        short_of_memory = False
        try:
            self._run(call, ready)
        # Whatever it raises, `sys.exit()` included, is this call's and not the session's.
        except BaseException as error:
            told_of = failure(error)
            short_of_memory = told_of["kind"] == "out_of_memory"
            for item in ready:
                if item in call.open:
                    call.fail(item, cancelled() if call.is_cancelled(item) else told_of)
        # Only here is the exception gone, and with it what its frames kept in memory.
        if short_of_memory:
            free_device_memory()

    def _ready(self, call: Call) -> dict[int, Arguments]:
        """Arguments by item; ends those items whose input is wrong, or that are cancelled."""
        ready: dict[int, Arguments] = {}
        for item, value in enumerate(call.inputs):
            if call.is_cancelled(item):
                call.fail(item, cancelled())
                continue
            try:
                ready[item] = self._signature.bind(value, self._scratch)
            except Exception as error:
                call.fail(item, failure(error))
        return ready

    def _run(self, call: Call, ready: dict[int, Arguments]) -> None:
        if self._batched:
            result = self._function(**self._gathered(list(ready.values())))
        else:
            result = self._function(**next(iter(ready.values())))
        if isinstance(result, CoroutineType):
            result = self._awaited(call, result)
        if isinstance(result, GeneratorType):
            self._stream(call, list(ready), result)
        elif isinstance(result, AsyncGeneratorType):
            self._stream(call, list(ready), self._steps(call, result))
        else:
            self._give(call, list(ready), result)

    def _gathered(self, inputs: list[Arguments]) -> Arguments:
        """One list for each parameter, with an element for each item."""
        names = [parameter.name for parameter in self._signature.parameters.values()]
        return {name: [each.get(name) for each in inputs] for name in names}

    def _give(self, call: Call, items: list[int], result: Any) -> None:
        results = self._one_for_each(items, result)
        for item, each in zip(items, results):
            self._end(call, item, self._writer.encode, each)

    def _one_for_each(self, items: list[int], result: Any) -> list[Any]:
        if not self._batched:
            return [result]
        if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__len__"):
            raise _WrongBatch(f"gave a {type(result).__name__} for a batch of {len(items)}")
        if len(result) != len(items):
            raise _WrongBatch(f"gave {len(result)} results for a batch of {len(items)}")
        return list(result)

    def _end(self, call: Call, item: int, encode: Callable[[Any], Any], result: Any) -> None:
        if call.is_cancelled(item):
            call.fail(item, cancelled())
        elif isinstance(result, BaseException):
            call.fail(item, failure(result))
        else:
            try:
                call.succeed(item, encode(result))
            except Exception as error:
                call.fail(item, failure(error))

    def _stream(self, call: Call, items: list[int], steps: Iterator[Any]) -> None:
        """Sends each step's parts; an item's result is the list of its parts."""
        parts: dict[int, list[Any]] = {item: [] for item in items}
        for step in steps:
            for item, part in zip(items, self._one_for_each(items, step)):
                if item in parts:
                    self._part(call, item, part, parts)
            call.flush()
            if call.is_cancelled(None) or not parts:
                break
        _close(steps)
        for item, gathered in parts.items():
            self._end(call, item, self._writer.again, gathered)

    def _part(self, call: Call, item: int, part: Any, parts: dict[int, list[Any]]) -> None:
        """Sends one part of an item; ends the item where that is impossible."""
        if call.is_cancelled(item):
            return
        try:
            if isinstance(part, BaseException):
                raise part
            value = self._writer.encode(part, f"result-{len(parts[item])}")
            call.part(item, value)
            parts[item].append(value)
        except Exception as error:
            call.fail(item, failure(error))
            del parts[item]

    def _steps(self, call: Call, steps: Any) -> Iterator[Any]:
        """The steps of an asynchronous generator."""
        try:
            while True:
                try:
                    step = self._awaited(call, steps.__anext__())
                except StopAsyncIteration:
                    return
                yield step
        finally:
            # Not to be cancelled: this is how the generator tidies up.
            self._event_loop().run_until_complete(steps.aclose())

    def _event_loop(self) -> AbstractEventLoop:
        """The one event loop of this session, made when first it is needed."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop

    def _awaited(self, call: Call, awaitable: Any) -> Any:
        """Runs it to its end; a cancelled call cancels it."""
        loop = self._event_loop()

        async def run() -> Any:
            return await awaitable

        task = loop.create_task(run())
        call.stop_with(lambda: _cancel_soon(loop, task))
        try:
            return loop.run_until_complete(task)
        finally:
            call.stop_with(None)


def _cancel_soon(loop: AbstractEventLoop, task: Task[Any]) -> None:
    loop.call_soon_threadsafe(task.cancel)


class _WrongBatch(BadOutput):
    """A handler that takes batches did not give one result for each item."""

    code = "wrong_batch_length"


def _close(steps: Iterator[Any]) -> None:
    close = getattr(steps, "close", None)
    if close is not None:
        close()
