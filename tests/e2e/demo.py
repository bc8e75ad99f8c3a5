#!/usr/bin/python3
"""Shows sockhost at work, and fails when anything that it shows is not true.

usage: demo.py BIN_DIR, the folder with sockhostd and sockctl (`./dev demo` builds and calls it)
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import demo_traffic

START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 15
COUNTERS_TIMEOUT_S = 5
# A process that crashes closes its sockets a moment before it can be waited for.
OBITUARY_WAIT_S = 0.5
WATCH_UPDATES = 4
WATCH_TIMEOUT_S = 30


class DemoFailed(Exception):
    """Something did not work; the text says what."""


class Host:
    """One sockhostd on a private admin socket, and sockctl speaking to it."""

    def __init__(self, bin_dir, folder):
        self.admin = f"unix:{folder}/admin.sock"
        self._sockctl = [bin_dir / "sockctl", "--host", self.admin]
        self._log = folder / "sockhostd.log"
        # A session of its own: Ctrl-C reaches the demo alone, which then stops the daemon in order.
        self.process = subprocess.Popen(
            [bin_dir / "sockhostd", "--admin", self.admin],
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_until_serving(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._run("health", check=False).returncode != 0:
            if self.process.poll() is not None:
                raise DemoFailed("sockhostd did not start")
            if time.monotonic() > deadline:
                raise DemoFailed(f"not healthy after {START_TIMEOUT_S} s:\n{self.log()}")
            time.sleep(0.05)

    def show(self, *arguments, timeout_s=START_TIMEOUT_S):
        """Runs sockctl for the reader: its command line, then what it prints."""
        print(f"\n$ sockctl {' '.join(arguments)}", flush=True)
        self._run(*arguments, timeout=timeout_s)

    def query(self, *arguments):
        """Runs sockctl for the demo itself: the parsed JSON."""
        return json.loads(self._run("-o", "json", *arguments, stdout=subprocess.PIPE).stdout)

    def create_listener(self, name, service, address):
        command = ["listener", "create", name, "--service", service]
        command += ["--address", address, "--label", "env=demo"]
        print(f"$ sockctl {' '.join(command)}", flush=True)
        return self.query(*command)["effectiveAddress"]

    def stop(self):
        """Stops in order; a daemon that must be killed or exits with an error is a failure."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"sockhostd still ran {STOP_TIMEOUT_S} s after SIGTERM") from None
        if code != 0:
            raise DemoFailed("SIGTERM did not end sockhostd in order")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def obituary(self):
        """Why a failure may be the daemon's: empty while it lives."""
        try:
            code = self.process.wait(OBITUARY_WAIT_S)
        except subprocess.TimeoutExpired:
            return ""
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return f"\nsockhostd had ended with {how}; its log:\n{self.log()}"

    def log(self):
        return self._log.read_text(errors="replace")[-4000:]

    def _run(self, *arguments, check=True, **options):
        if not check:
            options |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        options.setdefault("timeout", START_TIMEOUT_S)
        command = f"sockctl {' '.join(arguments)}"
        try:
            result = subprocess.run([*self._sockctl, *arguments], check=False, **options)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{command}: no end after {options['timeout']} s") from None
        if check and result.returncode != 0:
            raise DemoFailed(f"{command}: exit code {result.returncode}")
        return result


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def create_listeners(host):
    """Returns {listener name: address with the port that it got}."""
    wanted = {
        "web-echo": ("echo", "tcp://127.0.0.1:0"),
        "udp-echo": ("echo", "udp://127.0.0.1:0"),
        "sink": ("discard", "tcp://127.0.0.1:0"),
    }
    if has_ipv6():
        wanted["v6-echo"] = ("echo", "tcp://[::1]:0")
    return {name: host.create_listener(name, *what) for name, what in wanted.items()}


def start_traffic(addresses):
    traffic = demo_traffic.Traffic()
    for name, address in addresses.items():
        traffic.add(address, peers=3 if name == "web-echo" else 1, echo=name != "sink")
    return traffic


