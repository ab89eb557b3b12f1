"""Celery's drain over Redis, by one of its pools: `celery_pools.py POOL JOBS`, settings in BENCH.

As bench/queue/peers/celery_peer.py runs it: `acks_late`, 64 messages prefetched for each place in
the pool, results ignored, no gossip, mingle or heartbeat. The jobs wait in the queue, the worker is
up and has answered a first task; then it is told to take on the queue and the clock starts.
"""

import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
QUEUE = os.path.join(HERE, "..", "..", "queue", "peers")
sys.path.insert(0, QUEUE)

import celery_peer
import driver
import redis

# Solo runs each task in the process that fetches it.
PLACES = {"prefork": celery_peer.CORES, "threads": celery_peer.CORES, "solo": 1}


def bench(pool, jobs):
    store = redis.Redis(port=driver.SETTINGS["port"])
    celery_peer.bulk(celery_peer.no_op, "drain", jobs)
    worker = subprocess.Popen([
        sys.executable, "-m", "celery", "-A", "celery_peer", "worker", f"--pool={pool}",
        f"--concurrency={PLACES[pool]}", "-Q", "trips", "--without-gossip", "--without-mingle",
        "--without-heartbeat", "--loglevel=WARNING",
    ], cwd=QUEUE, stdout=sys.stderr)
    try:
        celery_peer.answer.delay(0).get(timeout=30)
        celery_peer.drain(store, "drain", "drain", jobs)
    finally:
        worker.send_signal(signal.SIGQUIT)
        worker.wait()


if __name__ == "__main__":
    bench(sys.argv[1], int(sys.argv[2]))
