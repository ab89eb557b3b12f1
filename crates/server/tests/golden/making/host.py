#!/usr/bin/env python3
"""The host of a session without a package: it speaks docs/reference/session-protocol.md. Its one
function answers a prompt; `raise` raises, `file` makes a file."""

import json
import os
import socket
import struct
import sys
import traceback

from packed import pack, unpack

DESCRIBED = {
    "name": "think",
    "doc": "Answers a prompt.",
    "signature": {
        "input": {
            "type": "object",
            "properties": {
                "prompt": {"type": "string"},
                "steps": {"type": "integer", "default": 3},
            },
            "required": ["prompt"],
            "additionalProperties": False,
        },
        "output": {"type": "object"},
        "streams": False,
    },
    "gpus": 500,
    "vram": 2 << 30,
    "batch": 2,
    "attempts": 2,
    "data": ["voice"],
}


def answer(given, folder):
    """The function."""
    given = given if isinstance(given, dict) else {"prompt": given}
    prompt = given["prompt"]
    print(f"thinking of {prompt}", flush=True)
    if prompt == "raise":
        raise ValueError("there is nothing to say")
    if prompt == "file":
        path = os.path.join(folder, f"answer-{os.getpid()}.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("a file of a session\n")
        return {"answer": {"$file": {"path": path, "name": "answer.txt", "media": "text/plain"}}}
    return {"answer": prompt.upper(), "steps": given.get("steps", 3), "sure": [True, None, 0.5]}


class Link:
    """The socket to the worker."""

    def __init__(self):
        self.socket = socket.socket(fileno=int(os.environ["GRISTMILL_SESSION_FD"]))

    def say(self, **frame):
        body = pack(frame)
        self.socket.sendall(struct.pack("<I", len(body)) + body)

    def hear(self):
        head = self._read(4)
        return unpack(self._read(struct.unpack("<I", head)[0])) if head else {"type": "close"}

    def _read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                return b""
            data += piece
        return data


def run():
    """Loads nothing, and answers calls."""
    link = Link()
    link.say(type="hello", protocol=1, versions={"golden": "1"})
    folder = link.hear()["folder"]
    link.say(type="ready", devices=[], on_device=None)
    while (said := link.hear())["type"] != "close":
        if said["type"] != "call":
            continue
        call = said["call"]
        for place, item in enumerate(said["items"]):
            try:
                result = {"ok": answer(item["input"], folder)}
            except ValueError as error:
                result = {
                    "error": {
                        "kind": "failed",
                        "code": type(error).__name__,
                        "message": str(error),
                        "traceback": traceback.format_exc(),
                        "fatal": False,
                    }
                }
            link.say(type="ended", call=call, item=place, result=result)
        link.say(type="done", call=call, memory=None)


if __name__ == "__main__":
    if sys.argv[1] == "describe":
        print(json.dumps(DESCRIBED))
    else:
        run()
