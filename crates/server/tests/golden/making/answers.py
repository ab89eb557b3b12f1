"""Records what a server says about a data folder, as far as it would say the same tomorrow."""

import http.client
import json
import shutil
import sqlite3
import time

from mill import Mill, quoted

# Nothing is forgotten, nothing is compacted, and no worker that is away is given up meanwhile.
CALM = ("--keep-finished", "36500days", "--keep-events", "all", "--lease", "10m")

FILTERS = (
    "state=failed", "state=succeeded", "state=cancelled", "state=expired", "state=queued,retrying",
    "state=scheduled,blocked", "state=running,cancelling", "state!=succeeded",
    "label.user=ada", "label.user=bob,ada", "label.kind=bad", "label.range!=brace",
    "key=greet-all", "key=attic-1,single-1", "key=old-a", "code=exit_status", "code=quarantined",
    "code=expired,deadline_passed", "code=dependency_failed", "code!=exit_status",
    "project=lab", "project=attic,lab", "pipeline=words", "stage=shout,play", "worker=w2",
    "worker=w3,w4",
    "id>j20 id<j40", "id=j1,j7,j33", "state=failed label.kind=bad", "batch=b2,b3 state=succeeded",
    "project=nowhere",
)  # fmt: skip


def record(binary, folder, copy, into):
    """Starts a server on a copy of a folder and writes down what it answers."""
    shutil.copytree(folder, copy)
    mill = Mill(binary, copy).start(*CALM)
    try:
        # The compactor and the caller of callbacks have had their turn.
        time.sleep(0.5)
        events = mill.get("/healthz")["events"] - 1  # without the start just now
        told = Told(mill, events)
        told.everything()
        _replay(mill, events, f"{into}/events.ndjson")
    finally:
        mill.stop()
    told.tables = _tables(f"{copy}/read.db")
    told.write(f"{into}/answers.json")


class Told:
    """What was answered, by request."""

    def __init__(self, mill, events):
        self.mill = mill
        self.answers, self.ids, self.texts, self.explained = {}, {}, {}, {}
        self.rows, self.tables = {}, {}
        health = mill.get("/healthz")
        self.about = {
            "events": events,
            "kept_after": health["kept_after"],
            "jobs": health["jobs"],
        }

    def ask(self, path):
        self.answers[path] = self.mill.get(path)
        return self.answers[path]

    def list(self, path):
        """A listing of jobs, of which the ids alone are kept: the rows are those of all jobs."""
        status, data = self.mill.ask("GET", path)
        if status >= 300:
            # What is refused is an answer too.
            self.answers[path] = json.loads(data)
            return
        page = json.loads(data)
        for row in page["items"]:
            self._same(path, row)
        self.ids[path] = {"ids": [row["id"] for row in page["items"]], "has_more": page["has_more"]}

    def _same(self, path, row):
        if self.rows[row["id"]] != row:
            raise SystemExit(f"{path} tells otherwise of {row['id']} than the list of all jobs")

    def everything(self):
        jobs = self.ask("/v1/jobs?limit=1000")
        if jobs["has_more"]:
            raise SystemExit("there are more jobs than a page holds")
        self.rows = {row["id"]: row for row in jobs["items"]}
        self.about["states"] = _counted(row["state"] for row in jobs["items"])
        batches = self.ask("/v1/batches?limit=1000")["items"]
        for batch in batches:
            self.batch(batch)
        for job in self.rows:
            self._same(f"/v1/jobs/{job}", self.mill.get(f"/v1/jobs/{job}"))
            attempts = self.ask(f"/v1/jobs/{job}/attempts")["items"]
            if not attempts:
                del self.answers[f"/v1/jobs/{job}/attempts"]
            for attempt in attempts:
                if self.mill.get(f"/v1/attempts/{attempt['id']}") != attempt:
                    raise SystemExit(f"{attempt['id']} is told in two ways")
            self.logs(job, attempts)
            # How long something has run says no two times the same.
            if self.rows[job]["state"] in ("queued", "blocked", "scheduled", "retrying"):
                self.explained[job] = self.mill.get(f"/v1/jobs/{job}/explain")
        self.fleet()
        self.steering()
        for path in ("limit=7", "limit=7&after=j7"):
            self.list(f"/v1/jobs?{path}")
        for path in ("limit=7", "limit=9&after=j30"):
            self.list(f"/v1/jobs?order=newest&{path}")
        for text in FILTERS:
            self.list(f"/v1/jobs?limit=1000&filter={quoted(text)}")

    def batch(self, batch):
        path = f"/v1/batches/{batch['id']}"
        if self.mill.get(path) != batch:
            raise SystemExit(f"{path} tells otherwise than the list of batches")
        _, data = self.mill.ask("GET", f"{path}/results")
        rows = [json.loads(line) for line in data.splitlines()]
        for row in rows:
            self._same(path, row)
        self.ids[f"{path}/results"] = {"ids": [row["id"] for row in rows]}

    def logs(self, job, attempts):
        """What attempts printed, of those that printed something."""
        for attempt in attempts:
            path = f"/v1/jobs/{job}/logs?attempt={attempt['id']}"
            _, data = self.mill.ask("GET", path, accept="application/x-ndjson")
            if data:
                self.texts[path] = [json.loads(line) for line in data.splitlines()]

    def fleet(self):
        self.ask("/v1/workers?limit=1000&gone=true")
        self.ask("/v1/workers?limit=1000")
        self.ask("/v1/devices")
        self.ask("/v1/sessions")
        self.ask("/v1/declared-workers")

    def steering(self):
        projects = [row["name"] for row in self.ask("/v1/projects?limit=1000")["items"]]
        pipelines = self.ask("/v1/pipelines?limit=1000")["items"]
        for project in projects:
            of = f"?project={quoted(project)}"
            self.ask(f"/v1/pipelines{of}&limit=1000")
            self.ask(f"/v1/limits{of}")
            self.ask(f"/v1/flows{of}")
        for name in sorted({row["spec"]["name"] for row in pipelines}):
            self.ask(f"/v1/pipelines/{name}")
        if "lab" in projects:
            self.ask("/v1/pipelines/words?project=lab")

    def write(self, path):
        """One answer after the other, one row a line: so a difference is a line."""
        whole = {
            "about": self.about,
            "answers": self.answers,
            "explained": self.explained,
            "tables": self.tables,
            "ids": self.ids,
            "logs": self.texts,
        }
        with open(path, "w", encoding="utf-8") as file:
            file.write(pretty(whole) + "\n")


