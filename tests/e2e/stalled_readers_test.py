"""Readers that stop: they cost little, are cut off with their connections, and slow nobody."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

import grpc

import admin
import daemon
from daemon_test_case import DaemonTestCase

WATCHERS = pathlib.Path(__file__).parent / "watchers.py"
MAKE_CERTIFICATES = (
    pathlib.Path(os.environ["ADMIN_PROTO"]).parents[3] / "docker" / "make_certificates.sh"
)
SOCKETS = 1000
STALLED = 200
STREAMS_OF_A_CLIENT = 50
# The contract: 64 KiB for each stream, and the message in flight, which all of them share here.
MOST_BYTES_PER_READER = 64 * 1024


class Watchers:
    """A process with several watches, each on its own connection."""

    def __init__(self, test, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(WATCHERS), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        test.addCleanup(self._close)

    def state(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def taken(self):
        return self.state()["taken"]

    def wait_until_each_takes(self, more):
        before = self.taken()
        daemon.eventually(
            lambda: min(now - then for now, then in zip(self.taken(), before)),
            lambda taken: taken >= more,
            f"{more} messages for each reader",
        )

    def signal(self, number):
        self._process.send_signal(number)

    def _close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class StalledReadersTest(DaemonTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.folder) / "certificates"
        folder.mkdir()
        (folder / "roles").write_text("unix:* admin\ntcp:* admin\ntls:* viewer\n")
        subprocess.run([MAKE_CERTIFICATES, folder], check=True)
        self.certificates = folder
        self.daemon = self.start(
            *("--admin", "tcp://127.0.0.1:0", "--insecure-tcp", "--admin", "tls://[::]:0"),
            *("--tls-cert", folder / "server.crt", "--tls-key", folder / "server.key"),
            *("--tls-client-ca", folder / "ca.crt", "--roles", folder / "roles"),
            *("--max-watches", "500"),
        )
        self.admin = self.daemon.admin
        self.listening = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        for _ in range(SOCKETS):
            self.connect(self.listening)
        self.eventually(lambda: self.admin.host().sockets.used, SOCKETS + 1)

    def address(self, kind):
        (address,) = [a for a in self.admin.host().admin_addresses if a.startswith(f"{kind}:")]
        return address.replace("[::]", "127.0.0.1")

    def clients(self):
        """One for each kind of connection; the last one is IPv4 on an address of IPv6."""
        tls = admin.credentials(self.certificates, "viewer")
        for kind, credentials in (("unix", None), ("tcp", None), ("tls", tls)):
            client = admin.AdminClient(self.address(kind), credentials)
            self.addCleanup(client.close)
            yield kind, client

    def used(self):
        return self.admin.host().watches.used


class StoppedProcessesTest(StalledReadersTest):
    """200 readers in 8 processes, of which half stop."""

    EACH = 25

    def groups(self, kind, count):
        folder = [self.certificates] if kind == "tls" else []
        return [Watchers(self, self.address(kind), self.EACH, *folder) for _ in range(count)]

    def test_cost_little_are_cut_off_and_slow_nobody(self):
        groups = []
        # Unix sockets last: the last places are for them.
        for kind, count in (("tcp", 2), ("tls", 2), ("unix", 4)):
            groups += self.groups(kind, count)
            for group in groups[-count:]:
                group.wait_until_each_takes(2)
        stopped, healthy = groups[::2], groups[1::2]
        memory = [self.daemon.anonymous_memory()]
        for group in stopped:
            group.signal(signal.SIGSTOP)

        def watches_left():
            memory.append(self.daemon.anonymous_memory())
            return self.used()

        # Cut off, with their connections: nobody has to come back for that.
        count = self.EACH * len(stopped)
        self.eventually(watches_left, self.EACH * len(healthy))
        growth = (max(memory) - memory[0]) / count
        print(f"own memory for each stalled reader: {growth:.0f} bytes", flush=True)
        if not daemon.SANITIZERS:
            self.assertLess(growth, MOST_BYTES_PER_READER)
        # The others go on, all of them.
        for group in healthy:
            group.wait_until_each_takes(2)
            self.assertEqual(group.state()["ended"], 0)
        for group in stopped:
            group.signal(signal.SIGCONT)
            self.eventually(lambda: group.state()["ended"], self.EACH)


class NotReadingTest(StalledReadersTest):
    """Clients that live, answer pings, and take nothing from their stream."""

    def test_are_cut_off_with_their_connection_and_can_come_again(self):
        streams = []
        for kind, client in self.clients():
            stream = client.watch()
            self.assertTrue(next(stream).instance_id, kind)
            streams.append((kind, client, stream))
        self.assertEqual(self.used(), len(streams))
        self.eventually(self.used, 0)
        for kind, client, stream in streams:
            with self.subTest(kind):
                with self.assertRaises(grpc.RpcError) as raised:
                    list(stream)
                self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
                # The same client, on a new connection.
                self.assertTrue(next(client.watch(mode=admin.Mode.Value("ONCE"))).instance_id)

    def test_200_of_them_cost_a_healthy_reader_no_more_than_one_sample(self):
        streams = []
        for _ in range(STALLED // STREAMS_OF_A_CLIENT):
            client = admin.AdminClient(self.address("unix"))
            self.addCleanup(client.close)
            streams += [client.watch(interval_s=1) for _ in range(STREAMS_OF_A_CLIENT)]
        self.eventually(self.used, STALLED)
        healthy = self.admin.watch(interval_s=1)
        samples = coalesced = sequence = 0
        for message in healthy:
            sequence += 1
            self.assertEqual(message.sequence, sequence)
            if message.HasField("lag"):
                # Each time at most one interval.
                self.assertLessEqual(message.lag.coalesced - coalesced, 1)
                coalesced = message.lag.coalesced
            if not message.more:
                samples += 1
                # Until the stalled ones are cut off.
                if self.used() == 1:
                    break
        healthy.cancel()
        # That is after 10 s.
        self.assertGreater(samples, 5)

    def test_of_events_are_cut_off(self):
        now = self.admin.watch_events()
        token = next(now).resume_token
        now.cancel()
        streams = []
        for kind, client in self.clients():
            stream = client.watch_events(resume_token=token)
            next(stream)
            streams.append((kind, stream))
        # More than a reader that takes nothing gets: the rest waits.
        self.make_events(1000)
        self.eventually(self.used, 0)
        for kind, stream in streams:
            with self.subTest(kind), self.assertRaises(grpc.RpcError) as raised:
                list(stream)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def make_events(self, count):
        for _ in range(count):
            self.connect(self.listening).close()


if __name__ == "__main__":
    unittest.main()