def check_sockets(host, addresses):
    """Every socket that is listed is one of the daemon's open sockets; every listener has one."""
    sockets = host.query("socket", "list")["sockets"]
    for listed in sockets:
        try:
            link = os.readlink(f"/proc/{host.process.pid}/fd/{listed['fd']}")
        except FileNotFoundError:
            link = "nothing"
        if not link.startswith("socket:"):
            raise DemoFailed(f"{listed['name']}: fd {listed['fd']} is {link}, not a socket")
    missing = set(addresses.values()) - {listed["localAddress"] for listed in sockets}
    if missing:
        raise DemoFailed(f"no socket is listed for {', '.join(sorted(missing))}")


def check_counters(host, addresses, traffic):
    """Compares what the listeners counted with what was sent, byte for byte."""
    print("\nSent by the demo, and counted by sockhostd:")
    for name, address in addresses.items():
        sent = traffic.totals[address]
        counted = wait_for_bytes(host, name, sent.sent_bytes, sent.echoed_bytes)
        if counted != (sent.sent_bytes, sent.echoed_bytes):
            raise DemoFailed(
                f"{name}: counters say {counted[0]} bytes received and {counted[1]} sent,"
                f" the clients sent {sent.sent_bytes} and got {sent.echoed_bytes}"
            )
        print(
            f"  {name:<9} {sent.messages:>6} messages {sent.sent_bytes:>9} bytes"
            f" = {counted[0]:>9} received, {counted[1]:>9} echoed"
        )


def wait_for_bytes(host, name, received, transmitted):
    """Returns the listener's (received, transmitted) bytes, at the latest after a deadline.

    The last bytes of a client that closed may still be on their way to the service thread.
    """
    deadline = time.monotonic() + COUNTERS_TIMEOUT_S
    while True:
        counters = host.query("listener", "get", name).get("counters", {})
        counted = int(counters.get("receiveBytes", 0)), int(counters.get("transmitBytes", 0))
        if counted == (received, transmitted) or time.monotonic() > deadline:
            return counted
        time.sleep(0.05)


def print_next_steps(bin_dir):
    bin_dir = os.path.relpath(bin_dir)
    print(
        f"""
Every answer was compared, every counter agrees, sockhostd stopped in order. By hand:

  export PATH=$PWD/{bin_dir}:$PATH
  export SOCKHOST_ADMIN=unix:/tmp/sockhost.sock SOCKCTL_HOST=unix:/tmp/sockhost.sock
  sockhostd & sleep 1
  sockctl listener create my-echo --service echo --address tcp://127.0.0.1:7007
  sockctl watch --interval 1s
  {os.path.relpath(demo_traffic.__file__)} --seconds 10 tcp://127.0.0.1:7007
  kill %1"""
    )


def show(bin_dir, folder):
    host = Host(bin_dir, folder)
    try:
        host.wait_until_serving()
        addresses = create_listeners(host)
        traffic = start_traffic(addresses)
        with contextlib.ExitStack() as stop_traffic:
            stop_traffic.callback(traffic.stop)
            host.show("listener", "list")
            host.show("socket", "list")
            check_sockets(host, addresses)
            watch = ["watch", "--interval", "1s", "--count", str(WATCH_UPDATES)]
            host.show(*watch, timeout_s=WATCH_TIMEOUT_S)
        check_counters(host, addresses, traffic)
        host.stop()
    except (DemoFailed, demo_traffic.WrongAnswer) as error:
        raise DemoFailed(f"{error}{host.obituary()}") from None
    finally:
        host.kill()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    # So that an end from outside runs the clean-up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with tempfile.TemporaryDirectory(prefix="sockhost-demo.") as folder:
            show(bin_dir, pathlib.Path(folder))
    except KeyboardInterrupt:
        print("\ndemo: interrupted; sockhostd is stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except (DemoFailed, demo_traffic.WrongAnswer, OSError) as error:
        sys.exit(f"\ndemo: FAILED: {error}")
    print_next_steps(bin_dir)


if __name__ == "__main__":
    main()
