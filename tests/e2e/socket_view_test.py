"""view FULL: what the kernel says of a socket, as `ss` and the peer see it."""

import socket
import unittest

from sockhost.v1 import socket_pb2

from daemon_test_case import DaemonTestCase

Socket = socket_pb2.Socket
TcpInfo = socket_pb2.TcpInfo
BASIC = socket_pb2.SOCKET_VIEW_BASIC
FULL = socket_pb2.SOCKET_VIEW_FULL
DETAILS = ("tcp_info", "queues", "memory", "options")


def details_of(listed):
    return [name for name in DETAILS if listed.HasField(name)]


class SocketViewTest(DaemonTestCase):
    def full(self, name):
        return self.admin.get_socket(name, view=FULL)

    def connection(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        peer = self.connect(created.effective_address)
        self.assert_echo(peer, b"x" * 1000)
        self.settle()
        (listed,) = self.admin.sockets("role = CONNECTION")
        return peer, listed

    def test_basic_is_the_default_and_has_no_details(self):
        _, listed = self.connection()
        self.assertEqual(details_of(listed), [])
        self.assertEqual(self.admin.get_socket(listed.name, view=BASIC), listed)
        for shown in self.admin.sockets(view=BASIC):
            self.assertEqual(details_of(shown), [])

    def test_tcp_connection(self):
        peer, listed = self.connection()
        shown = self.full(listed.name)
        self.assertEqual(details_of(shown), list(DETAILS))
        tcp = shown.tcp_info
        self.assertEqual(tcp.state, TcpInfo.ESTABLISHED)
        self.assertEqual((tcp.received_bytes, tcp.acked_bytes), (1000, 1000))
        self.assertGreater(tcp.rtt_micros, 0)
        self.assertGreater(tcp.congestion_window, 0)
        self.assertGreater(tcp.send_mss_bytes, 500)
        self.assertGreaterEqual(tcp.segments_in, 1)
        self.assertEqual(
            tcp.congestion_control,
            peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode(),
        )
        self.assertTrue(shown.options.nonblocking)
        self.assertGreater(shown.options.receive_buffer_bytes, 0)
        self.assertEqual(shown.memory.receive_limit_bytes, shown.options.receive_buffer_bytes)
        # All else is as in view BASIC.
        for name in DETAILS:
            shown.ClearField(name)
        self.assertEqual(shown, listed)

    def test_closed_socket_has_no_details(self):
        peer, listed = self.connection()
        peer.close()
        self.eventually(lambda: self.full(listed.name).state, Socket.CLOSED)
        closed = self.full(listed.name)
        self.assertEqual((closed.state, details_of(closed)), (Socket.CLOSED, []))

    def test_send_queue_of_a_reader_that_has_stopped(self):
        peer, listed = self.connection()
        peer.setblocking(False)
        block = b"x" * 65536
        try:
            while True:
                peer.send(block)
        except BlockingIOError:
            pass

        def waits():
            return self.full(listed.name).queues.send_bytes > 0

        self.eventually(waits, True)
        shown = self.full(listed.name)
        self.assertGreater(shown.tcp_info.unacked_segments + shown.tcp_info.not_sent_bytes, 0)
        self.assertGreater(shown.memory.send_queued_bytes, 0)

    def test_listening_socket_has_an_accept_queue(self):
        self.admin.create("web", "tcp://127.0.0.1:0", backlog=7)
        (listed,) = self.admin.sockets()
        shown = self.full(listed.name)
        self.assertEqual(shown.tcp_info.state, TcpInfo.LISTEN)
        self.assertEqual(shown.tcp_info.rtt_micros, 0)
        self.assertEqual((shown.queues.accept_queue, shown.queues.accept_queue_limit), (0, 7))
        self.assertTrue(shown.options.reuse_address)

    def test_datagram_socket_counts_what_the_kernel_dropped(self):
        self.admin.create("dns", "udp://127.0.0.1:0", service="discard")
        (listed,) = self.admin.sockets()
        shown = self.full(listed.name)
        self.assertEqual(details_of(shown), ["queues", "memory", "options"])
        self.assertEqual(shown.memory.drops, 0)
        self.assertEqual(shown.queues.receive_bytes, 0)

    def test_lists_show_it_for_each_socket_of_the_page(self):
        self.connection()
        self.admin.create("dns", "udp://127.0.0.1:0")
        listed = self.admin.sockets(view=FULL, page_size=2)
        self.assertEqual([s.HasField("options") for s in listed], [True] * 3)
        self.assertEqual([s.HasField("tcp_info") for s in listed].count(True), 2)

    def test_unknown_view_is_refused(self):
        self.connection()
        for view in (3, -1):
            self.assert_fails("FIELD_INVALID", self.admin.sockets, view=view, fields=["view"])
            self.assert_fails(
                "FIELD_INVALID", self.admin.get_socket, "sockets/1", view=view, fields=["view"]
            )


if __name__ == "__main__":
    unittest.main()
