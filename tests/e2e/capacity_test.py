"""How much one daemon holds: 1000 listeners, 10 000 connections, and what they cost."""

import pathlib
import resource
import subprocess
import sys
import unittest

import daemon
import peers
from daemon_test_case import DaemonTestCase

LISTENERS = 1000
CONNECTIONS = 10_000
FEW_CONNECTIONS = 2000
CROWDS = 5
# The requirement: the daemon's own memory for one idle connection.
MOST_BYTES_PER_CONNECTION = 512
FDS_BESIDE_CONNECTIONS = 1000

CROWD = pathlib.Path(__file__).parent / "crowd.py"


class ListenersTest(DaemonTestCase):
    def test_a_thousand(self):
        sockets = self.daemon.open_sockets()
        ids = [f"l-{number:04}" for number in range(LISTENERS)]
        addresses = {}
        for number, listener_id in enumerate(ids):
            protocol = "udp" if number % 4 == 0 else "tcp"
            created = self.admin.create(listener_id, f"{protocol}://127.0.0.1:0")
            addresses[listener_id] = created.effective_address
        self.assertEqual(len(set(addresses.values())), LISTENERS)

        listed = self.admin.listeners(page_size=300)
        shown = {l.name.removeprefix("listeners/"): l.effective_address for l in listed}
        self.assertEqual(shown, addresses)
        self.assertEqual([l.name for l in listed], [f"listeners/{i}" for i in ids])
        host = self.admin.host()
        self.assertEqual((host.listeners.used, host.sockets.used), (LISTENERS, LISTENERS))

        for listener_id in ids[::50] + ids[1::50]:
            with peers.connect(addresses[listener_id]) as peer:
                self.assert_echo(peer, listener_id.encode())
        for listener_id in ids:
            self.admin.delete(listener_id, force=True)
        self.assertEqual(self.admin.listeners(), [])
        self.assertEqual(self.admin.sockets(), [])
        self.assertEqual(self.daemon.open_sockets(), sockets)
        self.assert_idle()


class Crowd:
    """Client processes that share many connections: one has not enough fds."""

    def __init__(self, test, address):
        target = address.removeprefix("tcp://")
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-B", str(CROWD), target, f"127.0.1.{number + 1}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(CROWDS)
        ]
        for process in self._processes:
            test.addCleanup(process.stdout.close)
            test.addCleanup(process.wait)
            test.addCleanup(process.kill)
            test.addCleanup(process.stdin.close)
        self._test = test

    def command(self, text):
        """All of them, at the same time."""
        for process in self._processes:
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in self._processes]
        self._test.assertEqual(answers, ["ok\n"] * CROWDS)

    def open(self, count):
        self.command(f"open {count // CROWDS}")


class ConnectionsTest(DaemonTestCase):
    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + FDS_BESIDE_CONNECTIONS:
            self.skipTest(f"this machine allows a process {hard} open files")
        super().setUp()

    def test_ten_thousand(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        crowd = Crowd(self, address)

        crowd.open(FEW_CONNECTIONS)
        crowd.command("echo hello")
        self.settle()
        memory_of_few = self.daemon.anonymous_memory()
        crowd.open(CONNECTIONS)
        crowd.command("echo hello")
        self.settle()
        memory_of_all = self.daemon.anonymous_memory()
        self.assert_idle()
        crowd.command("echo and-once-more")
        self.settle()

        counters = self.admin.get_listener("web").counters
        self.assertEqual(counters.accepted_connections, CONNECTIONS)
        self.assertEqual(counters.active_connections, CONNECTIONS)
        bytes_echoed = FEW_CONNECTIONS * 5 + CONNECTIONS * (5 + 13)
        self.assertEqual(counters.receive_bytes, bytes_echoed)
        self.assertEqual(counters.transmit_bytes, bytes_echoed)
        self.assertEqual((counters.receive_errors, counters.transmit_errors), (0, 0))
        self.assertEqual((counters.accept_errors, counters.accept_pauses), (0, 0))
        listed = self.admin.sockets("role = CONNECTION")
        self.assertEqual(len({s.name for s in listed}), CONNECTIONS)
        self.assertEqual(sum(s.counters.receive_bytes for s in listed), bytes_echoed)

        crowd.command("close")
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        # What has left the table is closed in portions.
        active = lambda: self.admin.get_listener("web").counters.active_connections  # noqa: E731
        self.eventually(active, 0)
        self.assert_idle()

        each = (memory_of_all - memory_of_few) / (CONNECTIONS - FEW_CONNECTIONS)
        print(f"own memory per idle connection: {each:.0f} bytes", flush=True)
        if not daemon.SANITIZERS:
            self.assertLessEqual(each, MOST_BYTES_PER_CONNECTION)


if __name__ == "__main__":
    unittest.main()
