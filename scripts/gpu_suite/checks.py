"""The checks, one function each: what is claimed, and what was seen. `behaviour` names the duties
of who hands out GPUs by their numbers in the project's notes on them: identity 1 to 4, locks 5 to
8, truth 9 to 11, processes 12 to 20."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

import graph
from mill import Mill, Refused, failure, value

MIB, GIB = 1 << 20, 1 << 30


class Outcome(NamedTuple):
    word: str
    evidence: str


def held(evidence):
    return Outcome("held", evidence)


def failed(evidence):
    return Outcome("failed", evidence)


def skipped(evidence):
    return Outcome("skipped", evidence)


def holds(is_so, evidence):
    return held(evidence) if is_so else failed(evidence)


class Check(NamedTuple):
    name: str
    behaviour: str
    claim: str
    limit_s: int
    look: Callable


ALL = []


def check(name, behaviour, claim, limit_s=30):
    def keep(look):
        ALL.append(Check(name, behaviour, claim, limit_s, look))
        return look

    return keep


def gpu_of(tools):
    """The GPU that the checks use: the first that may be used."""
    gpus = [gpu for gpu in tools.devices()["gpus"] if not gpu.get("unusable")]
    if not gpus:
        raise Refused("gristmill finds no GPU that may be used")
    return gpus[0]["uuid"]


def smi(tools, *fields):
    """Rows of nvidia-smi's, or nothing where it is not there."""
    query = f"--query-gpu={','.join(fields)}"
    status, out, _ = tools.run("nvidia-smi", query, "--format=csv,noheader,nounits")
    return None if status else [row.split(", ") for row in out.strip().splitlines()]


def others(tools):
    """Keeps the suite on one GPU where there are several."""
    gpus = tools.devices()["gpus"]
    return [word for gpu in gpus[1:] for word in ("--exclude-gpu", gpu["uuid"])]


@contextlib.contextmanager
def one_gpu(tools, until, *handlers, options=()):
    """A server and a worker that has one GPU."""
    with Mill(tools, until) as here:
        here.work(*handlers, options=(*others(tools), *options))
        yield here


@check("uuids", "1, 2", "devices are listed by the UUIDs that nvidia-smi gives")
def uuids(tools, _until):
    ours = sorted(gpu["uuid"] for gpu in tools.devices()["gpus"])
    rows = smi(tools, "uuid")
    if rows is None:
        status, out, _ = tools.cuda("look")
        theirs, whose = sorted(json.loads(out)) if status == 0 else [], "CUDA"
    else:
        theirs, whose = sorted(row[0] for row in rows), "nvidia-smi"
    return holds(ours == theirs and ours, f"gristmill: {ours}; {whose}: {theirs}")


@check("inventory", "1, 19", "the inventory has driver, PCI address, memory, power and slowdowns")
def inventory(tools, _until):
    found = tools.devices()
    gpu = found["gpus"][0]
    sample = gpu["sample"] or {}
    rows = smi(tools, "uuid", "pci.bus_id", "memory.total")
    told = {"driver": found["driver"], "cuda": found["cuda"], "bus": gpu.get("bus"), **sample}
    told.pop("processes", None)
    same = rows is None or any(row[1].lower()[-12:] == str(gpu.get("bus")).lower()[-12:]
                               for row in rows)
    return holds(found["driver"] and sample.get("memory") and same, f"{told}; nvidia-smi: {rows}")


@check("lock", "5", "a second worker does not get the GPU; after kill -9 of the first one does", 40)
def lock(tools, until):
    with Mill(tools, until) as here:
        only = others(tools)
        first = here.work("where", name="first", options=only)
        here.work("outside", name="second", options=only)
        second = here.worker("second")["capacity"]["devices"]
        said = [line for line in here.said("second").splitlines() if "in use" in line]
        here.end(first, signal.SIGKILL)
        killed = time.monotonic()
        here.work("where", name="third", options=only)
        third = here.worker("third")["capacity"]["devices"]
        took = time.monotonic() - killed
        ran = here.call("where")
    evidence = (f"second had {second or 'none'} and said {said[:1]}; a third had "
                f"{[device['id'] for device in third]} {took:.1f} s after the kill and ran a job "
                f"on {ran['uuids']}")
    return holds(not second and said and third, evidence)


