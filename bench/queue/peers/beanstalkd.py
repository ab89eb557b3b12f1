"""beanstalkd with its binlog, spoken to directly: its protocol is lines of text.

`-f0` syncs every write before its answer, `-f1000` at most once a second. Bulk submission and drain
keep 1000 commands in flight on one connection, the single submissions come from 64 connections in
one process. It knows no results: the worker tells the submitter once the deletion is answered.
"""

import selectors
import socket
import time

import driver

WINDOW = 1000


class Connection:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", driver.SETTINGS["port"]))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 18)

    def ask(self, commands, word):
        """One pipeline; every answer is to begin with `word`. The answers' first lines."""
        self.socket.sendall(b"".join(commands))
        return [self.hear(word) for _ in commands]

    def hear(self, word):
        line = self.file.readline()
        if not line.startswith(word):
            raise SystemExit(f"beanstalkd said {line!r} where {word!r} was due")
        if word == b"RESERVED":
            self.file.read(int(line.split()[2]) + 2)
        return line


def put(number):
    body = b"input %d" % number
    return b"put 0 0 3600 %d\r\n%b\r\n" % (len(body), body)


def singles(of):
    chooser, left, sent = selectors.DefaultSelector(), of, 0
    sockets = [Connection().socket for _ in range(driver.CLIENTS)]
    started = time.perf_counter()
    for each in sockets:
        chooser.register(each, selectors.EVENT_READ)
        each.sendall(put(sent))
        sent += 1
    while left:
        for key, _ in chooser.select():
            # An answer to one put fits one packet.
            if not key.fileobj.recv(4096).startswith(b"INSERTED"):
                raise SystemExit("beanstalkd refused a job")
            left -= 1
            if sent < of:
                key.fileobj.sendall(put(sent))
                sent += 1
    driver.tell_rate("singles", of, started)


def drain(figure, of):
    with driver.Worker("drain", of) as worker:
        started = time.perf_counter()
        worker.go()
        worker.hear("done")
        driver.tell_rate(figure, of, started)


def bench():
    queue = Connection()
    # A sync for every job: on a slow disk some hundred a second.
    full = 10_000 if driver.SETTINGS["fsync"] else 200_000
    jobs, one = driver.count(full), driver.count(full // 2)
    started = time.perf_counter()
    for at in range(0, jobs, WINDOW):
        queue.ask([put(n) for n in range(at, min(at + WINDOW, jobs))], b"INSERTED")
    driver.tell_rate("bulk", jobs, started)
    drain("drain", jobs)
    queue.ask([b"use singles\r\n"], b"USING")
    singles(one)
    queue.ask([b"use trips\r\n"], b"USING")
    with driver.Worker("trips", 0) as worker:
        worker.go()

        def trip(number):
            queue.ask([put(number)], b"INSERTED")
            worker.hear("done")

        driver.tell_trips(driver.count(1_000), trip)


def work(what, of):
    queue, left = Connection(), int(of)
    if what == "trips":
        queue.ask([b"watch trips\r\n"], b"WATCHING")
        queue.ask([b"ignore default\r\n"], b"WATCHING")
    driver.await_go()
    window = WINDOW if what == "drain" else 1
    while what == "trips" or left:
        wanted = min(window, left) if what == "drain" else 1
        lines = queue.ask([b"reserve\r\n"] * wanted, b"RESERVED")
        queue.ask([b"delete %b\r\n" % line.split()[1] for line in lines], b"DELETED")
        left -= wanted
        if what == "trips" or not left:
            driver.say("done")


if __name__ == "__main__":
    driver.main(bench, work)
