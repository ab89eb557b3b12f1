#!/usr/bin/env python3
"""Times gristmill's queue beside its peers, in turn, in one call.

    bench/queue/run.py [--rounds 5] [--quick] [--only gristmill,redis-lists/fsync] [--json]

The peers are real: Celery and BullMQ over Redis, graphile-worker and pg-boss over PostgreSQL,
beanstalkd, HyperQueue; and as physical references bare loops over Redis (lists, streams) and
PostgreSQL. Each is one file in peers/, whose head says with which settings and why. Stores run
in two settings (servers.py): fsync, and lazy, which may lose the last second.

Figures: bulk submission of distinct no-op jobs; single submissions from 64 clients, each waiting
for its answer, and each with 16 in flight; drain (lease and completion by a worker process of its
own; a peer's clock starts when its worker is up, gristmill's when its worker is started); round
trip on an idle system, from submission until the submitter sees the job done; jobs that spawn
`true`; an array of a million jobs accepted; and how often the disk synced just before and after.
`-`: no such notion, or none was told. Every round runs every system once, on a fresh store, in an
order rotated from round to round; the tables give medians over the rounds and ratios of medians.

The first call installs the peers below --work (provision.py). All that is started is ended.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

sys.dont_write_bytecode = True  # the repository is not for caches

import disk
import provision
import report
import servers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FULL = {"scale": 1.0, "bound_s": 60, "minutes": 25}
QUICK = {"scale": 0.2, "bound_s": 30, "minutes": 3}


@dataclass(frozen=True)
class System:
    driver: str
    store: object
    fsync: bool


def both(name, driver, store):
    return {f"{name}/{word}": System(driver, store, word == "fsync") for word in ("fsync", "lazy")}


# Short ones first: should time run out, the long ones are cut.
SYSTEMS = {
    **both("gristmill", "gristmill.py", servers.none),
    **both("redis-lists", "redis_lists.py", servers.redis),
    **both("redis-streams", "redis_streams.py", servers.redis),
    **both("postgres-raw", "postgres_raw.py", servers.postgres),
    **both("beanstalkd", "beanstalkd.py", servers.beanstalkd),
    "hyperqueue/memory": System("hyperqueue_peer.py", servers.none, False),
    **both("bullmq", "bullmq.mjs", servers.redis),
    **both("graphile-worker", "graphile.mjs", servers.postgres),
    **both("pg-boss", "pgboss.mjs", servers.postgres),
    **both("celery", "celery_peer.py", servers.redis),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, chosen, gristmill, kit, run, processes):
        self.chosen, self.gristmill, self.kit = chosen, gristmill, kit
        self.folder, self.processes = run, processes
        self.size = QUICK if chosen.quick else FULL
        self.told, self.skipped = [], {}

    def measure(self, name, turn):
        """One system, once. What it cannot do is said in one line and left out."""
        system, started = SYSTEMS[name], time.monotonic()
        try:
            command = self.command(system)
            with (
                servers.folder_for(self.folder, f"{turn}-{name}") as folder,
                system.store(self.kit, self.processes, folder, system.fsync) as store,
            ):
                settings = {**store, "folder": str(folder), "fsync": system.fsync,
                            "scale": self.size["scale"], "gristmill": str(self.gristmill)}
                self.tell(name, turn, "disk", disk.syncs(folder), "1/s")
                complaint = self.drive(name, turn, command, settings)
                self.tell(name, turn, "disk", disk.syncs(folder), "1/s")
        except provision.Missing as reason:
            complaint = str(reason)
        took = time.monotonic() - started
        if complaint:
            self.skipped.setdefault(name, []).append(f"round {turn}: {complaint}")
        say(f"round {turn}: {name:<24}{took:6.1f} s{'  ' + complaint if complaint else ''}")

    def tell(self, name, turn, figure, value, unit, count=1):
        self.told.append({"system": name, "round": turn, "figure": figure, "value": value,
                          "unit": unit, "count": count})

    def command(self, system):
        if system.driver.endswith(".mjs"):
            node = self.kit.node()
            return [node, self.kit.work / "node" / system.driver]
        return [self.kit.python(), HERE / "peers" / system.driver]

    def drive(self, name, turn, command, settings):
        """Runs the driver within its bound and keeps each figure it tells. A complaint, or None."""
        environment = {**self.kit.environment(), "BENCH": json.dumps(settings)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "NODE_ENV": "production"}
        with tempfile.TemporaryFile("w+") as errors:
            driver = self.processes.start([*command, "bench"], stdout=subprocess.PIPE,
                                          stderr=errors, text=True, env=environment)
            late = threading.Event()
            clock = threading.Timer(self.size["bound_s"], self.expire, (driver, late))
            clock.start()
            try:
                for line in driver.stdout:
                    self.tell(name, turn, **json.loads(line))
                servers.ended(driver, servers.GRACE_S)
            finally:
                clock.cancel()
                clock.join()
                self.processes.stop(driver)
            if late.is_set():
                return f"stopped after {self.size['bound_s']} s; what it had told is kept"
            if driver.returncode:
                errors.seek(0)
                return f"ended with {driver.returncode}: {provision.gist(errors.read())}"
        return None

    @staticmethod
    def expire(driver, late):
        """The time bound of one measurement."""
        late.set()
        servers.end(driver, signal.SIGINT)

    def rounds(self, names):
        """All rounds, each in another order, as far as time allows."""
        until = time.monotonic() + 60 * self.size["minutes"]
        longest = 0.0
        for turn in range(self.chosen.rounds):
            if time.monotonic() + longest > until:
                say(f"no time for round {turn + 1}: {self.size['minutes']} minutes are the bound")
                return turn
            shift = turn * max(1, len(names) // self.chosen.rounds) % len(names)
            started = time.monotonic()
            for name in names[shift:] + names[:shift]:
                if time.monotonic() < until:
                    self.measure(name, turn + 1)
                else:
                    self.skipped.setdefault(name, []).append(f"round {turn + 1}: out of time")
            longest = max(longest, time.monotonic() - started)
        return self.chosen.rounds


def wanted(only):
    """The systems that `--only` names: `bullmq` is both its settings, `bullmq/fsync` one."""
    if not only:
        return list(SYSTEMS)
    words = only.split(",")
    for word in words:
        if word not in SYSTEMS and not any(name.startswith(f"{word}/") for name in SYSTEMS):
            sys.exit(f"no system {word!r}; there are {', '.join(SYSTEMS)}")
    return [name for name in SYSTEMS if name in words or name.split("/")[0] in words]


def build(target):
    """gristmill's release binary; an existing one is taken as it is."""
    binary = target / "release" / "gristmill"
    if not binary.exists():
        say("building gristmill ...")
        command = ["cargo", "build", "--release", "-p", "gristmill"]
        subprocess.run(command, cwd=ROOT, check=True,
                       env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return binary


def versions(kit, gristmill, names):
    """The versions of what takes part."""
    ask = {"gristmill": [gristmill, "--version"]}
    drivers = {SYSTEMS[name].driver for name in names}
    stores = {SYSTEMS[name].store for name in names}
    with contextlib.suppress(provision.Missing):
        if servers.redis in stores:
            ask["redis"] = [kit.program("redis-server", "redis-server"), "--version"]
    with contextlib.suppress(provision.Missing):
        if servers.postgres in stores:
            ask["postgresql"] = [kit.postgres() / "postgres", "--version"]
    with contextlib.suppress(provision.Missing):
        if servers.beanstalkd in stores:
            ask["beanstalkd"] = [kit.program("beanstalkd", "beanstalkd"), "-v"]
    with contextlib.suppress(provision.Missing):
        if any(driver.endswith(".mjs") for driver in drivers):
            ask["node"] = [kit.node(), "--version"]
    return {**kit.versions(ask), **pinned(drivers)}


def pinned(drivers):
    """Versions that the pins state."""
    peers = HERE / "peers"
    packages = json.loads((peers / "package.json").read_text())["dependencies"]
    lines = (peers / "requirements.txt").read_text().splitlines()
    packages |= dict(line.split("==") for line in lines if "==" in line)
    names = {"celery_peer.py": "celery[redis]", "hyperqueue_peer.py": "hyperqueue",
             "bullmq.mjs": "bullmq", "graphile.mjs": "graphile-worker", "pgboss.mjs": "pg-boss"}
    return {name: packages[name] for driver, name in names.items() if driver in drivers}


def machine():
    load = os.getloadavg()
    return {"system": platform.platform(terse=True), "cores": os.cpu_count(),
            "load_before": [round(each, 2) for each in load], "date": time.strftime("%Y-%m-%d")}


def show(bench, names, rounds, about, as_json):
    figures = report.medians(bench.told)
    if as_json:
        print(json.dumps({**about, "rounds": rounds, "figures": figures,
                          "gristmill_to": report.ratios(figures), "skipped": bench.skipped,
                          "told": bench.told}, indent=1))
        return
    print(f"{rounds} round(s), {about['machine']['date']}, {about['machine']['cores']} cores, "
          f"load before {about['machine']['load_before'][0]}")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "\n")
    print(report.table(figures, names))
    for name, complaints in bench.skipped.items():
        print(f"skipped: {name}: {'; '.join(complaints)}")


