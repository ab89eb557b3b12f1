"""What happens: each function is a part of a history, and leaves no work behind but what its name
says. A part that needs a worker starts it and has it leave, so parts go together in any order."""

import json
import struct
import zlib

from link import Puppet
from mill import Callee, at_home, quoted

FAR = "2099-12-31T00:00:00Z"
AGES = "36500days"
ONCE = {"attempts": 1}


def sh(script, name="run", retry=ONCE, **more):
    """A stage that runs a script; its input is `$1`."""
    argv = ["sh", "-c", script, "sh", "{input}"]
    return {"name": name, "handler": {"command": {"argv": argv}}, "retry": retry, **more}


def mimed(name="play", retry=ONCE, hand="puppet", **more):
    """A stage that only a puppet takes."""
    handler = {"images": {"recipe": "{}"}}
    return {"name": name, "handler": handler, "requires": {"hand": hand}, "retry": retry, **more}


def puppet(m, name="mime", hand="puppet", **shape):
    """A worker that takes what is mimed."""
    return Puppet(m, name, ["images"], labels={"hand": hand}, **shape)


def jobs(*inputs):
    return [{"input": one} for one in inputs]


def worker(m, name, *options):
    """A worker that runs programs and sees the disk."""
    own = ["--cpus", "1", "--shared-disk", at_home(), *options]
    return m.work(name, *own) if m.protocol < 3 else m.work(name, "--no-gpus", *own)


def forgotten(m):
    """A batch that finishes and is forgotten. The server must keep what finished for a second."""
    stages = [sh("printf %s \"$1\" | sha256sum", "sum"), sh("echo \"$1\" | cut -c 1-8", "cut")]
    m.put("/v1/pipelines/sums", {"name": "sums", "stages": stages})
    batch, _ = m.submit(
        key="monday", pipeline="sums", name="long ago", labels={"user": "ada"},
        jobs=[{"input": "a", "key": "old-a"}, {"input": "b", "labels": {"part": "b"}}],
    )  # fmt: skip
    early = worker(m, "early")
    m.finished(batch)
    m.until(lambda: m.get(f"/v1/batches/{batch}"), "project", None, "the forgotten batch")
    early.leave()


def projects(m):
    """Projects, and pipelines in several versions."""
    for name, weight in [("lab", 3), ("attic", 1), ("lab", 5)]:
        m.put(f"/v1/projects/{name}", {"weight": weight})
    stages = [
        sh("printf '%s' \"$1\" | wc -c", "count", timeout="5m", prefers={"site": "north"}),
        sh("echo \"<$1>\"", "frame", retry={"attempts": 2, "backoff": "50ms"}),
        sh("echo \"$1!\"", "shout", resources={"cpus": 500, "memory": 1 << 20}),
    ]
    for upto in (2, 3):
        m.put("/v1/pipelines/words", {"name": "words", "stages": stages[:upto]})
    m.put("/v1/pipelines/words?project=lab", {"name": "words", "stages": stages[1:]})
    m.put("/v1/pipelines/words", {"name": "words", "stages": stages})


def succeeding(m):
    """Jobs that succeed: texts, stages, files, blobs, artifacts, warnings, keys, labels."""
    alpha = worker(m, "alpha", "--label", "site=north", "--named", "licence=3")
    add = lambda **request: m.finished(m.submit(**request)[0])  # noqa: E731
    add(
        key="tuesday", stages=[sh("echo \"hello $1\"; echo aside >&2", "greet")], name="greetings",
        priority=5, labels={"user": "ada", "kind": "text"},
        jobs=[
            {"input": "ada"},
            {"input": "bob", "priority": -3, "labels": {"user": "bob", "part": "2"}},
            {"input": {"to": ["all", None, 1.5]}, "key": "greet-all"},
            {},
        ],
    )  # fmt: skip
    # The same once more makes nothing; a job by its key is known.
    add(stages=[sh("echo \"$1\"")], jobs=[{"input": "x", "key": "greet-all"}, {"input": "y"}])
    add(pipeline="words", jobs=jobs("mill", "stone"), labels={"user": "bob"})
    add(pipeline="words", project="lab", name="in the lab", jobs=jobs("rye", "wheat"))
    _files(m, add)
    add(
        name="artifacts", labels={"kind": "artifacts"},
        stages=[sh(
            "echo one > $GRISTMILL_ARTIFACTS/one.txt; echo two > $GRISTMILL_ARTIFACTS/two.txt;"
            " mkdir $GRISTMILL_ARTIFACTS/folder; echo \"$1\"")],
        jobs=jobs("some"),
    )  # fmt: skip
    wide = {"cpus": 1000, "memory": 0, "devices": [], "named": {"licence": 9000}}
    add(stages=[sh("echo \"$1\"", resources=wide, alternatives=[{"cpus": 250}])], jobs=jobs("or"))
    lines = [{"stages": [sh("echo \"$1\"")], "name": "bulk"}, *jobs("1", "2", "3")]
    bulk = "\n".join(json.dumps(line) for line in lines)
    m.finished(m.post("/v1/batches", bulk, content_type="application/x-ndjson")["batch"])
    one = {"stages": [sh("echo \"$1\"")], "input": "single", "labels": {"kind": "single"}}
    m.finished(m.post("/v1/jobs", {**one, "key": "single-1"})["batch"])
    alpha.leave()


