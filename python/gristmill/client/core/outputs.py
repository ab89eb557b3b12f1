"""From a result as the server reports it to Python values. Bytes that are elsewhere become files,
which are not fetched here."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from typing import Any, Callable, Optional

from gristmill import arrays
from gristmill.client.core.files import Blob, FileInfo, StoredFile
from gristmill.errors import BrokenAnswer
from gristmill.marked import mark_of, read_bytes

LONG_VALUE = "result.json"
"""What a worker calls it in the store."""

MakeFile = Callable[[FileInfo], StoredFile]
"""Makes the file object of a client."""


def value(payload: Optional[Mapping[str, Any]], make_file: MakeFile) -> Any:
    """The value of a job's result; files in it are not fetched."""
    if payload is None:
        return None
    if "text" in payload:
        return payload["text"]
    if "json" in payload:
        return _decoded(json.loads(payload["json"]), make_file)
    if "file" in payload:
        return _artifact(payload["file"], make_file)
    raise BrokenAnswer(f"a result is {', '.join(payload)}; use gristmill of one version")


def is_long_value(found: Any) -> bool:
    """Whether a result is no file but a value that was too long to travel within its job."""
    return isinstance(found, StoredFile) and found.blob is not None and found.name == LONG_VALUE


def long_value(data: bytes, make_file: MakeFile) -> Any:
    """The value that was too long to travel; files in it are not fetched."""
    return _decoded(json.loads(data), make_file)


def of_digest(digest: str) -> FileInfo:
    """What is known of a file of which one has only the digest."""
    media = "application/octet-stream"
    return Blob(digest, 0, digest, media).info()


def files_in(found: Any) -> list[StoredFile]:
    """The files within a value."""
    if isinstance(found, StoredFile):
        return [found]
    within = found.values() if isinstance(found, dict) else found
    return [file for each in within for file in files_in(each)] if _is_nested(found) else []


def with_contents(found: Any, contents: Mapping[int, Any]) -> Any:
    """The value with each file replaced by what is in it, by the file's `id`."""
    if isinstance(found, StoredFile):
        return contents[id(found)]
    if isinstance(found, dict):
        return {key: with_contents(each, contents) for key, each in found.items()}
    if isinstance(found, list):
        return [with_contents(each, contents) for each in found]
    return found


def _is_nested(found: Any) -> bool:
    return isinstance(found, (dict, list))


def _decoded(found: Any, make_file: MakeFile) -> Any:
    if isinstance(found, list):
        return [_decoded(each, make_file) for each in found]
    if not isinstance(found, dict):
        return found
    mark = mark_of(found)
    if mark == "$bytes":
        return read_bytes(found)
    if mark == "$array":
        return _array(found)
    if mark == "$blob":
        return _blob(found["$blob"], make_file)
    return {key: _decoded(each, make_file) for key, each in found.items()}


def _array(found: dict[str, Any]) -> Any:
    try:
        return arrays.from_marked(found)
    except ImportError:
        return found


def _blob(raw: Mapping[str, Any], make_file: MakeFile) -> Any:
    name = str(raw.get("name") or "result.bin")
    media, size = str(raw.get("media") or _media(name)), int(raw.get("size", 0))
    return make_file(Blob(raw["digest"], size, name, media).info())


def _artifact(raw: Mapping[str, Any], make_file: MakeFile) -> Any:
    name, size = str(raw["name"]), int(raw["size"])
    location: Mapping[str, str] = raw["place"]
    media = _media(name)
    digest = location.get("blob")
    blob = None if digest is None else Blob(digest, size, name, media)
    return make_file(FileInfo(name, size, media, blob, location.get("path", "")))


def _media(name: str) -> str:
    if name.endswith(".npy"):
        return "application/x-npy"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
