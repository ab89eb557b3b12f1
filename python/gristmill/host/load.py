"""From an entry such as `app.py:generate` to something that can be called.

It imports the application and finds the function. What the function's hints say is for `signature`,
and calling it for `calls`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, NamedTuple

from gristmill.context import share
from gristmill.errors import BadHandler
from gristmill.handler import Options, is_decorated, options_of
from gristmill.host.traces import users_frames
from gristmill.signature import Signature, signature

_CALL_METHODS = ("__call__", "call")
_NAMES_SHOWN = 20


class Handler(NamedTuple):
    """What an entry names, before anything of it has run."""

    target: Any
    function: Callable[..., Any]
    where: str
    options: Options
    signature: Signature

    @property
    def name(self) -> str:
        """What jobs call it."""
        return self.options.name or str(self.target.__name__)

    def started(self, data: dict[str, str]) -> Callable[..., Any]:
        """What is to be called for each call: the function, or the object after its `setup`."""
        files = share(data)
        if not inspect.isclass(self.target):
            return self.function
        made = self.target()
        setup = getattr(made, "setup", None)
        if setup is not None:
            setup(*([files] if inspect.signature(setup).parameters else []))
        bound: Callable[..., Any] = getattr(made, self.function.__name__)
        return bound


def find(entry: str) -> Handler:
    """Imports the application and finds the handler that an entry names.

    Raises BadHandler: what was wrong, and the way out.
    """
    source, _, name = entry.rpartition(":")
    if not source or not name:
        raise BadHandler(
            "bad_entry",
            f"`{entry}` names no function; write `app.py:function` or `module:function`",
        )
    module = _module(source)
    target = getattr(module, name, None)
    if not callable(target):
        raise BadHandler("no_such_function", _absent(module, source, name))
    options, is_class = options_of(target), inspect.isclass(target)
    function = _call_method(target, entry) if is_class else target
    return Handler(
        target,
        function,
        entry,
        options,
        signature(function, entry, options.batch, method=is_class),
    )


def _module(source: str) -> ModuleType:
    try:
        if source.endswith(".py") or os.sep in source:
            return _of_file(source)
        return importlib.import_module(source)
    except BadHandler:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (source + ".").startswith(error.name + "."):
            raise BadHandler(
                "no_such_module",
                f"there is no module `{source}` in {os.getcwd()} or among the installed packages; "
                "a file is named with its ending, such as `app.py:function`",
            ) from None
        raise _failed(source, error, f"; install it for {sys.executable}") from error
    # Whatever an application raises at its import, `sys.exit()` included, is its author's to see.
    except (Exception, SystemExit) as error:
        raise _failed(source, error, "") from error


def _failed(source: str, error: BaseException, way_out: str) -> BadHandler:
    cause = f"{type(error).__name__}: {error}".rstrip(": ")
    trace = users_frames(error)
    return BadHandler("import_failed", f"{source} cannot be imported: {cause}{way_out}", trace)


def _of_file(source: str) -> ModuleType:
    path = Path(source).resolve()
    if not path.is_file():
        raise BadHandler("no_such_file", f"there is no file {path}")
    # What lies beside the file can be imported, as it can when Python runs the file itself.
    sys.path.insert(0, str(path.parent))
    # A file may be called like a module that is in use already, which must stay what it is.
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_app"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadHandler("no_such_file", f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _absent(module: ModuleType, source: str, name: str) -> str:
    """Says which function is not there and which are, the decorated ones if there are any."""
    own = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }
    names = [key for key, value in own.items() if is_decorated(value)] or sorted(
        key for key in own if not key.startswith("_")
    )
    there = ", ".join(f"`{each}`" for each in names[:_NAMES_SHOWN]) or "none"
    return f"{source} has no function `{name}`; there are: {there}"


def _call_method(target: type, entry: str) -> Callable[..., Any]:
    for method in _CALL_METHODS:
        found = inspect.getattr_static(target, method, None)
        if inspect.isfunction(found):
            return found
    raise BadHandler(
        "bad_handler", f"{entry}: the class has no method `__call__` or `call` that takes an input"
    )
