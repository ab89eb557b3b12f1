"""From a type hint to what it takes: a schema for people and machines, and a function that judges a
JSON value and makes the Python value of it.

Here are the types of JSON and what is built from them. Bytes, files, images and arrays are in
`media`. A hint is looked at once, when a handler is loaded; a call only runs what came of it.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Literal, NamedTuple, Optional, Union

from gristmill.errors import InvalidInput
from gristmill.scratch import Scratch

Decode = Callable[[Any, Scratch], Any]
"""Makes the Python value of a JSON value, with a place for files that this may need."""


_ALIASES = 20


class Codec(NamedTuple):
    """What one type hint takes."""

    schema: dict[str, Any]
    decode: Decode


class HintError(TypeError):
    """A type hint that gristmill does not know."""


def codec(hint: Any) -> Codec:
    """What a type hint takes. Raises HintError where it is not one of those that are known."""
    hint = unaliased(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin = typing.get_origin(hint)
    if origin is not None and origin in _GENERIC:
        return _GENERIC[origin](typing.get_args(hint))
    made = _of_class(origin or hint)
    if made is None:
        raise HintError(
            f"{_shown(hint)} is not a type that an input can have; use str, int, float, bool, "
            "Literal, Optional, list, dict, a dataclass, TypedDict or Enum, bytes, pathlib.Path, "
            "an image, an array, or typing.Any"
        )
    return made


def unaliased(hint: Any) -> Any:
    """What an alias stands for: `type Name[T] = ...` of Python 3.12, or a NewType."""
    for _ in range(_ALIASES):
        alias = typing.get_origin(hint) or hint
        if type(alias).__name__ == "TypeAliasType":
            args = typing.get_args(hint)
            hint = alias.__value__[args] if args else alias.__value__
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        else:
            return hint
    raise HintError(f"{_shown(hint)} stands for another name more than {_ALIASES} times")


def _of_class(cls: Any) -> Optional[Codec]:
    from gristmill import media

    if not isinstance(cls, type):
        return None
    if typing.is_typeddict(cls) if hasattr(typing, "is_typeddict") else hasattr(cls, "__total__"):
        return _typed_dict(cls)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls)
    if issubclass(cls, enum.Enum):
        return _enum(cls)
    return media.codec(cls)


def shown(value: Any) -> str:
    """A value in an error message: short, whatever it is."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(hint: Any) -> str:
    return getattr(hint, "__qualname__", None) or str(hint)


def _exactly(kind: str, names: str, accept: Callable[[Any], bool]) -> Codec:
    def decode(value: Any, _scratch: Scratch) -> Any:
        if accept(value):
            return value
        raise InvalidInput(f"expected {names}, not {shown(value)}")

    return Codec({"type": kind}, decode)


def _integer(value: Any, _scratch: Scratch) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # JSON knows no difference between 3 and 3.0, and some languages write the one for the other.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise InvalidInput(f"expected a whole number, not {shown(value)}")


def _number(value: Any, _scratch: Scratch) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise InvalidInput(f"expected a number, not {shown(value)}")


def _anything(value: Any, scratch: Scratch) -> Any:
    from gristmill import media

    return media.natural(value, scratch)


def _list(args: tuple[Any, ...]) -> Codec:
    item = codec(args[0] if args else Any)
    decode_item = item.decode

    def decode(value: Any, scratch: Scratch) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidInput(f"expected a list, not {shown(value)}")
        made: list[Any] = []
        try:
            for element in value:
                made.append(decode_item(element, scratch))
        except InvalidInput as error:
            raise error.within(f"[{len(made)}]") from None
        return made

    return Codec({"type": "array", "items": item.schema}, decode)


def _tuple(args: tuple[Any, ...]) -> Codec:
    if len(args) != 2 or args[1] is not Ellipsis:
        raise HintError("of tuples only tuple[T, ...] can be an input; use a list or a dataclass")
    schema, items = _list(args[:1])
    return Codec(schema, lambda value, scratch: tuple(items(value, scratch)))


def _dict(args: tuple[Any, ...]) -> Codec:
    if args and args[0] is not str:
        raise HintError("the keys of a dict must be str, as they are in JSON")
    entry = codec(args[1] if args else Any)
    decode_entry = entry.decode

    def decode(value: Any, scratch: Scratch) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidInput(f"expected an object, not {shown(value)}")
        return {key: _step(decode_entry, each, scratch, f".{key}") for key, each in value.items()}

    return Codec({"type": "object", "additionalProperties": entry.schema}, decode)


