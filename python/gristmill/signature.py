"""What a handler takes and gives, read off its type hints, and how a job's input becomes its
arguments.

The types themselves are for `codecs` and `media`; who calls the handler is not known here.
"""

from __future__ import annotations

import collections.abc
import enum
import inspect
import math
import typing
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional, Union

from gristmill.codecs import Codec, HintError, check_keys, codec, shown, unaliased
from gristmill.errors import BadHandler, InvalidInput
from gristmill.marked import mark_of
from gristmill.scratch import Scratch

_STREAMS = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)
_SAYABLE = (str, int, float, bool, type(None))
_LISTS = (list, collections.abc.Sequence)


class Parameter(NamedTuple):
    """A parameter of a handler.

    Its `key` is what a job's input calls it: its name, or the singular of it where the handler
    takes a batch, since a job brings one element of the list.
    """

    name: str
    key: str
    codec: Codec
    required: bool
    default: Any


class Signature(NamedTuple):
    """What a handler takes and gives."""

    parameters: dict[str, Parameter]
    required: tuple[str, ...]
    sole: Optional[Parameter]
    output: dict[str, Any]
    streams: bool

    def described(self) -> dict[str, Any]:
        """As the contract with workers has it."""
        properties = {key: _property(each) for key, each in self.parameters.items()}
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(self.required),
            "additionalProperties": False,
        }
        return {"input": schema, "output": self.output, "streams": self.streams}

    def bind(self, value: Any, scratch: Scratch) -> dict[str, Any]:
        """The arguments that a job's input stands for, by the parameters' names.

        Raises InvalidInput, naming the place, where it is none that the handler takes.
        """
        if self._is_empty(value):
            return {}
        if self._is_named(value):
            check_keys(value, self.parameters, self.required)
            return {
                self.parameters[key].name: _decoded(self.parameters[key], each, scratch, key)
                for key, each in value.items()
            }
        if self.sole is not None:
            return {self.sole.name: _decoded(self.sole, value, scratch, self.sole.key)}
        names = ", ".join(f"`{key}`" for key in self.parameters) or "nothing"
        raise InvalidInput(f"expected an object with {names}, not {shown(value)}")

    def _is_empty(self, value: Any) -> bool:
        """Whether a job brings nothing, and each parameter has a default."""
        if self.required or value not in (None, "", {}):
            return False
        # An empty text may be what the only parameter is to be.
        return value != "" or self.sole is None

    def _is_named(self, value: Any) -> bool:
        if not isinstance(value, dict) or mark_of(value) is not None:
            return False
        return self.sole is None or any(key in self.parameters for key in value)


def signature(function: Callable[..., Any], where: str, batch: int, *, method: bool) -> Signature:
    """Reads a function's signature.

    Arguments:
        where: what errors call it, such as `app.py:generate`.
        batch: the jobs of one call; beyond 1 its parameters must be lists.
        method: whether the first parameter is the object itself.

    Raises BadHandler where a hint is missing or not known.
    """
    hints = _hints(function, where)
    plain = list(inspect.signature(function).parameters.values())[1 if method else 0 :]
    parameters: dict[str, Parameter] = {}
    for each in plain:
        parameter = _parameter(each, hints, where, batched=batch > 1)
        if parameter.key in parameters:
            raise _bad(where, f"two parameters are called `{parameter.key}` in a job's input")
        parameters[parameter.key] = parameter
    if batch > 1 and not parameters:
        raise _bad(where, "a handler that takes batches needs a parameter that is a list")
    output, streams = _output(hints.get("return", Any), function, batched=batch > 1)
    required = tuple(key for key, each in parameters.items() if each.required)
    return Signature(parameters, required, _sole(parameters), output, streams)


def singular(name: str) -> str:
    """What one element of a list is called in a job's input: `prompt` for `prompts`."""
    if len(name) > 1 and name.endswith("s") and not name.endswith("ss"):
        return name[:-1]
    return name