def _files(m, add):
    """Files by path and as blobs, and pictures."""
    argv = ["sh", "-c", "cat \"$1\" > \"$2\"", "sh", "{input}", "{output}"]
    copy = {"name": "copy", "handler": {"command": {"argv": argv}}, "retry": ONCE}
    with open(at_home("in", "corn.txt"), "w", encoding="utf-8") as file:
        file.write("corn\n")
    blob = m.blob(b"corn in a blob\n")
    path = {"name": "corn.txt", "size": 5, "place": {"path": at_home("in", "corn.txt")}}
    file = {"name": "blob.txt", "size": 15, "place": {"blob": blob}}
    add(
        stages=[copy], name="files", labels={"kind": "file"},
        jobs=[{"file": path, "output": at_home("out", "corn.txt")}, {"file": path}, {"file": file}],
    )  # fmt: skip
    recipe = json.dumps({"operations": ["gray"]})
    stage = {"name": "gray", "handler": {"images": {"recipe": recipe}}, "retry": ONCE}
    m.put("/v1/pipelines/thumbs", {"name": "thumbs", "stages": [stage]})
    png = m.blob(_picture())
    broken = m.blob(_picture()[:40])
    pictures = [("dot.png", len(_picture()), png), ("broken.png", 40, broken)]
    add(
        pipeline="thumbs", labels={"kind": "picture"},
        jobs=[{"file": {"name": n, "size": s, "place": {"blob": b}}} for n, s, b in pictures],
    )  # fmt: skip


def _picture():
    """A picture of two by two pixels."""
    rows = b"\0\xff\0\0\0\xff\0" + b"\0\0\0\xff\xff\xff\xff"
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        png += struct.pack(">I", len(data)) + kind + data
        png += struct.pack(">I", zlib.crc32(kind + data))
    return png


def failing(m):
    """Jobs that fail, time out, are retried by themselves and by hand."""
    bravo = worker(m, "bravo")
    again = {"attempts": 2, "backoff": "20ms", "jitter_percent": 0}
    once = f"if test -e {at_home('marks')}/$1; then echo mended $1; else : > {at_home('marks')}/$1;"
    absent = {"name": "miss", "handler": {"command": {"argv": ["/nowhere/program"]}}, "retry": ONCE}
    failing, failed = m.submit(
        stages=[sh("echo no good >&2; exit 3", "fail", again)], labels={"kind": "bad"},
        jobs=jobs("x"),
    )
    m.finished(failing)
    by_hand, mended = m.submit(stages=[sh(once + " exit 5; fi")], jobs=jobs("by-hand"))
    m.finished(by_hand)
    for stage, given in [
        (sh(once + " exit 4; fi", retry=again), "by-itself"),
        (sh("kill -9 $$"), "x"),
        (absent, "x"),
        (sh("sleep 60", "sleep", timeout="200ms"), "x"),
    ]:
        m.finished(m.submit(stages=[stage], jobs=jobs(given))[0])
    m.post(f"/v1/jobs/{mended[0]}/retry")
    m.finished(by_hand)
    m.post(f"/v1/batches/{failing}/retry")
    m.finished(failing)
    m.post(f"/v1/jobs/retry?filter=id={failed[0]}")
    m.finished(failing)
    bravo.leave()


