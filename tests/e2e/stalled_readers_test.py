"""Readers that stop: they cost little, are cut off, and slow nobody."""

import json
import pathlib
import signal
import subprocess
import sys
import unittest

import daemon
from daemon_test_case import DaemonTestCase

WATCHERS = pathlib.Path(__file__).parent / "watchers.py"
PROCESSES = 8
SOCKETS = 1000
# The contract: 64 KiB for each stream, and the message in flight.
MOST_BYTES_PER_READER = (64 + 256) * 1024


class Watchers:
    """A process with several watches, each on its own connection."""

    def __init__(self, test, address, count):
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(WATCHERS), address, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        test.addCleanup(self._close)

    def state(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def signal(self, number):
        self._process.send_signal(number)

    def _close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class StalledReadersTest(DaemonTestCase):
    """200 watches, of which half stop."""

    READERS = 200
    flags = ("--admin", "tcp://127.0.0.1:0", "--insecure-tcp")

    def setUp(self):
        super().setUp()
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        for _ in range(SOCKETS):
            self.connect(address)
        self.eventually(lambda: self.admin.host().sockets.used, SOCKETS + 1)

    def check(self, address):
        each = self.READERS // PROCESSES
        watchers = [Watchers(self, address, each) for _ in range(PROCESSES)]
        half = PROCESSES // 2
        stopped, healthy = watchers[:half], watchers[half:]
        for some in watchers:
            daemon.eventually(lambda: min(some.state()["taken"]), lambda taken: taken > 2, "messages")
        memory = [self.daemon.anonymous_memory()]
        for some in stopped:
            some.signal(signal.SIGSTOP)

        def watches_left():
            memory.append(self.daemon.anonymous_memory())
            return self.admin.host().watches.used

        # Cut off, with their connections: nobody has to come back for that.
        self.eventually(watches_left, half * each)
        growth = (max(memory) - memory[0]) / (half * each)
        print(f"own memory per stalled reader: {growth:.0f} bytes", flush=True)
        if not daemon.SANITIZERS:
            self.assertLess(growth, MOST_BYTES_PER_READER)
        # The others go on, all of them.
        for some in healthy:
            taken = some.state()["taken"]
            daemon.eventually(
                lambda: min(now - then for now, then in zip(some.state()["taken"], taken)),
                lambda more: more > 2,
                "messages",
            )
            self.assertEqual(some.state()["ended"], 0)
        for some in stopped:
            some.signal(signal.SIGCONT)
            self.eventually(lambda: some.state()["ended"], each)

    def test_unix(self):
        self.check(self.daemon.address)

    def test_tcp(self):
        (address,) = [a for a in self.admin.host().admin_addresses if a.startswith("tcp://")]
        self.check(address)


if __name__ == "__main__":
    unittest.main()
