#!/usr/bin/env python3
"""Times calls of hot Python sessions beside the bare queue and beside Celery, in turn, in one call.

    bench/sessions/run.py [--rounds 5] [--quick] [--skip-celery] [--json]

All on loopback. Every round measures everything once, each on a fresh server and a fresh store.

Round trip, idle: one client on one kept connection, one job at a time, from sending the
submission (`POST /v1/batches?wait=60s`) until the answer shows it finished: durable, and in the
read tables. `bare` has `bench queue`'s no-op worker, a process that answers each attempt at once;
`session` a worker that keeps `app.py:no_op` hot in Python, in a process of its own or (`beside`)
within the server's. The same bytes are sent by the same client, so the difference is the session:
the pipeline's look-up, the worker's core, the socket to the host, the call, and a result that is
stored. `from Python` is `gm.Client().call(...)`, its own time included.

One call: 64 jobs in one submission, a handler with batch=64 that tells the number of its call; the
time is from the submission to the answer that it is finished.

Drain: jobs are submitted in bulk while their pipeline is paused, with the session hot; the clock
runs from the moment it is opened until the batch is shown as finished, each job's result stored.
Celery's runs from the moment its worker, which is up, is told to take on the queue, until every
message is acknowledged; it stores no results. Redis in two settings: fsync (an acknowledgement is
on the disk, as gristmill's always is) and lazy (up to a second may be lost).

The first call installs Celery and Redis below --work (bench/queue/provision.py). All that is
started is ended by its process id.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # the repository is not for caches

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "bench" / "queue"), str(ROOT / "python")]

import mill
import provision
import report
import run as queue
import servers
from wire import Wire

FULL = {"trips": 1_000, "jobs": 20_000, "celery": 2_000}
QUICK = {"trips": 200, "jobs": 2_000, "celery": 400}
WARM = 100
BATCH = 64
BOUND_S = 90
POOLS = ("prefork", "solo", "threads")
# The bare queue's no-op worker takes the place of this handler; nobody reads the recipe.
BARE = {"stages": [{"name": "no-op", "handler": {"images": {"recipe": "{}"}}}]}


class Bench:
    def __init__(self, chosen, gristmill, kit, folder, processes):
        self.size = QUICK if chosen.quick else FULL
        self.chosen, self.gristmill, self.kit = chosen, gristmill, kit
        self.python = str(chosen.python)
        self.folder, self.processes = folder, processes
        self.told, self.skipped = [], []

    def tell(self, figure, value, unit, count):
        self.told.append({"system": "all", "figure": figure, "value": value, "unit": unit,
                          "count": count})

    def measure(self, name, what, *words):
        """One measurement in a folder of its own; what it lacks is said in one line."""
        started = time.monotonic()
        try:
            with servers.folder_for(self.folder, name) as folder:
                what(self, folder, *words)
            complaint = ""
        except (provision.Missing, OSError, SystemExit) as reason:
            # A signal's end is everybody's; a text is one measurement's complaint.
            if isinstance(getattr(reason, "code", None), int):
                raise
            complaint = f"  {reason}"
            self.skipped.append(f"{name}: {reason}")
        queue.say(f"{name:<28}{time.monotonic() - started:6.1f} s{complaint}")


def percentiles(took):
    took = sorted(took)
    return took[len(took) // 2], took[min(len(took) * 99 // 100, len(took) - 1)]


def trips(bench, name, once):
    """Milliseconds of each of many, one after the other; some more before, to warm up."""
    took, count = [], bench.size["trips"]
    for _ in range(WARM + count):
        started = time.perf_counter()
        once()
        took.append((time.perf_counter() - started) * 1e3)
    median, late = percentiles(took[WARM:])
    bench.tell(f"{name}: p50", median, "ms", count)
    bench.tell(f"{name}: p99", late, "ms", count)


def wired_trips(bench, name, place, head):
    """The same client for all: only the pipeline that is named differs."""
    with Wire(place.port) as wire:
        body = json.dumps({**head, "jobs": [{"input": "one"}]}).encode()
        request = wire.request("POST", "/v1/batches?wait=60s", body)

        def once():
            demand_success(json.loads(wire.ask(request)))

        trips(bench, name, once)


def bare_trips(bench, folder):
    with mill.started(bench, folder) as place:
        wired_trips(bench, "round trip, bare queue", place, BARE)


def session_trips(bench, folder, beside):
    name = "round trip, session" + (" beside the server" if beside else "")
    with mill.started(bench, folder, "app.py:no_op", beside) as place:
        wired_trips(bench, name, place, {"pipeline": "no_op"})
        if not beside:
            python_trips(bench, place)


def python_trips(bench, place):
    """With the package's own client, in this process."""
    import gristmill as gm

    with gm.Client(place.url) as client:
        trips(bench, "round trip, session, from Python",
              lambda: client.call("no_op", text="one"))


