"""The servers that bench.py measures: each a child process on a core of its own."""

import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 10


class ServerFailed(Exception):
    """A server did not start; the text says which and why."""


def fd_limit():
    """Raises this process's limit of open files, which its children inherit, and returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server:
    """A child process that dies with this one. `ports` maps "tcp" and "udp" to its ports."""

    def __init__(self, name, command, core, **options):
        self.name = name
        self.ports = {}
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(core), *command],
            **options,
        )

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def anonymous_memory(self):
        """Bytes of memory of its own: neither files nor what it shares."""
        rollup = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)[1]) * 1024


class PortPrinter(Server):
    """A server that prints the one port it serves."""

    def __init__(self, name, command, core):
        super().__init__(name, command, core, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise ServerFailed(f"{command[0]} did not start")
        self.ports = {"tcp": int(line), "udp": int(line)}


class Sockhostd(Server):
    """sockhostd with its echo service on one TCP and one UDP port."""

    def __init__(self, bin_dir, folder, core):
        admin = f"unix:{folder}/admin.sock"
        log = (pathlib.Path(folder) / "sockhostd.log").open("wb")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SOCKHOST_")}
        super().__init__(
            "sockhost",
            [str(bin_dir / "sockhostd"), "--admin", admin],
            core,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self._sockctl = [str(bin_dir / "sockctl"), "--host", admin, "-o", "json"]
        try:
            self._wait_until_serving()
            self.ports["tcp"] = self.create("tcp-echo", "tcp", "--service", "echo")
            # The guard is on; only its rate is above what one client can send.
            rate = ("--udp-peer-reply-rate", str(1_000_000_000))
            self.ports["udp"] = self.create("udp-echo", "udp", "--service", "echo", *rate)
        except BaseException:
            self.stop()
            raise

    def _wait_until_serving(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._call("health").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed("sockhostd did not start")
            time.sleep(0.05)

    def create(self, name, protocol, *flags):
        """Creates a listener on 127.0.0.1 and returns its port."""
        command = ["listener", "create", name, *flags]
        created = self._call(*command, "--address", f"{protocol}://127.0.0.1:0")
        if created.returncode != 0:
            raise ServerFailed(f"sockctl: {created.stderr}")
        return int(json.loads(created.stdout)["effectiveAddress"].rpartition(":")[2])

    def _call(self, *arguments):
        return subprocess.run(
            [*self._sockctl, *arguments], capture_output=True, text=True, timeout=10, check=False
        )


def memory_per_connection(server, connections):
    """Bytes of its own that `server` needs for each idle connection."""

    def grow(sockets, count):
        while len(sockets) < count:
            sockets.append(socket.create_connection(("127.0.0.1", server.ports["tcp"])))
        # The last one is served when its echo is back: so were all before it.
        sockets[-1].sendall(b"x")
        if sockets[-1].recv(1) != b"x":
            raise ServerFailed(f"{server.name} does not echo")
        return server.anonymous_memory()

    sockets = []
    try:
        # Without what is only allocated once.
        first = connections // 10
        before = grow(sockets, first)
        return (grow(sockets, connections) - before) / (connections - first)
    finally:
        for each in sockets:
            each.close()