def told_failures(m):
    """What a handler tells of its failures, and results as JSON and as files."""
    mime = puppet(m)
    # Long enough for all others to have their first try before.
    again = {"attempts": 2, "backoff": "700ms", "jitter_percent": 0, "on": ["failed", "timed_out"]}
    batch, _ = m.submit(
        stages=[mimed(retry=again)], name="told", labels={"kind": "told"},
        jobs=[{"input": n, "labels": {"n": str(n)}} for n in range(5)],
    )  # fmt: skip
    run = mime.next()
    mime.log(run, "stdout", "a line of output\nand another\n")
    mime.log(run, "stderr", "a warning\n")
    mime.log(run, "worker", "a word of the worker\n")
    where = "Traceback (most recent call last):\n  File \"/tmp/golden/app.py\", line 3, in grind\n"
    mime.fail(run, "failed", "ValueError", "no corn", traceback=where + "ValueError: no corn")
    run = mime.next()
    mime.succeed(run, {"json": "{\"flour\":[1,2.5,null],\"n\":1}"}, warnings=["it is coarse", "ä"])
    digest = bytes.fromhex(m.blob(b"flour\n")[3:])
    flour = ["flour.txt", 6, {"blob": digest}]
    mime.succeed(mime.next(), {"file": flour}, artifacts=[["bran.txt", 6, {"blob": digest}]])
    mime.fail(mime.next(), "invalid", "bad_input", "4 is no corn")
    mime.fail(mime.next(), "timed_out", "timeout", "it took longer than 1s", exit_code=7)
    for _ in range(2):
        run = mime.next()
        if run["job"] == m.get(f"/v1/jobs?filter=batch={batch}&limit=1")["items"][0]["id"]:
            mime.succeed(run, {"text": "at the second try"})
        else:
            mime.fail(run, "failed", "exit_status", "the program ended with 9", exit_code=9)
    m.finished(batch)
    mime.goodbye()


def ranges(m):
    """Ranges of which some ran, failed, were cancelled, expired, held; and some wait."""
    mime = puppet(m)
    sources = [
        ({"brace": "frame-{01..03}.{left,right}"}, "brace"),
        ({"numbers": {"first": 20, "last": 0, "step": -4}}, "numbers"),
        ({"lines": {"list": m.blob(b"oats\nrye\nspelt\nwheat\nbarley\nmillet\n")}}, "lines"),
    ]
    for source, name in sources:
        batch, ids = m.submit(
            stages=[mimed(resources={"cpus": 1000})], name=name, labels={"range": name},
            range=source,
        )  # fmt: skip
        run = mime.next()
        m.post(f"/v1/jobs/{ids[4]}/cancel")
        m.post(f"/v1/jobs/{ids[5]}/hold")
        mime.succeed(run, {"text": f"first of {name}"})
        mime.fail(mime.next(), "failed", "exit_status", "the program ended with 1", exit_code=1)
        run = mime.next()
        m.put(f"/v1/flows/{quoted('pipeline:inline')}", {"flow": "paused"})
        mime.succeed(run, {"json": "{}"})
        m.post(f"/v1/batches/{batch}/hold")
        m.put(f"/v1/flows/{quoted('pipeline:inline')}", {"flow": "open"})
        m.notes[name] = batch
    # All of one succeed, all of another are cancelled, and a third stands after two jobs.
    batch, _ = m.submit(stages=[mimed()], range={"brace": "{a,b}"}, name="whole")
    for _ in range(2):
        run = mime.next()
        mime.succeed(run, {"text": f"whole {run['job']}"})
    m.finished(batch)
    batch, _ = m.submit(
        stages=[mimed()], name="after two", jobs=jobs("x", "y"), terms={"hold": True},
        range={"numbers": {"first": 1, "last": 4}},
    )  # fmt: skip
    m.post(f"/v1/batches/{batch}/cancel")
    mime.goodbye()


