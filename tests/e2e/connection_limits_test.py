"""Silent, slow and greedy peers: time-outs and caps, each for its connection only."""

import itertools
import socket
import unittest

from google.protobuf import field_mask_pb2
from sockhost.v1 import admin_pb2, listener_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase

ADDRESS = "tcp://127.0.0.1:0"


class LimitTestCase(DaemonTestCase):
    def create(self, **fields):
        self.address = self.admin.create("web", ADDRESS, **fields).effective_address

    def update(self, **fields):
        self.admin.call(
            "UpdateListener",
            admin_pb2.UpdateListenerRequest(
                listener=admin.Listener(name="listeners/web", **fields),
                update_mask=field_mask_pb2.FieldMask(paths=list(fields)),
            ),
        )

    def counters(self):
        return self.admin.get_listener("web").counters

    def connect_from(self, host):
        peer = socket.create_connection(
            peers.endpoint(self.address)[2], timeout=peers.TIMEOUT_S, source_address=(host, 0)
        )
        self.addCleanup(peer.close)
        return peer


class IdleTimeoutTest(LimitTestCase):
    def test_silent_peer_is_closed(self):
        self.create(idle_timeout=admin.duration(0.1))
        self.assert_closed(self.connect(self.address))
        self.eventually(lambda: self.counters().active_connections, 0)
        self.assertEqual(self.counters().timed_out_connections, 1)

    def test_peer_that_says_something_lives_on(self):
        # Its time-out is long enough for a busy machine; the silent one shows that it has passed.
        self.create(idle_timeout=admin.duration(2))
        silent, talker = self.connect(self.address), self.connect(self.address)
        silent.settimeout(0.05)
        closed = False
        while not closed:
            self.assert_echo(talker)
            try:
                closed = silent.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionResetError:
                closed = True
        self.assert_echo(talker)

    def test_peer_that_does_not_read_is_closed(self):
        self.create(idle_timeout=admin.duration(0.5))
        peer = self.connect(self.address, receive_buffer=4096)
        with self.assertRaises(OSError):
            while True:
                peer.sendall(bytes(65536))
        self.eventually(lambda: self.counters().timed_out_connections, 1)

    def test_new_timeout_is_for_open_connections_too(self):
        self.create()
        peer = self.connect(self.address)
        self.assert_echo(peer)
        self.update(idle_timeout=admin.duration(0.1))
        self.assert_closed(peer)

    def test_no_timeout_costs_nothing(self):
        self.create(idle_timeout=admin.duration(0.1))
        self.assert_closed(self.connect(self.address))
        peer = self.connect(self.address)
        self.update(idle_timeout=admin.duration(0))
        self.assert_echo(peer)
        # The last round finds nothing to do, and there is no other.
        self.eventually(self.sleeps, True)
        self.assert_echo(peer)

    def sleeps(self):
        """True if the service thread did nothing while a few samples were taken."""
        before = self.admin.host().loop.wakeups
        stream = self.admin.watch(filter="fd = -1")
        for _ in itertools.islice(stream, 4):
            pass
        stream.cancel()
        return self.admin.host().loop.wakeups == before


class MaxLifetimeTest(LimitTestCase):
    def test_busy_connection_is_closed_too(self):
        self.create(max_lifetime=admin.duration(0.3))
        peer = self.connect(self.address)
        with self.assertRaises((AssertionError, OSError)):
            while True:
                self.assert_echo(peer)
        self.eventually(lambda: self.counters().timed_out_connections, 1)

    def test_slowloris_is_closed(self):
        self.create(max_lifetime=admin.duration(0.5), idle_timeout=admin.duration(0.2))
        crowd = [self.connect(self.address) for _ in range(50)]
        for peer in crowd:
            try:
                peer.sendall(b"x")
            except OSError:
                pass
        for peer in crowd:
            try:
                self.assertLessEqual(len(peers.receive_all(peer)), 1)
            except ConnectionResetError:
                pass
        self.eventually(lambda: self.counters().active_connections, 0)


class SourceLimitTest(LimitTestCase):
    def test_many_greedy_and_slow_sources_leave_room_for_others(self):
        self.create(max_connections_per_source=2, max_connections=300)
        crowd = [self.connect_from(f"127.0.1.{1 + i % 100}") for i in range(400)]
        self.eventually(lambda: self.counters().rejected_by_source, 200)
        self.assertEqual(self.counters().active_connections, 200)
        honest = self.connect_from("127.0.0.9")
        self.assert_echo(honest)
        # They say a byte now and then; their age ends them all the same.
        self.update(max_lifetime=admin.duration(0.5))
        for peer in crowd:
            try:
                peer.sendall(b"x")
            except OSError:
                pass
        self.eventually(lambda: self.counters().active_connections, 0)
        self.assert_echo(self.connect_from("127.0.0.9"))

    def test_one_source_is_capped_and_others_are_not(self):
        self.create(max_connections_per_source=2)
        first, second = (self.connect_from("127.0.0.1") for _ in range(2))
        self.assert_echo(first)
        self.assert_echo(second)
        self.assert_closed(self.connect_from("127.0.0.1"))
        self.assert_echo(self.connect_from("127.0.0.2"))
        counters = self.counters()
        self.assertEqual((counters.rejected_connections, counters.rejected_by_source), (1, 1))
        first.close()
        self.eventually(lambda: self.counters().active_connections, 2)
        self.assert_echo(self.connect_from("127.0.0.1"))

    def test_those_that_are_connected_count_when_the_limit_comes(self):
        self.create()
        peers_before = [self.connect_from("127.0.0.1") for _ in range(2)]
        for peer in peers_before:
            self.assert_echo(peer)
        self.update(max_connections_per_source=2)
        self.assert_closed(self.connect_from("127.0.0.1"))
        self.update(max_connections_per_source=0)
        self.assert_echo(self.connect_from("127.0.0.1"))
        for peer in peers_before:
            self.assert_echo(peer)


class SocketOptionTest(LimitTestCase):
    def test_keepalive_and_user_timeout_are_accepted_for_tcp_only(self):
        keepalive = listener_pb2.TcpKeepalive(
            idle=admin.duration(5), interval=admin.duration(1), count=3
        )
        self.create(tcp_keepalive=keepalive, tcp_user_timeout=admin.duration(9))
        self.assert_echo(self.connect(self.address))
        self.assertEqual(self.admin.get_listener("web").tcp_keepalive, keepalive)
        for field, value in (
            ("tcp_keepalive", keepalive),
            ("tcp_user_timeout", admin.duration(9)),
        ):
            self.assert_fails(
                "FIELD_INVALID",
                self.admin.create,
                "udp",
                "udp://127.0.0.1:0",
                fields=[f"listener.{field}"],
                **{field: value},
            )

    def test_reused_port_is_shared_by_those_who_ask(self):
        self.create(reuse_port=True)
        self.assert_fails(
            "ADDRESS_IN_USE", self.admin.create, "b", self.address, fields=["listener.address"]
        )
        shared = self.admin.create("b", self.address, reuse_port=True)
        self.assertEqual(shared.effective_address, self.address)

    def test_accept_budget(self):
        self.create(max_accepts_per_event=2)
        for _ in range(20):
            self.assert_echo(self.connect(self.address))
        self.assertLessEqual(self.counters().max_accepts_per_wakeup, 2)


if __name__ == "__main__":
    unittest.main()