def one_call(bench, folder):
    """What a batch of 64 jobs takes, and how many calls it was."""
    with mill.started(bench, folder, "app.py:counted") as place, Wire(place.port) as wire:
        submit(wire, "counted", 1)
        times, calls = [], []
        for _ in range(20):
            started = time.perf_counter()
            batch = submit(wire, "counted", BATCH)
            times.append((time.perf_counter() - started) * 1e3)
            calls.append(len({value[0] for value in results(wire, batch)}))
        bench.tell("a batch of 64: calls", sum(calls) / len(calls), "calls", len(calls))
        bench.tell("a batch of 64: p50", percentiles(times)[0], "ms", len(times))


def submit(wire, pipeline, jobs):
    """Submits and waits; the batch's id."""
    told = {"pipeline": pipeline, "jobs": [{"input": f"input {n}"} for n in range(jobs)]}
    batch = wire.json("POST", "/v1/batches?wait=60s", told)
    demand_success(batch)
    return batch["id"]


def demand_success(batch):
    """Whatever else came of it, its time is none of a call's."""
    if not batch["finished"]:
        raise SystemExit(f"{batch['id']} did not finish in time")
    if set(batch["counts"]) != {"succeeded"}:
        raise SystemExit(f"{batch['id']} ended with {batch['counts']}: see worker.log; does --python "
                         "name a Python that has httpx and msgpack?")


def results(wire, batch):
    jobs = wire.json("GET", f"/v1/jobs?filter=batch={batch}&limit=100")["items"]
    return [json.loads(job["result"]["json"]) for job in jobs]


def drain(bench, folder, handler):
    name = {"no_op": "drain, batch=1", "no_ops": "drain, batch=64"}[handler]
    jobs = bench.size["jobs"]
    with mill.started(bench, folder, f"app.py:{handler}") as place, Wire(place.port) as wire:
        submit(wire, handler, 2 * BATCH)
        flow = f"/v1/flows/pipeline:{handler}"
        wire.json("PUT", flow, {"flow": "paused"})
        lines = [json.dumps({"pipeline": handler})]
        lines += [f'{{"input":"input {n}"}}' for n in range(jobs)]
        bulk = wire.request("POST", "/v1/batches", "\n".join(lines).encode() + b"\n",
                            "application/x-ndjson")
        batch = json.loads(wire.ask(bulk))["batch"]
        started = time.perf_counter()
        wire.json("PUT", flow, {"flow": "open"})
        finish(wire, batch)
        bench.tell(name, jobs / (time.perf_counter() - started), "jobs/s", jobs)


def finish(wire, batch):
    until = time.monotonic() + BOUND_S
    while not wire.json("GET", f"/v1/batches/{batch}?wait=60s")["finished"]:
        if time.monotonic() > until:
            raise SystemExit(f"{batch} did not finish within {BOUND_S} s")


def celery(bench, folder, pool, fsync):
    """A process of its own, in Celery's environment."""
    jobs, word = bench.size["celery"], "fsync" if fsync else "lazy"
    with servers.redis(bench.kit, bench.processes, folder, fsync) as store:
        settings = {**store, "scale": 1.0, "folder": str(folder)}
        environment = {**bench.kit.environment(), "BENCH": json.dumps(settings),
                       "PYTHONDONTWRITEBYTECODE": "1"}
        command = [bench.kit.python(), HERE / "peers" / "celery_pools.py", pool, jobs]
        with open(folder / "driver.log", "w+") as said:
            driver = bench.processes.start(command, stdout=subprocess.PIPE, stderr=said,
                                           text=True, env=environment)
            clock = threading.Timer(BOUND_S, servers.end, (driver, signal.SIGINT))
            clock.start()
            try:
                told = [json.loads(line) for line in driver.stdout]
            finally:
                clock.cancel()
                clock.join()
                bench.processes.stop(driver)
            if not told:
                said.seek(0)
                raise provision.Missing(f"no figure: {provision.gist(said.read())}")
    bench.tell(f"drain, Celery {pool}, {word}", told[0]["value"], "jobs/s", jobs)


def measurements(skip_celery):
    """All of a round, by name."""
    all_of = {
        "bare": (bare_trips,),
        "session": (session_trips, False),
        "session-beside": (session_trips, True),
        "one-call": (one_call,),
        "drain-1": (drain, "no_op"),
        "drain-64": (drain, "no_ops"),
    }
    for fsync in () if skip_celery else (True, False):
        for pool in POOLS:
            all_of[f"celery-{pool}-{'fsync' if fsync else 'lazy'}"] = (celery, pool, fsync)
    return all_of