def ended_by_terms(m):
    """Jobs that expire, waiting and running, or that waited in vain."""
    idle = sh("echo", requires={"site": "nowhere"})
    never, expired = m.submit(
        stages=[idle], name="expires", terms={"expires_in": "200ms"}, jobs=jobs("x", "y"),
        range={"brace": "{p,q,r}"},
    )  # fmt: skip
    soon = {"deadline_in": "200ms"}
    late, _ = m.submit(stages=[idle], name="too late", terms=soon, jobs=jobs("x"))
    mime = puppet(m)
    running, _ = m.submit(
        stages=[mimed()], name="stopped", terms={"deadline_in": "1s"}, jobs=jobs("x", "y"),
        open=True,
    )  # fmt: skip
    run = mime.next()
    mime.until_stopped(run)
    mime.fail(run, "cancelled", "cancelled", "it was asked to stop")
    for batch in (never, late, running):
        m.finished(batch)
    # Running and queued jobs that are cancelled, and one whose result was there first.
    batch, ids = m.submit(stages=[mimed()], name="cancelled", jobs=jobs("1", "2", "3", "4"))
    run = mime.next()
    m.post(f"/v1/jobs/{ids[0]}/cancel")
    m.post(f"/v1/jobs/{ids[3]}/cancel")
    mime.until_stopped(run)
    mime.fail(run, "cancelled", "cancelled", "it was asked to stop")
    run = mime.next()
    m.post(f"/v1/jobs/cancel?filter=batch={batch}")
    mime.until_stopped(run)
    mime.succeed(run, {"text": "it was there first"})
    m.finished(batch)
    mime.goodbye()
    vain, _ = m.submit(
        stages=[idle], name="in vain", jobs=jobs("x"), range={"brace": "{p,q}"},
        terms={"after": [{"on": batch}]},
    )  # fmt: skip
    m.finished(vain)
    for job in (expired[0], expired[3]):
        m.post(f"/v1/jobs/{job}/retry")
        m.post(f"/v1/jobs/{job}/cancel")


def waiting_for_others(m):
    """Dependencies that are met, or fail; start times that come; holds."""
    mime = puppet(m)
    first, ids = m.submit(stages=[mimed()], name="first", jobs=jobs("good", "bad"))
    after = [
        m.submit(stages=[mimed()], name=name, jobs=jobs("x"), terms={"after": [on]})[0]
        for name, on in [
            ("after a job", {"on": ids[0]}),
            ("after success", {"on": first, "when": "succeeded"}),
            ("after failure", {"on": first, "when": "failed"}),
            ("after the end", {"on": first, "when": "finished"}),
        ]
    ]
    mime.succeed(mime.next(), {"text": "good"})
    mime.fail(mime.next(), "failed", "exit_status", "the program ended with 2", exit_code=2)
    for _ in range(3):
        mime.succeed(mime.next(), {"text": "after all"})
    for batch in after:
        m.finished(batch)
    soon = {"delay": "150ms"}
    delayed, _ = m.submit(stages=[mimed()], terms=soon, jobs=jobs("x"), name="delayed")
    mime.succeed(mime.next(), {"text": "in its time"})
    m.finished(delayed)
    held, ids = m.submit(
        stages=[mimed()], terms={"hold": True}, jobs=jobs("x", "y"), name="held and released"
    )
    m.post(f"/v1/jobs/{ids[1]}/hold")
    m.post(f"/v1/batches/{held}/release")
    mime.succeed(mime.next(), {"text": "released"})
    m.post(f"/v1/batches/{held}/hold")
    m.post(f"/v1/jobs/{ids[1]}/release")
    m.post(f"/v1/batches/{held}/release")
    mime.succeed(mime.next(), {"text": "released at last"})
    m.finished(held)
    mime.goodbye()


def callbacks(m):
    """Batches whose end is told, or cannot be."""
    where = Callee.listen()
    mime = puppet(m)
    batches = {}
    for name, status in [("heard", 200), ("refused", 410), ("elsewhere", 302)]:
        terms = {"callback": f"{where}/{status}"}
        batches[name] = m.submit(stages=[mimed()], name=name, jobs=jobs("x"), terms=terms)[0]
        mime.succeed(mime.next(), {"text": name})
    for name, batch in batches.items():
        called = lambda: m.get(f"/v1/batches/{batch}")["called"]  # noqa: B023, E731
        m.until(called, "delivered", name == "heard", f"the call for {name}")
    mime.goodbye()


