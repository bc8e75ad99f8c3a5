"""Floods: the data plane takes every socket it may have, the admin API goes on."""

import re
import resource
import unittest

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase
from sockhost.v1 import forward_pb2

# Two calls each.
ADMIN_ROUNDS = 500
PAUSED = admin.Listener.PAUSED
ACTIVE = admin.Listener.ACTIVE


class SoftLimitTest(DaemonTestCase):
    flags = None

    def test_is_raised_to_the_hard_limit(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
        started = self.start(fd_limit="64:")
        self.assertEqual(started.fd_limit(), wanted)
        host = started.admin.host()
        self.assertEqual(host.file_descriptors.limit, wanted)
        self.assertGreater(host.sockets.limit, wanted // 2 - 1)


class HardLimitTest(DaemonTestCase):
    flags = None

    def test_serves_under_low_and_huge_limits(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for limit in (64, 1024, 524288):
            with self.subTest(limit):
                if hard != resource.RLIM_INFINITY and limit > hard:
                    self.skipTest(f"the hard limit here is {hard}")
                started = self.start(fd_limit=f"{limit}:{limit}")
                host = started.admin.host()
                self.assertEqual(host.file_descriptors.limit, limit)
                # The rest is kept for the admin API.
                self.assertLess(host.sockets.limit, limit)
                self.assertGreaterEqual(host.sockets.limit, limit // 3)
                address = started.admin.create("web", "tcp://127.0.0.1:0").effective_address
                peer = self.connect(address)
                self.assert_echo(peer)
                peer.close()
                started.stop()


class SmallestLimitTest(DaemonTestCase):
    flags = None

    def refused(self, limit):
        ended = daemon.run("--admin", f"unix:{self.folder}/x.sock", fd_limit=f"{limit}:{limit}")
        self.assertEqual(ended.returncode, 1, ended)
        self.assertIn(f"the limit of open files is {limit}: ", ended.stderr)
        return int(re.search(r"raise it to ([0-9]+) or more", ended.stderr)[1])

    def test_too_few_are_refused_and_the_number_that_is_named_is_enough(self):
        least = self.refused(16)
        self.assertEqual(self.refused(least - 1), least)
        started = self.start(fd_limit=f"{least}:{least}")
        sockets = started.admin.host().sockets.limit
        self.assertGreater(sockets, 0)
        # The name is looked up by a thread with fds of its own.
        forward = forward_pb2.ForwardParameters(upstreams=["tcp://localhost:1"])
        started.admin.create("fwd", "tcp://127.0.0.1:0", service="forward", forward=forward)
        for number in range(sockets - 1):
            started.admin.create(f"l-{number}", "udp://127.0.0.1:0")
        self.assert_fails(
            "SOCKET_LIMIT", started.admin.create, "more", "udp://127.0.0.1:0"
        )
        clients = [admin.AdminClient(started.address) for _ in range(5)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(client.host().sockets.used, sockets)


class FloodTestCase(DaemonTestCase):
    def flood(self, count):
        """Connections, all of which have sent something; the kernel takes what the daemon cannot."""
        self.address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        crowd = [self.connect(self.address) for _ in range(count)]
        for number, peer in enumerate(crowd):
            peer.sendall(b"%04d" % number)
        return crowd

    def served(self):
        return self.admin.get_listener("web").counters.active_connections

    def assert_admin_goes_on(self):
        for number in range(ADMIN_ROUNDS):
            listener = self.admin.get_listener("web")
            self.assertIn(listener.state, (ACTIVE, PAUSED))
            self.admin.host()
            if number % 50 == 0:
                client = admin.AdminClient(self.daemon.address)
                self.assertEqual(client.host().pid, self.daemon.pid)
                self.assertTrue(next(client.watch()).sync)
                client.close()

    def assert_everybody_is_served_in_the_end(self, crowd):
        # Each leaves when it has its answer, and so lets others in.
        for number, peer in enumerate(crowd):
            self.assertEqual(peers.receive(peer, 4), b"%04d" % number)
            peer.close()
        self.eventually(self.served, 0)
        self.eventually(lambda: self.admin.get_listener("web").state, ACTIVE)
        listener = self.admin.get_listener("web")
        self.assertEqual(listener.state_reason, "")
        self.assertEqual(listener.counters.accepted_connections, len(crowd))
        self.assertGreater(listener.counters.accept_pauses, 0)
        self.assertEqual(listener.counters.rejected_connections, 0)


class SocketLimitTest(FloodTestCase):
    flags = ("--max-sockets", "20")

    def test_flood(self):
        crowd = self.flood(60)
        self.eventually(self.served, 19)
        self.eventually(lambda: self.admin.get_listener("web").counters.accept_pauses > 0, True)
        self.eventually(lambda: self.admin.get_listener("web").state, PAUSED)
        self.assertEqual(self.admin.host().sockets.used, 20)
        self.assert_admin_goes_on()
        self.assertEqual(self.served(), 19)
        self.assert_everybody_is_served_in_the_end(crowd)

    def test_reason_of_the_pause_names_the_limit(self):
        self.flood(30)
        self.eventually(lambda: "20" in self.admin.get_listener("web").state_reason, True)


class FdLimitTest(FloodTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        # So few that the listener meets the limit of open files itself.
        self.daemon = self.start(fd_limit="64:64")
        self.admin = self.daemon.admin

    def test_flood(self):
        crowd = self.flood(100)
        self.eventually(lambda: self.admin.get_listener("web").counters.accept_pauses > 0, True)
        self.assert_admin_goes_on()
        self.assert_everybody_is_served_in_the_end(crowd)


if __name__ == "__main__":
    unittest.main()