def _sole(parameters: Mapping[str, Parameter]) -> Optional[Parameter]:
    """The parameter that an input stands for that names none."""
    required = [each for each in parameters.values() if each.required]
    candidates = list(parameters.values()) if len(parameters) == 1 else required
    return candidates[0] if len(candidates) == 1 else None


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(function)
        return {name: unaliased(hint) for name, hint in hints.items()}
    except NameError as error:
        raise _bad(
            where, f"a type hint cannot be read: {error}; import it where it is used"
        ) from error
    except (TypeError, SyntaxError) as error:
        raise _bad(where, f"a type hint cannot be read: {error}") from error


def _parameter(
    each: inspect.Parameter, hints: Mapping[str, Any], where: str, *, batched: bool
) -> Parameter:
    if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
        raise _bad(where, f"the parameter `{each}` has no fixed name; write each parameter out")
    if each.name not in hints:
        example = f"{each.name}: list[str]" if batched else f"{each.name}: str"
        raise _bad(
            where,
            f"the parameter `{each.name}` has no type hint; write one, such as `{example}`, or "
            "typing.Any for whatever comes",
        )
    hint = hints[each.name]
    if batched:
        hint = _element(each, hint, where)
    try:
        known = codec(hint)
    except HintError as error:
        raise _bad(where, f"the parameter `{each.name}`: {error}") from error
    key = singular(each.name) if batched else each.name
    optional = batched and _takes_none(hint)
    required = each.default is each.empty and not optional
    return Parameter(each.name, key, known, required, None if batched else each.default)


def _element(each: inspect.Parameter, hint: Any, where: str) -> Any:
    """The hint of a batched parameter's elements."""
    if typing.get_origin(hint) not in _LISTS:
        raise _bad(
            where,
            f"the handler takes batches, so its parameter `{each.name}` must be a list with an "
            f"element for each job, such as `{each.name}: list[str]`",
        )
    if each.default is not each.empty:
        raise _bad(
            where,
            f"the parameter `{each.name}` of a handler that takes batches has a default; make its "
            "elements Optional, and they are None where a job does not say",
        )
    return typing.get_args(hint)[0]


def _takes_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _decoded(parameter: Parameter, value: Any, scratch: Scratch, key: str) -> Any:
    try:
        return parameter.codec.decode(value, scratch)
    except InvalidInput as error:
        raise error.within(f".{key}") from None


def _property(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.codec.schema)
    default = parameter.default
    if isinstance(default, enum.Enum):
        default = default.value
    finite = not isinstance(default, float) or math.isfinite(default)
    if not parameter.required and isinstance(default, _SAYABLE) and finite:
        schema["default"] = default
    return schema


def _output(
    hint: Any, function: Callable[..., Any], *, batched: bool
) -> tuple[dict[str, Any], bool]:
    """Schema of an item's result, and whether it comes in parts."""
    streams = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if typing.get_origin(hint) in _STREAMS:
        hint = typing.get_args(hint)[0]
    elif streams:
        hint = Any
    if batched:
        hint = typing.get_args(hint)[0] if typing.get_origin(hint) in _LISTS else Any
    schema = _output_schema(hint)
    return ({"type": "array", "items": schema} if streams else schema), streams


def _output_schema(hint: Any) -> dict[str, Any]:
    # A batch's elements may be exceptions, which are errors and no results.
    kept = [each for each in typing.get_args(hint) if not _is_exception(each)]
    if typing.get_origin(hint) is not None and len(kept) < len(typing.get_args(hint)):
        hint = Union[tuple(kept)] if kept else Any
    try:
        return codec(hint).schema
    except HintError:  # nobody judges results, so nothing is lost where they are not described
        return {}


def _is_exception(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseException)


def _bad(where: str, why: str) -> BadHandler:
    return BadHandler("bad_handler", f"{where}: {why}")