def deaths(m):
    """Workers that die: a job that is given to another, and one that is given up."""
    mark = at_home("marks", "died")
    script = f"if test -e {mark}; then echo survived; else : > {mark}; sleep 30; fi"
    batch, ids = m.submit(stages=[sh(script, "survive")], name="survivor", jobs=jobs("x"))
    charlie = worker(m, "charlie")
    m.job_is(ids[0], "running")
    m.until(lambda: {"there": _exists(mark)}, "there", True, "the mark")
    charlie.kill()
    delta = worker(m, "delta")
    m.finished(batch)
    delta.leave()
    batch, _ = m.submit(stages=[mimed()], name="deadly", labels={"kind": "bad"}, jobs=jobs("x"))
    for n in range(3):
        mime = puppet(m, f"mortal-{n}")
        mime.next()
        mime.kill()
        m.until_worker(mime.worker, "gone")
    m.finished(batch)


def _exists(path):
    try:
        with open(path, encoding="utf-8"):
            return True
    except FileNotFoundError:
        return False


def workers(m):
    """Workers that are paused and resumed, drained, say goodbye while they hold something, or come
    back and know nothing of what they were given."""
    echo = worker(m, "echo", "--label", "rack=3")
    for verb in ("pause", "resume", "drain"):
        m.post(f"/v1/workers/{echo.worker}/{verb}")
    echo.ended()
    batch, _ = m.submit(stages=[mimed()], name="handed on", jobs=jobs("x"))
    for last in (False, True):
        mime = puppet(m, "passer-by", named={"licence": 2000}, memory=1 << 30)
        run = mime.next()
        if last:
            mime.kill()
            mime.connect(holds=[])
            mime.succeed(mime.next(), {"text": "handed on, and given again"})
        mime.goodbye()
    m.finished(batch)


def steering(m):
    """Limits and flows that come and go; some stay."""
    limits = [
        ("pipeline:words", {"concurrency": 2}),
        ("stage:words/count", {"concurrency": 1, "rate": "10/1m"}),
        ("key:api.example.org", {"rate": "2/1h"}),
        ("project", {"concurrency": 40}),
        ("pipeline:gone", {"concurrency": 1}),
    ]
    for scope, limit in limits:
        m.put(f"/v1/limits/{quoted(scope)}", limit)
    m.put(f"/v1/limits/{quoted('pipeline:words')}", {"concurrency": 3, "rate": "100/1m"})
    m.put(f"/v1/limits/{quoted('project')}?project=lab", {"concurrency": 7})
    m.want("DELETE", f"/v1/limits/{quoted('pipeline:gone')}")
    flows = [
        ("pipeline:sums", "paused"), ("pipeline:sums", "open"), ("pipeline:words", "draining"),
        ("stage:thumbs/gray", "paused"),
    ]  # fmt: skip
    for scope, flow in flows:
        m.put(f"/v1/flows/{quoted(scope)}", {"flow": flow})
    m.put(f"/v1/flows/{quoted('project')}?project=attic", {"flow": "paused"})
    mime = puppet(m)
    batch, _ = m.submit(
        stages=[mimed()], name="bounded", terms={"limit_key": "api.example.org"},
        jobs=jobs("1", "2", "3"),
    )  # fmt: skip
    for _ in range(2):
        mime.succeed(mime.next(), {"text": "within the limit"})
    mime.goodbye()


def token(m):
    """Somebody with the token asks; the server must want it."""
    m.submit(stages=[sh("echo", requires={"site": "nowhere"})], name="by token", jobs=jobs("x"))


def sessions(m):
    """A function that is kept loaded, on declared devices."""
    muse = m.work(
        "muse", "--no-gpus", "--cpus", "2", "--host", at_home("host.py"), "think",
        "--device", "gpu=GPU-muse-0,vram=8GiB,slots=2", "--device", "gpu=GPU-muse-1,vram=8GiB",
        "--device", "tpu:1",
    )  # fmt: skip
    prompts = ["a mill", "raise", "file"]
    batch, _ = m.submit(
        pipeline="think", name="thoughts",
        jobs=[{"input": {"prompt": prompt}} for prompt in prompts],
    )  # fmt: skip
    m.finished(batch)
    m.post("/v1/pipelines/think/call?wait=30s", {"prompt": "a call", "steps": 7})
    # Data that all jobs share make a new version.
    voice = m.blob(b"low\n")
    spec = m.get("/v1/pipelines/think")["spec"]
    spec["stages"][0]["handler"]["session"]["data"]["voice"] = {
        "name": "voice", "size": 4, "place": {"blob": voice},
    }  # fmt: skip
    m.put("/v1/pipelines/think", spec)
    batch, _ = m.submit(pipeline="think", jobs=[{"input": "with a voice"}])
    m.finished(batch)
    muse.leave()