def arguments():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--rounds", type=int, help="how often each is measured [5; quick: 1]")
    words.add_argument("--quick", action="store_true", help="a fifth of the jobs, one round")
    words.add_argument("--only", help="which systems, with commas; all others are left out")
    words.add_argument("--json", action="store_true", help="print JSON instead of tables")
    words.add_argument("--work", type=pathlib.Path,
                       default=pathlib.Path("/tmp/gristmill-bench-queue"),
                       help="where peers are installed and all data lies: the disk measured")
    words.add_argument("--target", type=pathlib.Path,
                       default=pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")))
    chosen = words.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    return chosen


def main():
    chosen = arguments()
    names = wanted(chosen.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen.work.mkdir(parents=True, exist_ok=True)
    kit, processes = provision.Kit(chosen.work.resolve()), servers.Processes()
    gristmill = build(chosen.target.resolve())
    say("installing what is missing ...")
    about = {"machine": machine(), "versions": versions(kit, gristmill, names)}
    with tempfile.TemporaryDirectory(prefix="run-", dir=chosen.work) as run:
        os.chmod(run, 0o755)
        # A copy: a build that goes on meanwhile is not to change what is measured.
        ours = shutil.copy2(gristmill, run)
        bench = Bench(chosen, ours, kit, pathlib.Path(run), processes)
        try:
            rounds = bench.rounds(names)
        except KeyboardInterrupt:
            say("interrupted; nothing is reported")
            sys.exit(130)
        finally:
            processes.stop_all()
    show(bench, names, rounds, about, chosen.json)


if __name__ == "__main__":
    main()
