"""A bare connection to Redis: whole pipelines out, replies in, parsed by hiredis.

redis-py would spend more on a command than Redis does; the raw loops are to show Redis's limit.
"""

import socket

import hiredis


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()

    def ask(self, packed, replies=1):
        """Sends what `pack` made and returns as many replies as it has commands."""
        self.socket.sendall(packed)
        answers = []
        while len(answers) < replies:
            answer = self.reader.gets()
            if answer is False:
                received = self.socket.recv(1 << 18)
                if not received:
                    raise SystemExit("Redis closed the connection")
                self.reader.feed(received)
                continue
            if isinstance(answer, hiredis.ReplyError):
                raise SystemExit(f"Redis: {answer}")
            answers.append(answer)
        return answers

    def do(self, *command):
        return self.ask(hiredis.pack_command(command))[0]


pack = hiredis.pack_command
