"""Redis alone, lists: the physical reference, not a queue. No retries, no states, no workers known.

Jobs go in by RPUSH, 1000 values a command. The worker moves them to a list of its own (LMOVE, 1000
in a pipeline: the lease) and, with the next pipeline, drops the thousand before (LPOP: the
completion), so a crash between loses nothing. Single submissions are redis-benchmark's, in C.
"""

import itertools
import os
import subprocess
import time

import driver
from resp import Connection, pack

BATCH = 1000
SINGLES = [("singles", 1), ("pipelined", 16)]


def batches(of):
    numbers = iter(range(of))
    while chunk := list(itertools.islice(numbers, BATCH)):
        yield [f"input {number}" for number in chunk]


def benchmark(figure, of, depth, *command):
    """64 connections of redis-benchmark, each with `depth` commands in flight."""
    program = os.path.join(driver.SETTINGS["programs"], "redis-benchmark")
    port = str(driver.SETTINGS["port"])
    call = [program, "-p", port, "-c", str(driver.CLIENTS), "-P", str(depth), "-n", str(of)]
    call += ["-r", "1000000", "--csv", *command]
    lines = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    driver.tell(figure, float(lines.strip().splitlines()[-1].split('","')[1]), of)


def bench():
    redis = Connection(driver.SETTINGS["port"])
    jobs, singles = driver.count(500_000), driver.count(50_000)
    with driver.Worker("drain", jobs) as worker:
        started = time.perf_counter()
        for inputs in batches(jobs):
            redis.do("RPUSH", "drain", *inputs)
        driver.tell_rate("bulk", jobs, started)
        started = time.perf_counter()
        worker.go()
        worker.hear("done")
        driver.tell_rate("drain", jobs, started)
    for figure, depth in SINGLES:
        benchmark(figure, singles * depth, depth, "RPUSH", "singles", "input __rand_int__")
    redis.do("DEL", "singles")
    with driver.Worker("trips", 0) as worker:
        worker.go()

        def trip(number):
            redis.do("RPUSH", "trips", f"input {number}")
            redis.do("BLPOP", "answers", 10)

        driver.tell_trips(driver.count(1_000), trip)


def work(what, of):
    redis = Connection(driver.SETTINGS["port"])
    driver.await_go()
    drain(redis, int(of)) if what == "drain" else answer(redis)


def drain(redis, left):
    lease = pack(("LMOVE", "drain", "mine", "LEFT", "RIGHT"))
    held = 0
    while left:
        complete = pack(("LPOP", "mine", held)) if held else b""
        left -= held
        wanted = min(BATCH, left)
        answers = redis.ask(complete + lease * wanted, bool(held) + wanted)
        held = sum(answer is not None for answer in answers[-wanted:]) if wanted else 0
    driver.say("done")


def answer(redis):
    while True:
        job = redis.do("BLMOVE", "trips", "mine", "LEFT", "RIGHT", 0)
        redis.ask(pack(("LREM", "mine", 1, job)) + pack(("RPUSH", "answers", job)), 2)


if __name__ == "__main__":
    driver.main(bench, work)