def _step(decode: Decode, value: Any, scratch: Scratch, step: str) -> Any:
    try:
        return decode(value, scratch)
    except InvalidInput as error:
        raise error.within(step) from None


def _literal(args: tuple[Any, ...]) -> Codec:
    if not all(isinstance(each, (str, int, bool, type(None))) for each in args):
        raise HintError("a Literal may name texts, whole numbers, True, False and None")
    by_value = {(type(each), each): each for each in args}
    names = ", ".join(map(repr, args))

    def decode(value: Any, _scratch: Scratch) -> Any:
        try:
            return by_value[type(value), value]
        except (KeyError, TypeError):
            raise InvalidInput(f"expected one of {names}, not {shown(value)}") from None

    return Codec({"enum": list(args)}, decode)


def _enum(cls: type[enum.Enum]) -> Codec:
    chosen = _literal(tuple(each.value for each in cls))
    return Codec(chosen.schema, lambda value, scratch: cls(chosen.decode(value, scratch)))


def _union(args: tuple[Any, ...]) -> Codec:
    choices = [codec(each) for each in args]

    def decode(value: Any, scratch: Scratch) -> Any:
        reasons = []
        for choice in choices:
            try:
                return choice.decode(value, scratch)
            except InvalidInput as error:
                reasons.append(str(error))
        raise InvalidInput("; or ".join(reasons))

    return Codec({"anyOf": [choice.schema for choice in choices]}, decode)


class Field(NamedTuple):
    """One property of an object."""

    codec: Codec
    required: bool


def _fields(cls: type, fields: dict[str, Field], make: Callable[[dict[str, Any]], Any]) -> Codec:
    required = [name for name, field in fields.items() if field.required]
    schema = {
        "type": "object",
        "properties": {name: field.codec.schema for name, field in fields.items()},
        "required": required,
        "additionalProperties": False,
    }

    def decode(value: Any, scratch: Scratch) -> Any:
        if not isinstance(value, dict):
            raise InvalidInput(f"expected an object ({cls.__name__}), not {shown(value)}")
        check_keys(value, fields, required)
        made = {
            name: _step(fields[name].codec.decode, each, scratch, f".{name}")
            for name, each in value.items()
        }
        return make(made)

    return Codec(schema, decode)


def check_keys(value: Mapping[str, Any], known: Mapping[str, Any], required: Sequence[str]) -> None:
    """Raises InvalidInput where an object has a key that nobody knows, or lacks one."""
    unknown = [key for key in value if key not in known]
    if unknown:
        raise InvalidInput(f"there is no `{unknown[0]}`; there are {_listed(known)}")
    missing = [name for name in required if name not in value]
    if missing:
        raise InvalidInput(f"`{missing[0]}` is missing")


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _dataclass(cls: Any) -> Codec:
    hints = typing.get_type_hints(cls)
    fields = {}
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        fields[field.name] = Field(codec(hints[field.name]), not has_default)

    def make(values: dict[str, Any]) -> Any:
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:  # what its __post_init__ refuses
            raise InvalidInput(f"not a {cls.__name__}: {error}") from error

    return _fields(cls, fields, make)


def _typed_dict(cls: Any) -> Codec:
    hints = typing.get_type_hints(cls)
    required = getattr(cls, "__required_keys__", frozenset(hints))
    fields = {name: Field(codec(hint), name in required) for name, hint in hints.items()}
    return _fields(cls, fields, lambda values: values)


_PLAIN: dict[Any, Codec] = {}
_PLAIN[str] = _exactly("string", "a text", lambda value: isinstance(value, str))
_PLAIN[bool] = _exactly("boolean", "true or false", lambda value: isinstance(value, bool))
_PLAIN[type(None)] = _PLAIN[None] = _exactly("null", "null", lambda value: value is None)
_PLAIN[int] = Codec({"type": "integer"}, _integer)
_PLAIN[float] = Codec({"type": "number"}, _number)
_PLAIN[Any] = _PLAIN[object] = Codec({}, _anything)
_PLAIN[list] = _list(())
_PLAIN[dict] = _dict(())

_GENERIC: dict[Any, Callable[[tuple[Any, ...]], Codec]] = {
    list: _list,
    Sequence: _list,
    tuple: _tuple,
    dict: _dict,
    Mapping: _dict,
    Literal: _literal,
    Union: _union,
}
try:  # `int | None`, since Python 3.10
    from types import UnionType
except ImportError:
    pass
else:
    _GENERIC[UnionType] = _union