GPUS = [
    {"id": "GPU-0", "kind": "gpu", "vram": 16 << 30, "name": "Golden 16"},
    {"id": "GPU-1", "kind": "gpu", "vram": 16 << 30, "name": "Golden 16", "slots": 2},
    {"id": "GPU-2", "kind": "gpu", "vram": 8 << 30},
]


def render(m):
    """The pipeline of a session that needs devices."""
    device = {"kind": "gpu", "count": 1, "share": 500, "vram": 2 << 30}
    kinds = ["failed", "out_of_memory"]
    stage = {
        "name": "draw",
        "handler": {"session": {"name": "render", "batch": 2}},
        "resources": {"cpus": 500, "devices": [device]},
        "retry": {"attempts": 2, "backoff": "20ms", "jitter_percent": 0, "on": kinds},
    }
    m.put("/v1/pipelines/render", {"name": "render", "stages": [stage]})
    whole = {"cpus": 500, "devices": [{"kind": "gpu", "count": 2}]}
    stage = {**stage, "resources": whole, "handler": {"session": {"name": "train", "pinned": True}}}
    m.put("/v1/pipelines/train", {"name": "train", "stages": [stage]})


def devices(m, pinned=True):
    """Devices that fail, are taken out of service and put back, are measured and used by others;
    at the end a session that stays may have two of them. Returns the worker, which stays."""
    render(m)
    gina = Puppet(m, "gina", ["render", "train"], cpus=4000, devices=GPUS, labels={"gpu": "golden"})
    path = f"/v1/workers/{gina.worker}/devices"
    m.post(f"{path}/GPU-2/quarantine", {"reason": "its fan rattles"})
    m.post(f"{path}/GPU-2/return")
    m.post(f"{path}/GPU-2/quarantine", {"reason": "its fan rattles again"})
    gina.say({"Measured": ["render", 3 << 30]})
    gina.say({"Foreign": ["GPU-1", 1 << 30]})
    batch, _ = m.submit(pipeline="render", jobs=jobs("a", "b"), name="drawn")
    gina.succeed(gina.next(), {"json": "{\"picture\":1}"}, devices=["GPU-0"])
    short = ("out_of_memory", "OutOfMemory", "3 GiB are not enough")
    gina.fail(gina.next(), *short, devices=["GPU-0"])
    gina.succeed(gina.next(), {"text": "alone"}, devices=["GPU-0"])
    m.finished(batch)
    gina.say({"Device": ["GPU-1", "it fell off the bus"]})
    m.until(lambda: _device(m, gina, "GPU-1"), "by", "worker", "the device")
    gina.say({"Device": ["GPU-1", None]})
    m.until(lambda: {"q": _device(m, gina, "GPU-1")}, "q", None, "the device")
    gina.say({"Foreign": ["GPU-1", 0]})
    if pinned:
        m.submit(pipeline="train", jobs=jobs("weights"))
        gina.succeed(gina.next(), {"text": "trained"}, devices=["GPU-0", "GPU-1"])
    return gina


def breaking(m):
    """A device that the server takes out of service, for it fails under one job after the other."""
    device = {"kind": "gpu", "count": 1}
    stage = {
        "name": "shake", "handler": {"session": {"name": "shaky"}},
        "resources": {"cpus": 500, "devices": [device]}, "retry": ONCE,
    }  # fmt: skip
    ivan = Puppet(m, "ivan", ["shaky"], devices=[{"id": "GPU-i", "kind": "gpu", "vram": 4 << 30}])
    batch, _ = m.submit(stages=[stage], name="breaking", jobs=jobs(1, 2, 3), labels={"kind": "bad"})
    while not _device(m, ivan, "GPU-i"):
        ivan.fail(ivan.next(), "device", "DeviceError", "an illegal address", devices=["GPU-i"])
    m.post(f"/v1/batches/{batch}/cancel")
    m.finished(batch)
    ivan.goodbye()


