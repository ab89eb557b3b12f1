"""A worker that does what it is told: it speaks the worker link (crates/model/src/wire.rs) and runs
nothing. With it a history has attempts that end when and as the script wants, workers that die,
and what only a machine with GPUs would tell."""

import base64
import os
import queue
import socket
import struct
import threading
import time

from packed import pack, unpack

SPAN = 30  # seconds that anything may take before the script gives up


class Puppet:
    """One worker, connected until it says goodbye or is killed."""

    born = 0

    def __init__(self, mill, name, handlers, **shape):
        Puppet.born += 1
        self.mill, self.name, self.handlers, self.shape = mill, name, handlers, shape
        self.instance = 7_000_000 + Puppet.born
        self.runs, self.settled, self.stops = queue.Queue(), set(), []
        self.told = threading.Condition()
        self.worker = None
        self.connect(holds=[])

    def connect(self, holds):
        """Says hello, for the first time or again."""
        self.alive, self.welcome = True, None
        self.socket = _upgrade(self.mill.port)
        self.lock = threading.Lock()
        threading.Thread(target=self._listen, args=(self.socket,), daemon=True).start()
        self.say({"Hello": self._hello(holds)})
        self._until(lambda: self.welcome is not None, "a welcome")
        threading.Thread(target=self._beat, args=(self.socket,), daemon=True).start()

    def _hello(self, holds):
        shape = self.shape
        devices = [[d["id"], d["kind"], d["vram"], d.get("name", ""), d.get("slots", 0)]
                   for d in shape.get("devices", [])]  # fmt: skip
        cpus, memory = shape.get("cpus", 1000), shape.get("memory", 0)
        capacity = [cpus, memory, devices, shape.get("named", {})]
        hello = [self.mill.protocol, self.mill.version, self.instance, self.name, self.handlers,
                 capacity, shape.get("prefetch", 0), shape.get("shared_disk", False), holds,
                 shape.get("labels", {})]  # fmt: skip
        return hello if self.mill.protocol < 3 else [*hello, []]

    def say(self, frame):
        """Sends one frame."""
        self._send(0x82, pack(frame))

    def _send(self, kind, body):
        mask, length = os.urandom(4), len(body)
        if length < 126:
            head = struct.pack(">BB", kind, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack(">BBH", kind, 0x80 | 126, length)
        else:
            head = struct.pack(">BBQ", kind, 0x80 | 127, length)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
        with self.lock:
            self.socket.sendall(head + mask + masked)

    def _beat(self, own):
        while self.alive and self.socket is own:
            try:
                self.say("Heartbeat")
            except OSError:
                return
            time.sleep(0.3)

    def _listen(self, own):
        stream = own.makefile("rb")
        try:
            while True:
                first, second = stream.read(2)
                length = second & 127
                if length == 126:
                    (length,) = struct.unpack(">H", stream.read(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", stream.read(8))
                body = stream.read(length)
                if first & 15 == 9:
                    self._send(0x8A, body)
                elif first & 15 == 2:
                    self._hear(unpack(body))
                elif first & 15 == 8:
                    return
        except (OSError, ValueError):
            return

    def _hear(self, frame):
        kind, said = next(iter(frame.items())) if isinstance(frame, dict) else (frame, None)
        with self.told:
            if kind == "Welcome":
                self.worker, self.welcome = f"w{said[0]}", said
            elif kind == "Refused":
                raise SystemExit(f"worker {self.name} is refused: {said}")
            elif kind == "Run":
                for run in said:
                    self.runs.put({"attempt": run[0], "job": f"j{run[1]}", "input": run[8]})
            elif kind == "Settled":
                self.settled.update(said)
            elif kind == "Stop":
                self.stops.extend(said)
            self.told.notify_all()

    def _until(self, condition, what):
        with self.told:
            if not self.told.wait_for(condition, SPAN):
                raise SystemExit(f"worker {self.name} waited in vain for {what}")

    def next(self):
        """The next attempt that it was given."""
        try:
            return self.runs.get(timeout=SPAN)
        except queue.Empty:
            raise SystemExit(f"worker {self.name} waited in vain for an attempt") from None

    def until_stopped(self, run):
        """Waits until it is told to stop an attempt."""
        self._until(lambda: run["attempt"] in self.stops, "a stop")

    def _end(self, run, outcome, devices):
        usage = [120_000, 80_000, 4 << 20]
        self.say({"Ended": [[run["attempt"], outcome, usage, devices]]})
        self._until(lambda: run["attempt"] in self.settled, "a settlement")

    def succeed(self, run, output, artifacts=(), warnings=(), devices=()):
        """Reports a success, and waits until that is durable."""
        outcome = {"succeeded": [output, list(artifacts), list(warnings)]}
        self._end(run, outcome, list(devices))

    def fail(self, run, kind, code, message, exit_code=None, traceback=None, devices=()):
        """Reports a failure, and waits until that is durable."""
        failure = [kind, code, message, exit_code]
        if self.mill.protocol >= 3:
            failure.append(traceback)
        self._end(run, {"failed": failure}, list(devices))

    def log(self, run, stream, text):
        """Says a line of output."""
        self.say({"Log": [run["attempt"], int(run["job"][1:]), stream, text.encode()]})

    def kill(self):
        """Is gone without a word."""
        self.alive = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def goodbye(self):
        """Leaves, and waits until that is known."""
        self.alive = False
        self.say("Goodbye")
        self.mill.until_worker(self.worker, "gone")
        self.socket.close()


def _upgrade(port):
    link = socket.create_connection(("127.0.0.1", port), timeout=SPAN)
    key = base64.b64encode(os.urandom(16)).decode()
    link.sendall(
        f"GET /v1/link HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = link.recv(1)
        if not byte:
            raise SystemExit(f"the link is refused: {head!r}")
        head += byte
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"the link is refused: {head!r}")
    link.settimeout(None)
    return link
