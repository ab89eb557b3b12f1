#!/usr/bin/env python3
"""How gristmill's queue behaves as it grows: drain by waiting jobs, by workers, by projects.

    bench/queue/scale.py [--rounds 3] [--most 5000000] [--svg docs/images/scale.svg] [--json]

Every point is a fresh server with fsync, filled over HTTP with no-op jobs; when its read tables
have taken them in, a worker process opens the given number of links and drains. The clock runs while the
number of waiting jobs falls through the point, from a little above it to as much below. Beside the
rate stands the CPU time of the server for one job: on a machine that others use too it says more.
The points of a round run in turn; medians over the rounds.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True  # the repository is not for caches

import curve
import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NO_OP = [{"name": "bench", "handler": {"images": {"recipe": "{}"}}, "retry": {"attempts": 1}}]
PATIENCE_S, GLANCE_S = 180, 0.02
# Jobs of one submission, fewer than the server takes at most.
PER_REQUEST = 500_000
# Jobs that are drained while the clock runs, where so many wait.
MEASURED = 400_000
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A `gristmill serve` of its own, and what is asked of it."""

    def __init__(self, gristmill, processes, folder):
        self.gristmill, self.processes = gristmill, processes
        bind = f"127.0.0.1:{servers.free_port()}"
        self.url = f"http://{bind}"
        self.process = processes.start([gristmill, "serve", "--bind", bind, "--data", folder],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.waiting()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def ask(self, path, body=None, kind="application/json", method=None):
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind},
                                         method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def waiting(self):
        """Jobs that are not final."""
        return sum(self.ask("/healthz")["jobs"].values())

    def fill(self, jobs, projects):
        """Distinct jobs, as many in each project."""
        for project in range(projects):
            name = f"p{project}" if projects > 1 else "default"
            if projects > 1:
                self.ask(f"/v1/projects/{name}", b'{"weight": 1}', method="PUT")
            head = json.dumps({"project": name, "stages": NO_OP}) + "\n"
            part = jobs // projects
            for first in range(0, part, PER_REQUEST):
                numbers = range(first, min(first + PER_REQUEST, part))
                lines = (f'{{"input":"{project} {n}"}}\n' for n in numbers)
                self.ask("/v1/batches", (head + "".join(lines)).encode(), "application/x-ndjson")
        # A question to the read tables waits until they show all that was acknowledged.
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.ask("/v1/jobs?limit=1")
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > until:
                    raise

    def cpu_s(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def falls_to(self, jobs):
        """Waits until no more jobs wait than that; returns the time, how many, and the CPU time."""
        until = time.monotonic() + PATIENCE_S
        while (left := self.waiting()) > jobs:
            if time.monotonic() > until:
                sys.exit(f"still {left:,} jobs wait, not {jobs:,}")
            time.sleep(GLANCE_S)
        return time.monotonic(), left, self.cpu_s()

    def drain(self, links, most, least):
        """(jobs a second, microseconds of the server's CPU a job) with so many workers."""
        command = [self.gristmill, "bench", "no-op-worker", self.url, "--links", links]
        worker = self.processes.start(command, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        began, jobs, cpu = self.falls_to(most)
        ended, left, cpu_then = self.falls_to(least)
        self.processes.stop(worker, signal.SIGKILL)
        if left == 0:
            sys.exit("the jobs ran out while the clock ran: more are needed")
        return (jobs - left) / (ended - began), 1e6 * (cpu_then - cpu) / (jobs - left)


def points(most):
    """(axis, position, jobs, workers, projects)"""
    base = 1_000_000
    for jobs in (100_000, base, 5_000_000):
        if jobs <= most:
            yield "waiting", jobs, jobs, 1, 1
    for workers in (10, 100, 1_000):
        yield "workers", workers, base, workers, 1
    for projects in (100, 10_000):
        yield "projects", projects, base, 1, projects


def measure(gristmill, point):
    _, _, jobs, workers, projects = point
    processes = servers.Processes()
    with tempfile.TemporaryDirectory(prefix="gristmill-scale-") as folder:
        try:
            server = Server(gristmill, processes, folder)
            measured = min(jobs, MEASURED)
            # So many more that all workers are there when the clock starts.
            server.fill(jobs + 2 * measured, projects)
            return server.drain(workers, jobs + measured // 2, jobs - measured // 2)
        finally:
            processes.stop_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=5_000_000, help="waiting jobs at most")
    parser.add_argument("--target", type=pathlib.Path, default=ROOT / "target")
    parser.add_argument("--svg", type=pathlib.Path, help="draw the curves there")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    gristmill = chosen.target / "release" / "gristmill"
    if not gristmill.exists():
        sys.exit(f"{gristmill} is not there: cargo build --release -p gristmill")
    told = {}
    for turn in range(chosen.rounds):
        for point in points(chosen.most):
            rate, cpu = measure(gristmill, point)
            told.setdefault(point[:2], []).append((rate, cpu))
            print(f"round {turn + 1}: {point[1]:>9,} {point[0]:<9}{rate:>10,.0f} jobs/s"
                  f"{cpu:>8.2f} us CPU a job", file=sys.stderr, flush=True)
    rows = [(axis, at, *(statistics.median(values) for values in zip(*found)))
            for (axis, at), found in told.items()]
    for axis, at, rate, cpu in rows:
        if chosen.json:
            print(json.dumps({"axis": axis, "at": at, "jobs_per_s": rate, "server_cpu_us": cpu}))
        else:
            print(f"| {at:,} {axis} | {rate:,.0f} | {cpu:.2f} |")
    if chosen.svg:
        chosen.svg.write_text(curve.draw(rows))


if __name__ == "__main__":
    main()
