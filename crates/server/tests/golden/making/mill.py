"""A server and its workers as processes on loopback, and a client of the API."""

import http.client
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse

SPAN = 60  # seconds that anything may take before the script gives up


# Every process that was started.
STARTED = []


def started(words, **how):
    """Starts a process."""
    STARTED.append(subprocess.Popen(words, **how))
    return STARTED[-1]


def end_all():
    """Ends what still runs."""
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.wait(SPAN)
    STARTED.clear()


class Refused(Exception):
    """An answer that is no success."""


class Mill:
    """A server on a data folder; it is started and stopped as often as a history wants."""

    def __init__(self, binary, data):
        self.binary, self.data = binary, data
        self.process = self.port = self.token = None
        self.version = subprocess.check_output([binary, "--version"], text=True).split()[1]
        self.protocol = 3
        self.notes = {}

    def start(self, *options):
        """Starts the server and waits until it serves."""
        words = [self.binary, "serve", "--json", "--bind", "127.0.0.1:0", "--data", self.data]
        self.process = started([*words, *options], stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.port = int(told["url"].rsplit(":", 1)[1])
        self.token = told.get("token")
        return self

    def stop(self):
        """Ends the server in order."""
        self._end(signal.SIGTERM, 0)

    def kill(self):
        """Ends the server as a power cut would."""
        self._end(signal.SIGKILL, -signal.SIGKILL)

    def _end(self, how, expected):
        self.process.send_signal(how)
        code = self.process.wait(SPAN)
        self.process.stdout.close()
        if code != expected:
            raise SystemExit(f"the server ended with {code}")
        self.process = None

    # The API.

    def ask(self, method, path, body=None, **headers):
        """Status and body of an answer, whatever it is."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SPAN + 15)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            headers.setdefault("content-type", "application/json")
            body = body.encode()
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        link.request(method, path, body, headers)
        answer = link.getresponse()
        data = answer.read()
        link.close()
        return answer.status, data

    def want(self, method, path, body=None, **headers):
        """What is answered; anything but a success is an error."""
        status, data = self.ask(method, path, body, **headers)
        if status >= 300:
            raise Refused(f"{method} {path}: {status} {data.decode()}")
        return json.loads(data) if data else None

    def get(self, path):
        return self.want("GET", path)

    def post(self, path, body=None, **headers):
        return self.want("POST", path, body, **headers)

    def put(self, path, body):
        return self.want("PUT", path, body)

    def blob(self, data):
        """Stores bytes; their digest."""
        headers = {"content_type": "application/octet-stream"}
        return self.want("POST", "/v1/blobs", data, **headers)["digest"]

    def submit(self, key=None, **request):
        """Submits a batch; its id and those of its jobs."""
        headers = {"idempotency_key": key} if key else {}
        told = self.post("/v1/batches", request, **headers)
        first = int(told["first_job"][1:])
        return told["batch"], [f"j{first + n}" for n in range(told["jobs"])]

    def finished(self, batch):
        """Waits until a batch has finished."""
        return self.until(lambda: self.get(f"/v1/batches/{batch}?wait=5s"), "finished", True, batch)

    def job_is(self, job, state):
        """Waits until a job is in a state."""
        return self.until(lambda: self.get(f"/v1/jobs/{job}"), "state", state, job)

    def until(self, look, field, wanted, what):
        """Looks until a field has a value."""
        deadline = time.monotonic() + SPAN
        while True:
            found = look()
            if found and found.get(field) == wanted:
                return found
            if time.monotonic() > deadline:
                raise SystemExit(f"{what}: {field} never became {wanted!r}: {json.dumps(found)}")
            time.sleep(0.02)

    # Workers.

    def work(self, name, *options):
        """Starts a worker and waits until it is there."""
        words = [self.binary, "work", "--server", f"http://127.0.0.1:{self.port}", "--name", name]
        process = started([*words, *options])
        look = lambda: next((w for w in self.workers() if w["name"] == name), None)  # noqa: E731
        found = self.until(look, "state", "ready", f"worker {name}")
        return Hand(self, process, found["id"])

    def workers(self):
        return self.get("/v1/workers?limit=1000")["items"]

    def until_worker(self, worker, state):
        """Waits until a worker is in a state."""
        return self.until(lambda: self.get(f"/v1/workers/{worker}"), "state", state, worker)


class Hand:
    """A worker's process."""

    def __init__(self, mill, process, worker):
        self.mill, self.process, self.worker = mill, process, worker

    def leave(self):
        """Asks it to finish and to leave, and waits until it has."""
        self.process.send_signal(signal.SIGTERM)
        self.ended()

    def ended(self):
        """Waits until it has left."""
        if self.process.wait(SPAN) != 0:
            raise SystemExit(f"worker {self.worker} ended with {self.process.returncode}")
        self.mill.until_worker(self.worker, "gone")

    def kill(self):
        """Ends it without a word, and waits until the server knows."""
        self.process.kill()
        self.process.wait(SPAN)
        self.mill.until_worker(self.worker, "gone")


class Callee(http.server.BaseHTTPRequestHandler):
    """Whom batches call at their end: each path is the status that is answered."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(int(self.path.strip("/")))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

    @classmethod
    def listen(cls):
        """Serves until the script ends; where."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), cls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"


def quoted(text):
    """A text as a part of a path."""
    return urllib.parse.quote(text, safe="")


def at_home(*path):
    """A path in the folder in which everything happens."""
    return os.path.join(os.environ["GOLDEN_HOME"], *path)
