"""One HTTP connection that is kept open, as `gristmill bench queue` keeps one: a request is bytes
that were written before the clock starts. A client library would add its own time to both sides."""

import json
import socket


class Wire:
    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, method, path, body=b"", media="application/json"):
        """A request as bytes."""
        head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def ask(self, request):
        """Sends it; the body of the answer, which comes with its length."""
        self.socket.sendall(request)
        while (end := self.left.find(b"\r\n\r\n")) < 0:
            self.read()
        head, self.left = self.left[:end].lower(), self.left[end + 4 :]
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.left) < length:
            self.read()
        body, self.left = self.left[:length], self.left[length:]
        if not head.split(None, 2)[1].startswith(b"2"):
            raise SystemExit(f"the server refused: {body.decode(errors='replace')}")
        return body

    def read(self):
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise SystemExit("the server closed the connection")
        self.left += piece

    def json(self, method, path, value=None):
        """Asks for JSON with JSON."""
        body = b"" if value is None else json.dumps(value).encode()
        return json.loads(self.ask(self.request(method, path, body)) or b"null")
