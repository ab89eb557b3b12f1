"""PostgreSQL alone: the physical reference, not a queue. No retries, no states, no workers known.

Jobs go in 1000 a transaction. The worker takes 100 a transaction with SKIP LOCKED (the row locks
are the lease) and deletes them in it (the completion), over two connections, one a core. Single
submissions are pgbench's, in C. The round trip goes by LISTEN and NOTIFY, one statement each way.
Binary parameters, prepared statements and `= any(array(...))` were the fastest of what was tried.
"""

import os
import re
import subprocess
import threading
import time

import driver
import psycopg
from redis_lists import batches

TAKE = """delete from jobs where id = any(array(
    select id from jobs order by id limit 100 for update skip locked)) returning input"""
ADD = "insert into jobs (input) select unnest(%b::text[])"
ADD_AND_TELL = f"with added as ({ADD} returning 1) select pg_notify('jobs', '') from added"
TAKE_AND_TELL = f"with taken as ({TAKE}) select pg_notify('answers', input) from taken"
CONNECTIONS = 2


def connect():
    return psycopg.connect(driver.SETTINGS["url"], autocommit=True)


def pgbench(of):
    """Submissions of one job each from 64 connections; its own figure, without connecting."""
    script = os.path.join(driver.SETTINGS["folder"], "single.sql")
    with open(script, "w", encoding="utf8") as file:
        file.write("\\set n random(1, 1000000)\n")
        file.write("insert into singles (input) values ('input ' || :n);\n")
    program = os.path.join(driver.SETTINGS["programs"], "pgbench")
    each = of // driver.CLIENTS
    call = [program, "-n", "-M", "prepared", "-c", str(driver.CLIENTS), "-j", "2"]
    call += ["-t", str(each), "-f", script, driver.SETTINGS["url"]]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    driver.tell("singles", float(re.search(r"tps = ([\d.]+)", said)[1]), each * driver.CLIENTS)


def bench():
    database = connect()
    for table in ("jobs", "singles"):
        columns = "id bigint generated always as identity primary key, input text not null"
        database.execute(f"create table {table} ({columns})")
    jobs, singles = driver.count(400_000), driver.count(50_000)
    with driver.Worker("drain", 0) as worker:
        started = time.perf_counter()
        for inputs in batches(jobs):
            database.execute(ADD, (inputs,), prepare=True)
        driver.tell_rate("bulk", jobs, started)
        database.execute("vacuum analyze jobs")
        started = time.perf_counter()
        worker.go()
        worker.hear(f"took {jobs}")
        driver.tell_rate("drain", jobs, started)
    pgbench(singles)
    with driver.Worker("trips", 0) as worker:
        worker.go()
        worker.hear("running")
        database.execute("listen answers")
        answers = database.notifies()

        def trip(number):
            connection.execute(ADD_AND_TELL, ([f"input {number}"],), prepare=True)
            next(answers)

        with connect() as connection:
            driver.tell_trips(driver.count(500), trip)


def work(what, _of):
    drain() if what == "drain" else answer()


def drain():
    taken = [0] * CONNECTIONS

    def take(place, connection):
        while rows := connection.execute(TAKE, prepare=True).rowcount:
            taken[place] += rows

    connections = [connect() for _ in taken]
    driver.await_go()
    takers = [threading.Thread(target=take, args=each) for each in enumerate(connections)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    driver.say(f"took {sum(taken)}")


def answer():
    listening, connection = connect(), connect()
    driver.await_go()
    listening.execute("listen jobs")
    driver.say("running")
    for _ in listening.notifies():
        connection.execute(TAKE_AND_TELL, prepare=True)


if __name__ == "__main__":
    driver.main(bench, work)