def rounds(bench):
    """Each round in another order."""
    all_of = measurements(bench.chosen.skip_celery)
    names = list(all_of)
    for turn in range(bench.chosen.rounds):
        shift = turn * max(1, len(names) // bench.chosen.rounds) % len(names)
        for name in names[shift:] + names[:shift]:
            bench.measure(f"{turn + 1}-{name}", *all_of[name])


def comparisons(figures):
    """Differences and ratios of medians."""
    median = {name: figure["median"] for name, figure in figures.items()}

    def both(one, other):
        return one in median and other in median

    told = []
    for way in ("session", "session beside the server"):
        for mark in ("p50", "p99"):
            ours, bare = f"round trip, {way}: {mark}", f"round trip, bare queue: {mark}"
            if both(ours, bare):
                told.append((f"{way} beyond the bare queue: {mark}",
                             median[ours] - median[bare], "ms"))
    for batch in ("batch=1", "batch=64"):
        for name in median:
            if name.startswith("drain, Celery") and both(f"drain, {batch}", name):
                told.append((f"{batch} / {name[7:]}", median[f"drain, {batch}"] / median[name],
                             "times"))
    return told


def show(bench, about):
    figures = report.medians(bench.told).get("all", {})
    compared = comparisons(figures)
    if bench.chosen.json:
        print(json.dumps({**about, "figures": figures, "compared": compared,
                          "skipped": bench.skipped, "told": bench.told}, indent=1))
        return
    load = "then {}".format(round(os.getloadavg()[0], 2))
    print(f"{bench.chosen.rounds} round(s), {about['machine']['date']}, "
          f"{about['machine']['cores']} cores, load before {about['machine']['load_before'][0]}, "
          f"{load}")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "\n")
    print(f"{'figure':<44}{'median':>10}{'lowest':>10}{'highest':>10}  unit")
    for name, figure in figures.items():
        cells = "".join(f"{report.digits(figure[of]):>10}" for of in ("median", "low", "high"))
        print(f"{name:<44}{cells}  {figure['unit']}, of {figure['count']:,}")
    print()
    for name, value, unit in compared:
        print(f"{name:<44}{report.digits(value):>10}  {unit}")
    for complaint in bench.skipped:
        print(f"skipped: {complaint}")


def versions(kit, chosen, gristmill):
    ask = {"gristmill": [gristmill, "--version"], "python": [chosen.python, "--version"]}
    if chosen.skip_celery:
        return kit.versions(ask)
    with contextlib.suppress(provision.Missing):
        ask["redis"] = [kit.program("redis-server", "redis-server"), "--version"]
    return {**kit.versions(ask), **queue.pinned({"celery_peer.py"})}


def arguments():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--rounds", type=int, help="how often each is measured [5; quick: 1]")
    words.add_argument("--quick", action="store_true", help="fewer jobs, one round")
    words.add_argument("--skip-celery", action="store_true", help="gristmill alone")
    words.add_argument("--json", action="store_true", help="print JSON instead of tables")
    words.add_argument("--python", type=pathlib.Path, default=pathlib.Path(sys.executable),
                       help="the Python of the sessions [this one]")
    words.add_argument("--gristmill", type=pathlib.Path, help="a binary, instead of building one")
    words.add_argument("--work", type=pathlib.Path,
                       default=pathlib.Path("/tmp/gristmill-bench-queue"),
                       help="where Celery is installed and all data lies: the disk measured")
    words.add_argument("--target", type=pathlib.Path,
                       default=pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")))
    chosen = words.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    return chosen


def main():
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen.work.mkdir(parents=True, exist_ok=True)
    kit, processes = provision.Kit(chosen.work.resolve()), servers.Processes()
    built = chosen.gristmill or queue.build(chosen.target.resolve())
    about = {"machine": queue.machine(), "versions": versions(kit, chosen, built)}
    with tempfile.TemporaryDirectory(prefix="sessions-", dir=chosen.work) as folder:
        # A copy: a build that goes on meanwhile is not to change what is measured.
        ours = shutil.copy2(built, folder)
        bench = Bench(chosen, ours, kit, pathlib.Path(folder), processes)
        try:
            rounds(bench)
        except KeyboardInterrupt:
            queue.say("interrupted; nothing is reported")
            sys.exit(130)
        finally:
            processes.stop_all()
    show(bench, about)


if __name__ == "__main__":
    main()
