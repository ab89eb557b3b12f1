"""Celery over Redis: prefork, late acknowledgement, results only where a round trip needs them.

Settings, from Celery's own "Optimizing" guide and our earlier measurements: one prefork child a
core; 64 messages prefetched for each child, as the guide says for many short tasks; `acks_late`,
without which a job is lost with its worker and completion would not be measured; results ignored
except for the round trip; no gossip, mingle or heartbeat, which a lone worker needs not; one
producer kept open for bulk submission. There is no bulk call: one message is one round trip.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import driver
import redis
from celery import Celery

CORES = os.cpu_count() or 1
STORE = f"redis://127.0.0.1:{driver.SETTINGS.get('port')}/0"

app = Celery("celery_peer", broker=STORE, backend=STORE)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    task_default_queue="trips",
    broker_pool_limit=driver.CLIENTS,
    broker_connection_retry_on_startup=True,
)


@app.task(name="no_op", ignore_result=True)
def no_op(_input):
    pass


@app.task(name="answer")
def answer(number):
    return number


@app.task(name="run_true", ignore_result=True)
def run_true(_input):
    subprocess.run(["true"], check=True)


def bulk(task, queue, of):
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(of):
            task.apply_async((f"input {number}",), queue=queue, producer=producer)


def submit_from_threads(threads, of):
    """The clients of one of the two processes that submit one by one."""
    def client():
        for number in range(of // threads):
            no_op.apply_async((f"input {number}",), queue="singles")

    no_op.apply_async(("warm",), queue="warm")
    driver.await_go()
    clients = [threading.Thread(target=client) for _ in range(threads)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    driver.say("done")


def drained(store, queue):
    """Every message is taken and acknowledged: none waits, none is held by a worker."""
    return lambda: store.llen(queue) + store.hlen("unacked") == 0


def drain(store, figure, queue, of):
    """The worker runs already and takes on the queue: its start is not measured."""
    started = time.perf_counter()
    app.control.add_consumer(queue, reply=True)
    driver.until(drained(store, queue))
    driver.tell_rate(figure, of, started)


def singles(of):
    """64 clients: 32 threads in each of two processes, since one Python runs one thread."""
    share = of // 2
    with driver.Worker("submit", 32, share) as one, driver.Worker("submit", 32, share) as other:
        started = time.perf_counter()
        for half in (one, other):
            half.go()
        for half in (one, other):
            half.hear("done")
        driver.tell_rate("singles", share // 32 * 64, started)


def bench():
    store = redis.Redis(port=driver.SETTINGS["port"])
    jobs, spawned = driver.count(4_000), driver.count(600)
    started = time.perf_counter()
    bulk(no_op, "drain", jobs)
    driver.tell_rate("bulk", jobs, started)
    singles(driver.count(4_000))
    store.delete("singles", "warm")
    worker = subprocess.Popen([
        sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "--pool=prefork",
        f"--concurrency={CORES}", "-Q", "trips", "--without-gossip", "--without-mingle",
        "--without-heartbeat", "--loglevel=WARNING",
    ], cwd=os.path.dirname(os.path.abspath(__file__)), stdout=sys.stderr)
    try:
        answer.delay(0).get(timeout=30)
        drain(store, "drain", "drain", jobs)
        driver.tell_trips(driver.count(300), lambda n: answer.delay(n).get(timeout=10))
        bulk(run_true, "spawn", spawned)
        drain(store, "processes", "spawn", spawned)
    finally:
        worker.send_signal(signal.SIGQUIT)
        worker.wait()


def work(_what, threads, of):
    submit_from_threads(int(threads), int(of))


if __name__ == "__main__":
    driver.main(bench, work)
