"""Sockets that are gone: why, when, and with which counters; CloseSocket."""

import socket
import struct
import time
import unittest

from sockhost.v1 import admin_pb2, socket_pb2

import peers
from daemon_test_case import DaemonTestCase

Socket = socket_pb2.Socket
CONNECTION = "role = CONNECTION"


def reset(peer):
    """Closes with RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class ClosedSocketsTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.web = self.admin.create("web", "tcp://127.0.0.1:0")

    def open(self):
        """One more connection: its peer, and what the API says of it."""
        before = {s.name for s in self.admin.sockets(CONNECTION)}
        peer = self.connect(self.web.effective_address)
        self.assert_echo(peer)
        self.settle()
        (new,) = [s for s in self.admin.sockets(CONNECTION) if s.name not in before]
        return peer, new

    def closed(self, name):
        """The socket, once it is CLOSED."""

        def is_closed():
            listed = self.admin.sockets("state = CLOSED", show_closed=True)
            return name in [s.name for s in listed]

        self.eventually(is_closed, True)
        return self.admin.get_socket(name)


class ClosedSocketsTest(ClosedSocketsTestCase):
    def test_open_socket_says_so(self):
        _, connection = self.open()
        self.assertEqual(connection.state, Socket.OPEN)
        self.assertEqual(connection.close_reason, Socket.CLOSE_REASON_UNSPECIFIED)
        self.assertFalse(connection.HasField("close_time"))

    def test_closed_socket_keeps_what_it_was(self):
        peer, connection = self.open()
        self.assert_echo(peer, b"12345678")
        peer.close()
        closed = self.closed(connection.name)
        self.assertEqual((closed.state, closed.close_reason), (Socket.CLOSED, Socket.PEER_CLOSED))
        for field in ("fd", "role", "protocol", "service", "listener", "local_address"):
            self.assertEqual(getattr(closed, field), getattr(connection, field), field)
        self.assertEqual(closed.remote_address, connection.remote_address)
        self.assertEqual(closed.create_time, connection.create_time)
        self.assertEqual(closed.counters.receive_bytes, len(b"hello") + 8)
        self.assertEqual(closed.counters.transmit_bytes, len(b"hello") + 8)
        created, ended = closed.create_time.ToNanoseconds(), closed.close_time.ToNanoseconds()
        self.assertTrue(created < ended <= time.time_ns(), closed)

    def test_is_shown_only_when_asked_for(self):
        peer, connection = self.open()
        peer.close()
        closed = self.closed(connection.name)
        self.assertNotIn(closed, self.admin.sockets())
        self.assertEqual(self.admin.sockets("state = CLOSED"), [])
        everything = self.admin.sockets(show_closed=True)
        self.assertIn(closed, everything)
        ids = [int(s.name.removeprefix("sockets/")) for s in everything]
        self.assertEqual(ids, sorted(set(ids)))
        # One page each, in another order.
        paged = self.admin.sockets(show_closed=True, page_size=1, order_by="name desc")
        self.assertEqual(paged, everything[::-1])

    def test_token_of_a_list_without_closed_ones_is_refused(self):
        request = admin_pb2.ListSocketsRequest(page_size=1)
        self.open()
        token = self.admin.call("ListSockets", request).next_page_token
        self.assert_fails(
            "PAGE_TOKEN_INVALID",
            self.admin.sockets,
            page_token=token,
            show_closed=True,
            fields=["page_token"],
        )

    def test_reasons(self):
        for end, reason in ((lambda peer: peer.close(), "PEER_CLOSED"), (reset, "FAILED")):
            with self.subTest(reason):
                peer, connection = self.open()
                end(peer)
                closed = self.closed(connection.name)
                self.assertEqual(Socket.CloseReason.Name(closed.close_reason), reason)
        _, connection = self.open()
        (listening,) = self.admin.sockets("role = LISTENING")
        self.admin.delete("web", force=True)
        for gone in (connection, listening):
            closed = self.closed(gone.name)
            self.assertEqual(closed.close_reason, Socket.LISTENER_DELETED)
            self.assertEqual(closed.local_address, gone.local_address)


class LimitTest(ClosedSocketsTestCase):
    flags = ("--closed-sockets", "3")

    def test_oldest_are_forgotten(self):
        names = []
        for _ in range(5):
            peer, connection = self.open()
            names.append(connection.name)
            peer.close()
            self.closed(connection.name)
        # The sockets that `settle` opened and closed are kept as well.
        listed = [s.name for s in self.admin.sockets("state = CLOSED", show_closed=True)]
        self.assertEqual(len(listed), 3)
        self.assertIn(names[-1], listed)
        self.assert_fails("SOCKET_NOT_FOUND", self.admin.get_socket, names[0], fields=["name"])
        use = self.admin.host().closed_sockets
        self.assertEqual((use.used, use.limit), (3, 3))

    def test_a_crowd_that_goes_at_once(self):
        crowd = [self.connect(self.web.effective_address) for _ in range(20)]
        for peer in crowd:
            self.assert_echo(peer)
        self.admin.delete("web", force=True)
        listed = self.admin.sockets("state = CLOSED", show_closed=True)
        self.assertEqual(len(listed), 3)
        self.assertEqual({s.close_reason for s in listed}, {Socket.LISTENER_DELETED})


class NoneKeptTest(ClosedSocketsTestCase):
    flags = ("--closed-sockets", "0")

    def test_none_is_kept(self):
        peer, connection = self.open()
        peer.close()
        self.eventually(lambda: self.admin.sockets(CONNECTION), [])
        self.assertEqual(self.admin.sockets("state = CLOSED", show_closed=True), [])
        _, other = self.open()
        answer = self.admin.close_socket(other.name)
        self.assertEqual((answer.name, answer.state), (other.name, Socket.CLOSED))


class CloseSocketTest(ClosedSocketsTestCase):
    def test_answer_is_the_closed_socket(self):
        peer, connection = self.open()
        other, _ = self.open()
        closed = self.admin.close_socket(connection.name)
        self.assertEqual((closed.state, closed.close_reason), (Socket.CLOSED, Socket.CLOSED_BY_ADMIN))
        self.assertEqual(closed.counters.receive_bytes, len(b"hello"))
        self.assertEqual(self.admin.get_socket(connection.name), closed)
        self.assert_closed(peer)
        self.assert_echo(other)
        self.assertNotIn(connection.fd, [s.fd for s in self.admin.sockets(CONNECTION)])
        self.assertEqual(self.admin.get_listener("web").counters.active_connections, 1)

    def test_is_not_found_a_second_time(self):
        _, connection = self.open()
        self.admin.close_socket(connection.name)
        for name in (connection.name, "sockets/999999"):
            self.assert_fails("SOCKET_NOT_FOUND", self.admin.close_socket, name, fields=["name"])

    def test_sockets_of_listeners_are_refused(self):
        self.admin.create("dns", "udp://127.0.0.1:0")
        for listed in self.admin.sockets("NOT role = CONNECTION"):
            with self.nothing_changes():
                failure = self.assert_fails(
                    "STATE_INVALID", self.admin.close_socket, listed.name, fields=["name"]
                )
                self.assertEqual(
                    failure.metadata,
                    {"socket": listed.name, "role": socket_pb2.Socket.Role.Name(listed.role)},
                )

    def test_wrong_name(self):
        for name in ("", "sockets", "sockets/", "sockets/x", "sockets/-1", "listeners/web"):
            self.assert_fails("NAME_INVALID", self.admin.close_socket, name, fields=["name"])


if __name__ == "__main__":
    unittest.main()