def _device(m, gina, device):
    found = m.get(f"/v1/devices?worker={gina.worker}")["items"]
    return next(row for row in found if row["id"] == device)["quarantined"]


def held_at_work(m):
    """A worker that holds attempts when the server ends: some run, and some wait there."""
    hilda = puppet(m, "hilda", "hilda", prefetch=2, cpus=2000, named={"licence": 1000})
    retry = {"attempts": 3, "backoff": "1s"}
    stage = mimed("hold", retry, "hilda", resources={"cpus": 1000}, timeout="1day")
    batch, ids = m.submit(stages=[stage], name="at work", range={"brace": "{1..6}"})
    runs = [hilda.next() for _ in range(4)]
    m.post(f"/v1/jobs/{ids[1]}/cancel")
    hilda.until_stopped(runs[1])
    return hilda, runs, batch


def left_over(m):
    """What is not done at the end: queued, scheduled, blocked, retrying; open batches."""
    idle = sh("echo \"$1\"", requires={"site": "nowhere"})
    add = lambda name, **more: m.submit(stages=[idle], name=name, **more)  # noqa: E731
    add("queued", jobs=[{"input": "x", "priority": 9}, {"input": "y"}], priority=2, key="wednesday")
    add("queued in the attic", project="attic", jobs=[{"input": "x", "key": "attic-1"}])
    add("queued range", range={"brace": "{left,right}-{1..3}"}, jobs=jobs("before"))
    add("scheduled", jobs=jobs("x"), range={"brace": "{a,b}"}, terms={"start_at": FAR})
    ends = {"expires_at": "2100-06-01T00:00:00Z", "deadline": "2101-01-01T00:00:00Z"}
    times = {"start_at": FAR, **ends}
    _, ids = add("scheduled with an end", jobs=jobs("x", "y"), terms=times)
    m.post(f"/v1/jobs/{ids[1]}/cancel")
    batch, ids = add("held", jobs=jobs("x", "y"), terms={"hold": True, "limit_key": "user:ada"})
    m.post(f"/v1/jobs/{ids[0]}/hold")
    opened, _ = add("open", jobs=jobs("x"), open=True, labels={"user": "ada"})
    m.post(f"/v1/batches/{opened}/jobs", jobs("appended"))
    m.post(f"/v1/batches/{opened}/jobs", {"range": {"numbers": {"first": 1, "last": 3}}})
    add("empty and open", open=True)
    closed, _ = add("closed later", jobs=jobs("x"), open=True)
    m.post(f"/v1/batches/{closed}/jobs?close=true", jobs("y"))
    after = [{"on": opened, "when": "finished"}, {"on": ids[0]}]
    waits = {"after": after, "callback": "http://127.0.0.1:9/never"}
    add("waits for others", jobs=jobs("x"), range={"brace": "{u,v}"}, terms=waits)
    mime = puppet(m)
    far = {"attempts": 5, "backoff": AGES, "max_backoff": AGES, "jitter_percent": 0}
    m.submit(stages=[mimed(retry=far)], name="retrying", jobs=jobs("x", "y"))
    for message in ("not today", "nor tomorrow"):
        mime.fail(mime.next(), "failed", "exit_status", message, exit_code=75)
    mime.goodbye()
    if "brace" in m.notes:
        m.post(f"/v1/batches/{m.notes['brace']}/release")


def declared(m):
    """Workers that may join. They come last: from then on what would fit nobody is refused."""
    gpu = {"id": "GPU-9", "kind": "gpu", "vram": 80 << 30, "name": "Golden 80", "slots": 4}
    if m.protocol < 3:
        gpu = {name: gpu[name] for name in ("id", "kind", "vram")}
    shape = {
        "cpus": 32_000, "memory": 128 << 30, "devices": [gpu], "named": {"licence": 3000},
        "labels": {"site": "nowhere"}, "shared_disk": True,
    }  # fmt: skip
    m.put("/v1/declared-workers/big-1", {**shape, "cpus": 16_000})
    m.put("/v1/declared-workers/big-1", shape)
    m.put("/v1/declared-workers/small-1", {"cpus": 1000, "handlers": ["command"]})
    m.put("/v1/declared-workers/gone-1", {"cpus": 1000})
    m.want("DELETE", "/v1/declared-workers/gone-1")
