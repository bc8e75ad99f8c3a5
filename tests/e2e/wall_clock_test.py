"""The wall clock is set forward and back: nothing that waits or measures uses it."""

import itertools
import os
import pathlib
import signal
import struct
import unittest

import admin
import daemon
from daemon_test_case import DaemonTestCase

DAY_S = 24 * 3600
SHIM = os.environ["WALL_CLOCK_SHIM"]


@unittest.skipIf(daemon.SANITIZERS, "a sanitizer wants to be the first library of a program")
class WallClockTest(DaemonTestCase):
    flags = None

    def start_with_clock(self, *flags):
        self.offset = pathlib.Path(self.folder) / "offset"
        self.offset.write_bytes(struct.pack("q", 0))
        variables = {"LD_PRELOAD": SHIM, "WALL_CLOCK_OFFSET": str(self.offset)}
        self.daemon = self.start(*flags, variables=variables)
        self.admin = self.daemon.admin
        self.listener = self.admin.create("web", "tcp://127.0.0.1:0")
        self.peer = self.connect(self.listener.effective_address)
        self.assert_echo(self.peer)

    def set_clock(self, offset_s):
        """By so much it is wrong from now on."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("q", offset_s))

    def jumps(self):
        for offset_s in (DAY_S, 0, -DAY_S, 0):
            with self.subTest(offset_s=offset_s):
                self.set_clock(offset_s)
                yield offset_s

    def test_clock_of_the_daemon_is_set(self):
        self.start_with_clock()
        for offset_s in self.jumps():
            created = self.admin.create("later", "udp://127.0.0.1:0").create_time
            self.admin.delete("later")
            moved = created.seconds - self.listener.create_time.seconds
            # By less than this test lasts it is off.
            self.assertLess(abs(moved - offset_s), DAY_S / 2)

    def test_sockets_and_health_go_on(self):
        self.start_with_clock()
        for _ in self.jumps():
            self.assert_echo(self.peer)
            with self.connect(self.listener.effective_address) as peer:
                self.assert_echo(peer)
            self.assertEqual(self.admin.health(), "SERVING")
        self.assertEqual(self.admin.host().loop.stalls, 0)

    def test_uptime_is_what_has_passed(self):
        self.start_with_clock()
        uptimes = [0]
        for _ in self.jumps():
            uptime = self.admin.host().uptime
            uptimes.append(uptime.seconds + uptime.nanos / 1e9)
        self.assertEqual(uptimes, sorted(uptimes))
        self.assertLess(uptimes[-1], DAY_S / 2)

    def test_samples_and_heartbeats_come(self):
        self.start_with_clock()
        samples = self.admin.watch()
        beats = self.admin.watch(
            trigger=admin.watch_pb2.WatchSocketsRequest.ON_CHANGE,
            filter="fd = -1",
            heartbeat_interval=admin.duration(0.1),
        )
        events = self.admin.watch_events(heartbeat_interval=admin.duration(0.1))
        streams = (samples, beats, events)
        for _ in self.jumps():
            for stream in streams:
                self.assertEqual(len(list(itertools.islice(stream, 5))), 5)
        for stream in streams:
            stream.cancel()

    def test_drain_is_not_cut_short(self):
        self.start_with_clock("--drain-timeout", "1h")
        clock = self.start(folder=self.enter_folder()).admin
        self.daemon.signal(signal.SIGTERM)
        self.eventually(lambda: self.admin.get_listener("web").state, admin.Listener.DRAINING)
        self.set_clock(DAY_S)
        # Time for many looks at the deadline, by another daemon's clock.
        stream = clock.watch()
        for _ in itertools.islice(stream, 5):
            pass
        stream.cancel()
        self.assert_echo(self.peer)
        self.peer.close()
        self.assertEqual(self.daemon.wait(), 0)

    def test_drain_does_not_last_longer(self):
        self.start_with_clock("--drain-timeout", "1s")
        self.daemon.signal(signal.SIGTERM)
        self.set_clock(-DAY_S)
        self.assert_closed(self.peer)
        self.assertEqual(self.daemon.wait(), 0)

    def enter_folder(self):
        folder = pathlib.Path(self.folder) / "other"
        folder.mkdir()
        return folder


if __name__ == "__main__":
    unittest.main()
