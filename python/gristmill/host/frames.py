"""The frames between a worker and this host: a length, then one MessagePack map.

It knows how frames travel and how large they may be, and nothing of what they say.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from typing import Any, Optional

import msgpack

from gristmill.errors import BadOutput

PROTOCOL = 1
FD_VARIABLE = "GRISTMILL_SESSION_FD"
FRAME_BYTES = 16 * 1024 * 1024
"""Bytes of a frame at most, in both directions."""

Frame = Mapping[str, Any]


class BrokenLink(Exception):
    """What came is no frame."""


class FrameTooLarge(BadOutput):
    """A result or a part of it that does not fit into a frame."""

    code = "result_too_large"


# Kept, for a packer begins by allocating a buffer; and guarded, for it cannot be shared in use.
_packer = msgpack.Packer()
_packing = threading.Lock()


def packed(frame: Frame) -> bytes:
    """A frame as it travels. Raises FrameTooLarge."""
    with _packing:
        body: bytes = _packer.pack(frame)
    if len(body) > FRAME_BYTES:
        raise FrameTooLarge(
            f"the result takes {len(body)} bytes of {FRAME_BYTES} at most; give bytes, an array or "
            "a path, which become files"
        )
    return len(body).to_bytes(4, "little") + body


class Link:
    """One end of the socket. Any thread may send; one reads."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = connection.makefile("rb", buffering=64 * 1024)
        self._sending = threading.Lock()

    @classmethod
    def inherited(cls) -> Link:
        """The socket that the worker handed over. Raises BrokenLink where there is none."""
        # Programs that the application starts must find neither the socket nor its number.
        number = os.environ.pop(FD_VARIABLE, "")
        try:
            connection = socket.socket(fileno=int(number))
        except (ValueError, OSError) as error:
            raise BrokenLink(
                f"{FD_VARIABLE} names no socket ({error}); `run` is started by a worker, "
                "`describe app.py:function` by anybody"
            ) from None
        connection.set_inheritable(False)
        connection.setblocking(True)
        return cls(connection)

    def read(self) -> Optional[Frame]:
        """The next frame; None once the other end is closed. Raises BrokenLink."""
        try:
            head = self._reader.read(4)
            if len(head) < 4:
                return None
            length = int.from_bytes(head, "little")
            if length > FRAME_BYTES:
                raise BrokenLink(f"a frame of {length} bytes came, {FRAME_BYTES} at most")
            body = self._reader.read(length)
        except ConnectionError:
            return None
        if len(body) < length:
            return None
        return _parsed(body)

    def send(self, data: bytes) -> None:
        """Sends packed frames. What the other end does not hear any more is lost."""
        with self._sending:
            try:
                self._socket.sendall(data)
            except OSError:  # the reader notices the same and ends the session
                return


def _parsed(body: bytes) -> Frame:
    try:
        frame = msgpack.unpackb(body)
    except ValueError as error:
        raise BrokenLink(f"a frame is not MessagePack: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise BrokenLink("a frame is not a map with a `type`")
    return frame
