"""Peers whose machine is gone: nothing comes from them any more, not even a reset.

Takes the kernel's time: a keepalive is told in seconds, retransmissions back off.
"""

import socket
import unittest

from sockhost.v1 import listener_pb2, socket_pb2

import admin
import network_namespace
import peers
from daemon_test_case import DaemonTestCase

network_namespace.enter()

# The address of the machine that vanishes.
GONE = "10.88.0.9"
KEEPALIVE = listener_pb2.TcpKeepalive(idle=admin.duration(1), interval=admin.duration(1), count=1)


class DeadPeersTest(DaemonTestCase):
    def setUp(self):
        super().setUp()
        network_namespace.run("address", "add", f"{GONE}/32", "dev", "lo")
        self.has_vanished = False
        self.addCleanup(self.vanish)

    def vanish(self):
        """From now on what is sent to GONE gets lost."""
        if not self.has_vanished:
            network_namespace.run("address", "del", f"{GONE}/32", "dev", "lo")
        self.has_vanished = True

    def connect_from_there(self, listener):
        peer = socket.create_connection(
            peers.endpoint(listener.effective_address)[2],
            timeout=peers.TIMEOUT_S,
            source_address=(GONE, 0),
        )
        self.addCleanup(peer.close)
        return peer

    def assert_fails_alone(self, listener_id):
        """Its connection is found dead; that of a listener that does not look is not."""
        counters = lambda name: self.admin.get_listener(name).counters  # noqa: E731
        self.eventually(lambda: counters(listener_id).active_connections, 0)
        self.assertEqual(counters("patient").active_connections, 1)
        closed = self.admin.sockets(f"state = CLOSED AND listener = {listener_id}", show_closed=True)
        self.assertEqual([s.close_reason for s in closed], [socket_pb2.Socket.FAILED])

    def test_keepalive_finds_a_silent_peer(self):
        watched = self.admin.create("watched", "tcp://0.0.0.0:0", tcp_keepalive=KEEPALIVE)
        patient = self.admin.create("patient", "tcp://0.0.0.0:0")
        for listener in (watched, patient):
            self.assert_echo(self.connect_from_there(listener))
        self.vanish()
        self.assert_fails_alone("watched")

    def test_user_timeout_finds_a_peer_that_acknowledges_nothing(self):
        limit = {"tcp_user_timeout": admin.duration(1)}
        watched = self.admin.create("watched", "tcp://0.0.0.0:0", service="chargen", **limit)
        patient = self.admin.create("patient", "tcp://0.0.0.0:0", service="chargen")
        for listener in (watched, patient):
            self.assertTrue(self.connect_from_there(listener).recv(10))
        self.vanish()
        self.assert_fails_alone("watched")


if __name__ == "__main__":
    unittest.main()
