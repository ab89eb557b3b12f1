"""gristmill itself: `gristmill bench queue --json`, its own server and worker; lazy is its
`--durability system`, fsync its default.

Its drain counts the start of the worker process; the peers' drains do not. A figure the table has
no row for is told under its own name, and run.py lists it below the table.
"""

import json
import signal
import subprocess

import driver

# The binary's name of a figure (or how it begins): ours.
FIGURES = {
    "submit in bulk": "bulk",
    "submit one by one, 64 clients": "singles",
    "submit one by one, pipelined": "pipelined over HTTP",
    "submit one by one, 64 links": "pipelined",
    "drain": "drain",
    "round trip, idle: p50": "trip_p50",
    "round trip, idle: p99": "trip_p99",
    "processes": "processes",
    "submit a range": "range",
}


def ours(name):
    if name in FIGURES:
        return FIGURES[name]
    return next((to for begin, to in FIGURES.items() if name.startswith(begin)), name)


def relay(lines):
    told = set()
    for line in lines:
        figure = json.loads(line)
        name = ours(figure["figure"])
        # Said twice, or a range in another unit than its row's: under its own name.
        if name in told or (name == "range" and figure["unit"] != "ms"):
            name = figure["figure"]
        told.add(name)
        driver.tell(name, figure["value"], figure["count"], figure["unit"])


def bench():
    counts = {"--jobs": 200_000, "--singles": 20_000, "--processes": 5_000, "--trips": 500,
              "--shells": 100, "--live": 1_000_000}
    durability = "disk" if driver.SETTINGS["fsync"] else "system"
    command = [driver.SETTINGS["gristmill"], "bench", "queue", "--json"]
    command += ["--dir", driver.SETTINGS["folder"], "--durability", durability]
    for option, full in counts.items():
        command += [option, str(driver.count(full))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            relay(running.stdout)
        except BaseException:
            # It ends its server and its worker itself.
            running.send_signal(signal.SIGINT)
            raise
    if running.returncode:
        raise SystemExit(f"gristmill bench queue ended with {running.returncode}")


if __name__ == "__main__":
    driver.main(bench, None)
