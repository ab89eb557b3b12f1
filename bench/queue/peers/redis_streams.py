"""Redis alone, streams with a consumer group: the physical reference, not a queue.

Jobs go in by XADD, 1000 in a pipeline. The worker reads 1000 (XREADGROUP: the lease) and with the
next pipeline acknowledges and deletes the thousand before (XACK, XDEL: the completion). Single
submissions are redis-benchmark's, in C.
"""

import time

import driver
from redis_lists import SINGLES, batches, benchmark
from resp import Connection, pack

BATCH = 1000


def bench():
    redis = Connection(driver.SETTINGS["port"])
    for stream in ("drain", "trips"):
        redis.do("XGROUP", "CREATE", stream, "workers", "0", "MKSTREAM")
    jobs, singles = driver.count(300_000), driver.count(50_000)
    with driver.Worker("drain", jobs) as worker:
        started = time.perf_counter()
        for inputs in batches(jobs):
            adds = b"".join(pack(("XADD", "drain", "*", "input", each)) for each in inputs)
            redis.ask(adds, len(inputs))
        driver.tell_rate("bulk", jobs, started)
        started = time.perf_counter()
        worker.go()
        worker.hear("done")
        driver.tell_rate("drain", jobs, started)
    for figure, depth in SINGLES:
        add = ("XADD", "singles", "*", "input", "input __rand_int__")
        benchmark(figure, singles * depth, depth, *add)
    redis.do("DEL", "singles")
    with driver.Worker("trips", 0) as worker:
        worker.go()

        def trip(number):
            redis.do("XADD", "trips", "*", "input", f"input {number}")
            redis.do("BLPOP", "answers", 10)

        driver.tell_trips(driver.count(1_000), trip)


def complete(stream, ids):
    return pack(("XACK", stream, "workers", *ids)) + pack(("XDEL", stream, *ids))


def work(what, of):
    redis = Connection(driver.SETTINGS["port"])
    driver.await_go()
    drain(redis, int(of)) if what == "drain" else answer(redis)


def drain(redis, left):
    lease = ("XREADGROUP", "GROUP", "workers", "one", "COUNT", BATCH, "STREAMS", "drain", ">")
    ids = []
    while left:
        done = complete("drain", ids) if ids else b""
        left -= len(ids)
        answers = redis.ask(done + pack(lease), 3 if ids else 1)
        ids = [each[0] for each in answers[-1][0][1]] if answers[-1] else []
    driver.say("done")


def answer(redis):
    group = ("XREADGROUP", "GROUP", "workers", "one")
    lease = (*group, "COUNT", 1, "BLOCK", 0, "STREAMS", "trips", ">")
    while True:
        ids = [each[0] for each in redis.do(*lease)[0][1]]
        redis.ask(complete("trips", ids) + pack(("RPUSH", "answers", ids[0])), 3)


if __name__ == "__main__":
    driver.main(bench, work)