@check("visible", "4", "a session sees its GPU by UUID and no other, confirmed by cuDeviceGetUuid")
def visible(tools, until):
    uuid = gpu_of(tools)
    with one_gpu(tools, until, "where") as here:
        job = here.wait(here.submit("where"))
        devices = here.attempts(job["id"])[-1]["devices"]
    if job["state"] != "succeeded":
        return failed(failure(job))
    told = value(job)
    right = told["uuids"] == [uuid] == devices and told["CUDA_VISIBLE_DEVICES"] == uuid
    return holds(right and told["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID", f"{told}; API: {devices}")


@check("outside", "4, 17", "a session that asked for no GPU sees none")
def outside(tools, until):
    with one_gpu(tools, until, "outside") as here:
        said = here.call("outside")
    return holds(not said.startswith("it sees"), said)


@check("foreign", "9, 10", "somebody else's program is noticed and named, and waited for", 50)
def foreign(tools, until):
    with one_gpu(tools, until, "where") as here:
        cold = here.call("where")["pid"]
        stranger = here.spawn([tools.python, "-B", "cuda_driver.py", "hold", 4 * GIB], "stranger",
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if stranger.stdout.readline() != b"ready\n":
            return failed(f"the stranger got no memory: {here.said('stranger')}")
        time.sleep(5)  # the worker looks every two seconds
        job = here.submit("where")
        said = here.await_("a reason", lambda: "others use it" in (why := here.why(job)) and why,
                           seconds=10)
        here.end(stranger)
        left = time.monotonic()
        done = here.wait(job, 30)
        took = time.monotonic() - left
    named = "cuda_driver" in said or str(stranger.pid) in said
    evidence = f"while it was there: {said}; {took:.1f} s after it left the job {done['state']}"
    evidence += "" if named else " (not named: a container does not tell whose process it is)"
    return holds(done["state"] == "succeeded" and cold, evidence)


@check("never", "11", "a job that fits no GPU is told so at once")
def never(tools, until):
    with one_gpu(tools, until, "vast") as here:
        try:
            job = here.submit("vast")
        except Refused as refusal:
            return held(f"refused: {refusal}")
        return holds("TiB" in (why := here.why(job)) or "never" in why, why)


@check("vram", "12", "memory of a session that was killed comes back, and is used again", 40)
def vram(tools, until):
    uuid = gpu_of(tools)
    with one_gpu(tools, until, "Whole") as here:
        before = tools.used(uuid)
        pid = here.call("Whole")["pid"]
        # Both wait a little: what is shown may lag behind what is.
        during = here.await_("memory in use", lambda: (used := tools.used(uuid)) >= before + GIB
                             and used, seconds=5)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        here.await_("memory to return", lambda: tools.used(uuid) < before + 256 * MIB, seconds=30)
        took = time.monotonic() - killed
        again = here.call("Whole")["pid"]
    evidence = (f"{before >> 20} MiB before, {during >> 20} while hot, back {took:.2f} s after "
                f"kill -9 of pid {pid}; the next call ran in pid {again}")
    return holds(again != pid, evidence)


@check("killed", "12, 14", "a job whose session is killed under it runs again in a new session", 40)
def killed(tools, until):
    with one_gpu(tools, until, "Whole") as here:
        pid = here.call("Whole")["pid"]
        job = here.submit("Whole", seconds=3.0)
        here.await_("the call", lambda: here.ask("GET", f"/v1/jobs/{job}")["started_at"])
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        since = time.monotonic()
        here.await_("another attempt", lambda: len(here.attempts(job)) > 1, seconds=20)
        took = time.monotonic() - since
        done = here.wait(job)
        tries = [each["state"] for each in here.attempts(job)]
    if done["state"] != "succeeded":
        return failed(failure(done))
    return holds(len(tries) == 2 and value(done)["pid"] != pid,
                 f"attempts: {tries}, the second {took:.1f} s after the kill; first in pid {pid}, "
                 f"then in {value(done)['pid']}")


@check("oom", "13", "out of memory is an outcome of its own: tried again alone, then failed "
       "with figures", 40)
def oom(tools, until):
    with one_gpu(tools, until, "greedy", "where") as here:
        job = here.wait(here.submit("greedy"))
        tries = here.attempts(job["id"])
        worker = here.worker("one")
        after = here.call("where")
    kinds = [(each.get("failure") or {}).get("kind") for each in tries]
    message = (job.get("failure") or {}).get("message", "")
    right = kinds == ["out_of_memory"] * 2 and "MiB" in message and after
    return holds(right, f"{failure(job)}; attempts: {kinds}; the worker is {worker['state']}")


@check("sticky", "14", "an error that breaks CUDA ends the session and not the worker", 40)
def sticky(tools, until):
    with one_gpu(tools, until, "sticky") as here:
        first = here.call("sticky")
        broken = here.wait(here.submit("sticky", break_it=True))
        after = here.call("sticky")
        worker = here.worker("one")
    kind = (broken.get("failure") or {}).get("kind")
    evidence = (f"{failure(broken)}; session pid {first['pid']}, afterwards {after['pid']}; "
                f"the worker is {worker['state']}")
    return holds(kind == "device" and after["pid"] != first["pid"], evidence)


@check("hung", "18", "a session that has gone silent is ended, and its memory is back", 60)
def hung(tools, until):
    uuid = gpu_of(tools)
    with one_gpu(tools, until, "silent", options=("--hang-timeout", "4s")) as here:
        before = tools.used(uuid)
        first = here.call("silent")
        job = here.wait(here.submit("silent", hang=True), 40)
        after = here.call("silent")
        worker = here.worker("one")
    evidence = (f"{failure(job)}; session pid {first['pid']}, afterwards {after['pid']}; "
                f"{before >> 20} MiB before; the worker is {worker['state']}")
    return holds("hung" in failure(job) and after["pid"] != first["pid"], evidence)


@check("stdout", "18", "what an application prints does not get into the protocol")
def stdout(tools, until):
    with one_gpu(tools, until, "noisy") as here:
        said = here.call("noisy")
    return holds(said == "fine", f"the result is {said!r}")


def timed(here, pipeline):
    started = time.monotonic()
    told = here.call(pipeline)
    return told["pid"], (time.monotonic() - started) * 1e3


@check("hot", "15, 16", "a session stays hot between calls")
def hot(tools, until):
    with one_gpu(tools, until, "Whole") as here:
        cold = timed(here, "Whole")
        calls = [timed(here, "Whole") for _ in range(50)]
    pids, times = {pid for pid, _ in calls}, sorted(ms for _, ms in calls)
    return holds(pids == {cold[0]}, f"first call {cold[1]:.0f} ms, then 50 in one process: "
                 f"median {times[25]:.1f} ms, slowest {times[-1]:.1f} ms")


@check("swap", "15", "where two want the whole GPU one leaves it, process and memory", 60)
def swap(tools, until):
    with one_gpu(tools, until, "Whole", "Other") as here:
        first = timed(here, "Whole")
        turns = []
        for name in ("Other", "Whole", "Other"):
            turns.append(timed(here, name))
        gone = not os.path.exists(f"/proc/{first[0]}")
    costs = ", ".join(f"{ms:.0f} ms" for _, ms in turns)
    return holds(gone and len({pid for pid, _ in [first, *turns]}) == 4,
                 f"first load {first[1]:.0f} ms; swaps {costs}; the first process is "
                 f"{'gone' if gone else 'still there'}")


@check("share", "7", "two handlers share one GPU by the memory that they book", 40)
def share(tools, until):
    with one_gpu(tools, until, "Left", "Right", options=("--session-cpus", "0.5")) as here:
        here.call("Left")
        here.call("Right")
        started = time.monotonic()
        jobs = [here.submit(name, seconds=2.0) for name in ("Left", "Right")]
        ends = [here.wait(job) for job in jobs]
        took = time.monotonic() - started
    if any(job["state"] != "succeeded" for job in ends):
        return failed("; ".join(failure(job) for job in ends))
    left, right = (value(job) for job in ends)
    same = left["uuids"] == right["uuids"] and left["pid"] != right["pid"]
    return holds(same and took < 3.5, f"two calls of 2 s took {took:.1f} s together, in processes "
                 f"{left['pid']} and {right['pid']} on {left['uuids']}")


@check("measured", "7, 15", "what a session really takes replaces what its author guessed", 40)
def measured(tools, until):
    with one_gpu(tools, until, "Modest") as here:
        here.call("Modest")
        try:
            sessions = here.await_("the sessions' memory", lambda: [
                each for each in here.ask("GET", "/v1/sessions")["items"] if each.get("vram")],
                seconds=10)
        except Refused as refusal:
            return skipped(f"this binary does not show sessions ({refusal})")
    taken = sessions[0]["vram"]
    return holds(taken >= 3 * GIB, f"its author said 1 GiB, it takes {taken / GIB:.2f} GiB")


@check("samples", "9, 19", "how busy a GPU is and how much of it is used arrives in the API", 40)
def samples(tools, until):
    with one_gpu(tools, until, "Whole") as here:
        job = here.submit("Whole", seconds=8.0)
        try:
            busy = here.await_("a sample of a busy GPU", lambda: [
                each["sample"] for each in here.ask("GET", "/v1/devices")["items"]
                if (each.get("sample") or {}).get("utilisation")], seconds=12)
        except Refused as refusal:
            return skipped(f"this binary does not show devices ({refusal})")
        here.wait(job)
    return held(f"{busy[0]}")


@check("torch", "4, 13, 18", "the same as a user of torch sees it: its GPU, and out of memory", 60)
def torch(tools, until):
    status, _, _ = tools.run(tools.python, "-c", "import torch; torch.cuda.init()")
    if status:
        return skipped("torch with CUDA is not here")
    uuid = gpu_of(tools)
    with one_gpu(tools, until, "Torch") as here:
        told = here.call("Torch", 50)
        greedy = here.wait(here.submit("Torch", greedy=True))
        again = here.call("Torch")
    kind = (greedy.get("failure") or {}).get("kind")
    return holds(told["uuids"] == [uuid] and kind == "out_of_memory" and again,
                 f"{told}; {failure(greedy)}")


@check("onnx", "17", "an ONNX model runs on the GPU, and says so where it cannot", 60)
def onnx(tools, until):
    ask = "import onnxruntime as o; print(o.__file__, *o.get_available_providers())"
    status, out, _ = tools.run(tools.python, "-c", ask)
    if status or "CUDAExecutionProvider" not in out:
        return skipped("onnxruntime-gpu is not here")
    runtime = os.path.join(os.path.dirname(out.split()[0]), "capi")
    with Mill(tools, until) as here:
        model = here.folder / "double.onnx"
        model.write_bytes(graph.double())
        options = [*others(tools), "--onnx", model, "--onnx-runtime", runtime, "--gpu", "1"]
        here.work(options=options)
        job = here.wait(here.submit("double", x=[[1.0, 2.0]]))
        devices = here.attempts(job["id"])[-1]["devices"]
    return holds(job["state"] == "succeeded" and devices,
                 f"{value(job) if job['state'] == 'succeeded' else failure(job)} on {devices}")


@check("several", "7", "a session of two GPUs gets both or none", 40)
def several(tools, until):
    gpus = [gpu["uuid"] for gpu in tools.devices()["gpus"]]
    if len(gpus) < 2:
        return skipped(f"{len(gpus)} GPU here")
    with Mill(tools, until) as here:
        here.work("where", options=["--gpu", "2"])
        told = here.call("where")
    return holds(len(set(told["uuids"])) == 2 and set(told["uuids"]) <= set(gpus), f"{told}")


@check("mig", "3", "with MIG on the instances are devices and the GPU is not")
def mig(tools, _until):
    rows = smi(tools, "mig.mode.current")
    if not rows or all("Enabled" not in row[0] for row in rows):
        return skipped("no GPU here is in MIG mode, and the suite sets none")
    found = [gpu["uuid"] for gpu in tools.devices()["gpus"] if not gpu.get("unusable")]
    return holds(found and all(uuid.startswith("MIG-") for uuid in found), f"{found}")


@check("mode", "8", "the compute mode is honoured and never set")
def mode(tools, _until):
    rows = smi(tools, "compute_mode")
    if not rows:
        return skipped("nvidia-smi is not here")
    if all(row[0] == "Default" for row in rows):
        return skipped("all GPUs are in mode Default, which bounds nothing; the suite sets none")
    found = [(gpu["uuid"], gpu.get("slots"), gpu.get("unusable"))
             for gpu in tools.devices()["gpus"]]
    return holds(all(slots == 1 or why for _, slots, why in found), f"{rows}: {found}")


# Kept from the table on purpose: fencing of late results (6) is the simulator's, which can lose a
# server at any moment; the fair share of the host's cores (20) is booked as for every other job.
