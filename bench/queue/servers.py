"""The stores behind the peers: Redis, PostgreSQL and beanstalkd, fresh for every measurement.

Each listens on a free loopback port with its data in the measurement's folder, in one of two
settings. `fsync`: what is acknowledged is on the disk. `lazy`: the system's own setting that syncs
behind the acknowledgement, up to about a second late. Every process that is started here or by
run.py is held by Processes, which ends exactly these.
"""

import contextlib
import ctypes
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time

from provision import Missing, gist, quiet

PATIENCE_S = 30
GRACE_S = 5
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


class Processes:
    """Processes with a group of their own, so that what they start ends with them."""

    def __init__(self):
        self.running = []

    def start(self, command, **settings):
        # Should this script be killed outright, the kernel ends them.
        die_with_us = lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=die_with_us, **settings)
        self.running.append(process)
        return process

    def stop(self, process, sig=signal.SIGINT):
        """Asks its group to end, waits a little, then ends it."""
        end(process, sig)
        process.wait()
        self.running.remove(process)

    def stop_all(self):
        for process in list(self.running):
            self.stop(process)


def ended(process, within_s=0.0):
    """Whether it has ended. It is not reaped: its id stays its own, and its group's, until then."""
    until = time.monotonic() + within_s
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, process.pid, how) is None:
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
    return True


def end(process, sig):
    """Ends the group of a process that nobody has reaped yet."""
    if not ended(process):
        os.killpg(process.pid, sig)
        ended(process, GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def free_port():
    """A port where nobody listens. Somebody may take it before we do; then the server says so."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(process, port, log):
    """Until somebody listens there."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if ended(process):
            break
        time.sleep(0.02)
    said = gist(pathlib.Path(log).read_text(errors="replace"))
    raise Missing(f"{pathlib.Path(process.args[0]).name} did not come up: {said}")


@contextlib.contextmanager
def serve(processes, command, port, folder, sig=signal.SIGTERM, **settings):
    log = folder / "server.log"
    with open(log, "wb") as said:
        process = processes.start(command, stdout=said, stderr=subprocess.STDOUT, **settings)
    try:
        await_port(process, port, log)
        yield
    finally:
        if process in processes.running:
            processes.stop(process, sig)


@contextlib.contextmanager
def redis(kit, processes, folder, fsync):
    """The append-only file on; never rewritten during a measurement, and no snapshots."""
    program, port = kit.program("redis-server", "redis-server"), free_port()
    command = [program, "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
               "--appendonly", "yes", "--appendfsync", "always" if fsync else "everysec",
               "--auto-aof-rewrite-percentage", "0", "--tcp-backlog", "511"]
    with serve(processes, command, port, folder, signal.SIGKILL, env=kit.environment()):
        yield {"port": port, "programs": str(program.parent)}


@contextlib.contextmanager
def beanstalkd(kit, processes, folder, fsync):
    program, port = kit.program("beanstalkd", "beanstalkd"), free_port()
    sync = "-f0" if fsync else "-f1000"
    command = [program, "-l", "127.0.0.1", "-p", port, "-b", folder, sync]
    with serve(processes, command, port, folder, env=kit.environment()):
        yield {"port": port}


# What a machine of its own would be given: memory, room between checkpoints, no replicas.
POSTGRES = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "30min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_buffers": "64MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def owner():
    """PostgreSQL refuses to be root; then it is its own user, or nobody."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Missing("PostgreSQL refuses to run as root, and there is neither `postgres` nor `nobody`")


def cluster(kit, folder):
    """A fresh database cluster: made once a run, copied for each measurement. Its password."""
    template, said = folder.parent / "postgres-template", folder.parent / "postgres-password"
    who = owner()
    if not template.exists():
        said.write_text(secrets.token_hex(16))
        template.mkdir(mode=0o700)
        if who:
            for path in (said, template):
                os.chown(path, who["user"], who["group"])
        said.chmod(0o600)
        quiet(kit.postgres() / "initdb", "-D", template, "-U", "bench", "--auth=scram-sha-256",
              f"--pwfile={said}", "-E", "UTF8", "--locale=C", env=kit.environment(), cwd="/", **who)
    data = folder / "data"
    quiet("cp", "-a", template, data)
    return data, said.read_text(), who


@contextlib.contextmanager
def postgres(kit, processes, folder, fsync):
    programs, port = kit.postgres(), free_port()
    data, password, who = cluster(kit, folder)
    chosen = {**POSTGRES, "port": port, "synchronous_commit": "on" if fsync else "off"}
    command = [programs / "postgres", "-D", data]
    for name, value in chosen.items():
        command += ["-c", f"{name}={value}"]
    # SIGQUIT: at once, without a checkpoint; the data is thrown away.
    settings = {"env": kit.environment(), "cwd": "/", **who}
    with serve(processes, command, port, folder, signal.SIGQUIT, **settings):
        url = f"postgres://bench:{password}@127.0.0.1:{port}/postgres"
        yield {"url": url, "programs": str(programs)}


@contextlib.contextmanager
def none(_kit, _processes, _folder, _fsync):
    """For systems that bring their own server."""
    yield {}


@contextlib.contextmanager
def folder_for(run, name):
    """The measurement's folder, which every server's user may enter; gone afterwards."""
    folder = run / name.replace("/", "-")
    folder.mkdir()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
