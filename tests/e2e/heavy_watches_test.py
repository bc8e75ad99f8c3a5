"""Watches that ask for more than their thread can do: only they wait for it."""

import socket
import threading
import unittest

import grpc
from google.protobuf import field_mask_pb2

import admin
import daemon
from daemon_test_case import DaemonTestCase

ON_CHANGE = admin.Trigger.Value("ON_CHANGE")
SOCKETS = 800
MOST_WATCHES = 900
# Samples that are so far apart are those of a thread that cannot keep up.
LATE_S = 0.5
SAMPLES = 6
# Short: several pings, and beats of a stream of events, are due between two such samples.
WATCHDOG_USEC = 200_000
BEAT_S = 0.1


class HeavyWatchesTest(DaemonTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        notify = f"{self.folder}/notify"
        self.manager = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.manager.bind(notify)
        variables = {"NOTIFY_SOCKET": notify, "WATCHDOG_USEC": str(WATCHDOG_USEC)}
        self.daemon = self.start("--max-watches", "1000", variables=variables)
        self.admin = self.daemon.admin
        self.told = self.read(iter(lambda: self.manager.recv(4096), b""))
        self.addCleanup(self.manager.shutdown, socket.SHUT_RD)
        # It shows no socket: its messages are the pace of the samples.
        self.samples = self.read_stream(self.admin.watch(filter="fd = -1"))
        self.beats = self.read_stream(
            self.admin.watch_events(
                filter="kind = SERVICE_STALLED", heartbeat_interval=admin.duration(BEAT_S)
            )
        )

    def read(self, source):
        """A list that grows by what comes from `source`, until it ends."""
        messages = []

        def append_all():
            try:
                for message in source:
                    messages.append(message)
            except grpc.RpcError:  # it was cancelled
                pass

        thread = threading.Thread(target=append_all)
        thread.start()
        self.addCleanup(thread.join)
        return messages

    def read_stream(self, stream):
        messages = self.read(stream)
        self.addCleanup(stream.cancel)
        return messages

    def pings(self):
        return sum(message == b"WATCHDOG=1" for message in self.told)

    def wait_for_samples(self, count):
        wanted = len(self.samples) + count
        daemon.eventually(lambda: len(self.samples), lambda seen: seen >= wanted, f"{count} samples")

    def gap_s(self):
        """Between the last two samples."""
        before, after = (message.sample_time.ToNanoseconds() for message in self.samples[-2:])
        return (after - before) / 1e9

    def overload(self):
        """Opens watches that share nothing, until samples come late."""
        for i in range(MOST_WATCHES):
            # A connection may have 100 calls at the same time.
            if i % 50 == 0:
                client = admin.AdminClient(self.daemon.address)
                self.addCleanup(client.close)
            # Of all sockets, which change nothing that it shows: so nothing is sent.
            stream = client.watch(
                filter=f'name != "sockets/{10**9 + i}"',
                trigger=ON_CHANGE,
                updates_only=True,
                read_mask=field_mask_pb2.FieldMask(paths=["name"]),
            )
            self.addCleanup(stream.cancel)
            if i % 50 == 49:
                self.eventually(lambda: self.admin.host().watches.used, i + 3)
                self.wait_for_samples(3)
                if self.gap_s() > LATE_S:
                    return
        self.fail(f"{MOST_WATCHES} watches are not enough: {self.gap_s()} s")

    def test_neither_pings_nor_other_streams_wait_for_them(self):
        address = self.admin.create("many", "tcp://127.0.0.1:0").effective_address
        for _ in range(SOCKETS):
            self.connect(address)
        self.eventually(lambda: self.admin.host().sockets.used, SOCKETS + 1)
        self.overload()
        pings, beats, samples = self.pings(), len(self.beats), len(self.samples)
        self.wait_for_samples(SAMPLES)
        samples = len(self.samples) - samples
        # One for each sample at most is what they would get if they had to wait for it.
        self.assertGreater(self.pings() - pings, 1.5 * samples)
        self.assertGreater(len(self.beats) - beats, 1.5 * samples)
        self.assertIn("samples come later than asked", self.daemon.log())


if __name__ == "__main__":
    unittest.main()