def packed(value):
    """JSON with sorted keys on one line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def pretty(value, depth=0):
    """JSON with sorted keys, whose inner rows are a line each."""
    plain = packed(value)
    if len(plain) <= 100 or depth > 3 or not isinstance(value, (dict, list)):
        return plain
    pad = " " * depth
    if isinstance(value, list):
        rows = [pretty(item, depth + 1) for item in value]
        return "[\n" + ",\n".join(f"{pad} {row}" for row in rows) + f"\n{pad}]"
    if depth > 1 and "items" not in value:
        return plain
    rows = [f"{json.dumps(key)}: {pretty(value[key], depth + 1)}" for key in sorted(value)]
    return "{\n" + ",\n".join(f"{pad} {row}" for row in rows) + f"\n{pad}}}"


def _tables(path):
    """What the API does not list: all versions of pipelines, and how many rows there are."""
    tables = sqlite3.connect(path)
    names = [name for (name,) in tables.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]  # fmt: skip
    # How many states a batch is counted in depends on when the follower looked.
    names.remove("counts")
    rows = {name: tables.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    version = tables.execute("PRAGMA user_version").fetchone()[0]
    columns = "id, project, name, version, spec FROM pipelines ORDER BY id"
    pipelines = [
        {"id": id, "project": project, "name": name, "version": number, "spec": json.loads(spec)}
        for id, project, name, number, spec in tables.execute(f"SELECT {columns}")
    ]
    tables.close()
    return {"version": version, "rows": rows, "pipelines": pipelines}


def _counted(states):
    counts = {}
    for state in states:
        counts[state] = counts.get(state, 0) + 1
    return counts


def _replay(mill, last, path):
    """The feed from the beginning on, as far as the log keeps it, up to the folder's last event."""
    link = http.client.HTTPConnection("127.0.0.1", mill.port, timeout=60)
    link.request("GET", "/v1/events", headers={"last-event-id": "0"})
    answer = link.getresponse()
    with open(path, "w", encoding="utf-8") as file:
        seen, told = 0, {}
        while seen < last:
            line = answer.readline().decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                told[name] = value
                continue
            if "data" in told:
                seen = int(told["id"])
                data = json.loads(told["data"])
                if told["event"] == "gap":
                    data = {"event": "gap", "seq": seen, **data}
                if seen <= last:
                    file.write(packed(data) + "\n")
            told = {}
    link.close()
