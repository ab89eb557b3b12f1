"""HyperQueue from its Python wheel, which carries server, worker and client.

The `hq` program itself is in no package registry, so server and worker share one process here
(`LocalCluster`), and there is no journal: nothing is durable. Its tasks are programs; it has no
no-op jobs. Its client has no arrays, and asks only once a second whether a job is done: no round
trip can be told, and the end of many is told by a last task that depends on all others. Output goes
nowhere (`None`), which spares it a folder of files; one core a task, a worker with all cores.
"""

import contextlib
import os
import pathlib
import sys
import threading
import time

import driver
from hyperqueue import Client, Job
from hyperqueue.cluster import LocalCluster, WorkerConfig


def programs(of):
    job = Job()
    for number in range(of):
        job.program(["true"], stdout=None, stderr=None, env={"INPUT": f"input {number}"})
    return job


@contextlib.contextmanager
def cluster(what):
    """Server, and a worker if asked for, in a process of their own; the client's connection."""
    folder = pathlib.Path(driver.SETTINGS["folder"]) / what
    folder.mkdir()
    with driver.Worker(what, folder) as process:
        process.go()
        process.hear("running")
        yield Client(str(folder))


def finish(client, of):
    """Runs `of` programs and one more after them, which tells that they are done."""
    told = pathlib.Path(driver.SETTINGS["folder"]) / "told"
    os.mkfifo(told)
    job = programs(of)
    job.program(["sh", "-c", f"echo done > {told}"], stdout=None, stderr=None, deps=list(job.tasks))
    started = time.perf_counter()
    client.submit(job)
    told.read_text()
    took = time.perf_counter() - started
    told.unlink()
    return of / took


def bench():
    jobs, spawned = driver.count(20_000), driver.count(2_000)
    with cluster("no-worker") as client:
        job = programs(jobs)
        started = time.perf_counter()
        client.submit(job)
        driver.tell_rate("bulk", jobs, started)
    with cluster("one-worker") as client:
        finish(client, 50)
        driver.tell("processes", finish(client, spawned), spawned)


def work(what, folder):
    # The server prints a table about itself where the driver listens: elsewhere with it.
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    driver.await_go()
    worker = WorkerConfig(cores=os.cpu_count()) if what == "one-worker" else None
    with LocalCluster(folder, worker):
        driver.say("running")
        # Until the driver ends this process.
        threading.Event().wait()


if __name__ == "__main__":
    driver.main(bench, work)
