"""Makes the golden folders; make.sh says how it is called."""

import gzip
import os
import shutil
import sqlite3
import sys
import tarfile

import answers
import history
from link import Puppet
from mill import Mill, at_home, end_all

AGES = ("--keep-finished", "36500days", "--lease", "4s")


def format3(mill):
    """Everything that can happen, over three servers."""
    mill.start("--keep-finished", "1s", "--lease", "4s")
    history.forgotten(mill)
    mill.stop()
    mill.start(*AGES)
    for part in (
        history.projects, history.succeeding, history.failing, history.told_failures,
        history.ranges, history.ended_by_terms, history.waiting_for_others, history.callbacks,
        history.deaths, history.workers, history.sessions, history.breaking,
    ):  # fmt: skip
        part(mill)
    history.devices(mill).goodbye()
    history.steering(mill)
    mill.stop()
    mill.start(*AGES, "--require-token")
    history.token(mill)
    mill.stop()
    mill.start(*AGES)
    history.left_over(mill)
    history.declared(mill)
    mill.stop()


def format3_compacted(mill):
    """A log that begins with a base in which much is live, and goes on after it."""
    mill.start(*AGES, "--keep-events", "all")
    for part in (history.projects, history.succeeding, history.told_failures, history.ranges):
        part(mill)
    history.deaths(mill)
    gina = history.devices(mill)
    history.steering(mill)
    history.left_over(mill)
    hilda, runs, batch = history.held_at_work(mill)
    history.declared(mill)
    mill.stop()
    # The base stands for all but the last events: the two workers are in it, with what they hold.
    mill.start(*AGES, "--keep-events", "5")
    mill.until(lambda: {"based": mill.get("/healthz")["kept_after"] > 0}, "based", True, "the base")
    gina.connect(holds=[])
    hilda.connect(holds=[run["attempt"] for run in runs])
    hilda.fail(runs[1], "cancelled", "cancelled", "it was asked to stop")
    hilda.succeed(runs[0], {"text": "leased before the base, done after it"})
    gina.goodbye()
    hilda.goodbye()
    mill.post(f"/v1/batches/{batch}/hold")
    history.waiting_for_others(mill)
    mill.stop()


def format3_killed(mill):
    """A server that was killed while attempts ran and a callback was due, with its WAL."""
    mill.start("--keep-finished", "36500days", "--lease", "10m")
    history.told_failures(mill)
    history.held_at_work(mill)
    gina = history.devices(mill, pinned=False)
    mill.submit(pipeline="render", jobs=history.jobs("c", "d", "e"), name="in a session")
    for _ in range(2):
        gina.next()
    mime = history.puppet(mill)
    terms = {"callback": "http://127.0.0.1:9/nobody"}
    mill.submit(stages=[history.mimed()], name="to be called", jobs=history.jobs("x"), terms=terms)
    mime.succeed(mime.next(), {"text": "done"})
    mime.goodbye()
    mill.kill()


def format2(mill):
    """The same in small, by a server that wrote format 2."""
    mill.protocol = 2
    mill.start("--keep-finished", "1s", "--lease", "4s")
    history.forgotten(mill)
    mill.stop()
    mill.start(*AGES)
    for part in (
        history.projects, history.succeeding, history.failing, history.told_failures,
        history.ranges, history.ended_by_terms, history.waiting_for_others, history.callbacks,
        history.deaths, history.workers, history.steering, history.left_over, history.declared,
    ):  # fmt: skip
        part(mill)
    mill.stop()


def fold(tables):
    """Copies the WAL of the read tables into them, as whoever closes them last does: it holds each
    page many times over, and would make the archive five times as large. No row changes."""
    sqlite3.connect(tables).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()


def pack(folder, archive):
    """A folder as an archive that tells nothing of who made it, or when."""

    def plain(member):
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with open(archive, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(folder, "data", filter=plain)


def main():
    binary, old, out, *names = sys.argv[1:]
    made = {
        "format3": (format3, binary),
        "format3-compacted": (format3_compacted, binary),
        "format3-killed": (format3_killed, binary),
        "format2": (format2, old),
    }
    for name in names or [name for name, (_, by) in made.items() if by]:
        make, by = made[name]
        Puppet.born = 0
        for folder in ("in", "out", "marks", "tmp"):
            os.makedirs(at_home(folder), exist_ok=True)
        for module in ("host.py", "packed.py"):
            shutil.copy(os.path.join(os.path.dirname(__file__), module), at_home())
        data, into = at_home("data"), os.path.join(out, name)
        os.makedirs(into, exist_ok=True)
        make(Mill(by, data))
        end_all()
        answers.record(binary, data, at_home("copy"), into)
        if name != "format3-killed":
            fold(os.path.join(data, "read.db"))
        pack(data, os.path.join(into, "data.tar.gz"))
        for folder in os.listdir(at_home()):
            path = at_home(folder)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        print(f"{name} is made", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    finally:
        end_all()
