"""How forwarded connections end: what each side sees, and what is said of why."""

import socket

import admin
import peers
from forward_test import ANY_TCP, ANY_UDP, ForwardTestCase, Upstream
from sockhost.v1.event_pb2 import Event
from sockhost.v1.socket_pb2 import Socket


class CloseReasonTest(ForwardTestCase):
    def assert_reasons(self, client, *upstreams):
        """One that is being closed is in neither state for a moment."""

        def reasons(role):
            found = self.admin.sockets(f"state = CLOSED AND role = {role}", show_closed=True)
            return [Socket.CloseReason.Name(socket.close_reason) for socket in found]

        wanted = ([client] if client else [], list(upstreams))
        self.eventually(lambda: (reasons("CONNECTION"), reasons("UPSTREAM")), wanted)
        self.assertEqual(self.admin.sockets("role = CONNECTION OR role = UPSTREAM"), [])

    def exchange(self):
        client, server = self.pair()
        client.sendall(b"question")
        self.assertEqual(peers.receive(server, 8), b"question")
        server.sendall(b"half an ans")
        self.assertEqual(peers.receive(client, 11), b"half an ans")
        return client, server

    def test_both_end(self):
        client, server = self.exchange()
        client.close()
        self.assertEqual(peers.receive_all(server), b"")
        server.close()
        self.assert_reasons("PEER_CLOSED", "PEER_CLOSED")

    def test_upstream_is_reset_within_its_answer(self):
        client, server = self.exchange()
        peers.reset(server)
        with self.assertRaises(ConnectionResetError):
            client.recv(1)
        self.assert_reasons("UPSTREAM_FAILED", "FAILED")

    def test_client_is_reset(self):
        client, server = self.exchange()
        peers.reset(client)
        with self.assertRaises(ConnectionResetError):
            server.recv(1)
        self.assert_reasons("FAILED", "CLOSED_BY_SERVICE")

    def test_client_is_reset_while_much_waits_for_it(self):
        client, server = self.pair()
        server.setblocking(False)
        stuck = False
        while not stuck:
            try:
                server.send(bytes(1 << 16))
            except BlockingIOError:
                self.settle()
                (upstream,) = self.admin.sockets("role = UPSTREAM")
                stuck = "POLLIN" not in upstream.poll_events
        peers.reset(client)
        self.assert_reasons("FAILED", "CLOSED_BY_SERVICE")

    def test_no_upstream_can_be_reached(self):
        nobody = Upstream()
        nobody.close()
        token = next(self.admin.watch_events()).resume_token
        self.assert_closed(self.connect(self.forward(nobody.address, nobody.address)))
        self.assert_reasons("UPSTREAM_FAILED", "FAILED", "FAILED")
        told = self.admin.watch_events(
            filter="kind = SOCKET_CLOSED AND close_reason = UPSTREAM_FAILED", resume_token=token
        )
        event = next(message.events[0] for message in told if message.events)
        told.cancel()
        self.assertEqual(event.kind, Event.SOCKET_CLOSED)
        self.assertEqual(event.socket.role, Socket.CONNECTION)

    def test_upstream_does_not_answer(self):
        silent = self.upstream(backlog=0)
        self.addCleanup(peers.connect(silent.address).close)
        address = self.forward(silent.address, connectTimeout="0.1s")
        self.assert_closed(self.connect(address))
        self.assert_reasons("UPSTREAM_FAILED", "FAILED")

    def test_client_leaves_while_its_upstream_does_not_answer(self):
        silent = self.upstream(backlog=0)
        self.addCleanup(peers.connect(silent.address).close)
        client = self.connect(self.forward(silent.address, connectTimeout="60s"))
        self.eventually(lambda: len(self.admin.sockets("role = UPSTREAM")), 1)
        peers.reset(client)
        self.assert_reasons("FAILED", "CLOSED_BY_SERVICE")

    def test_idle_time_of_a_pair(self):
        upstream = self.upstream()
        created = self.admin.create(
            "fwd",
            ANY_TCP,
            service="forward",
            forward={"upstreams": [upstream.address]},
            idle_timeout=admin.duration(0.1),
        )
        client = self.connect(created.effective_address)
        server = self.accepted(upstream)
        self.assert_closed(client)
        with self.assertRaises(ConnectionResetError):
            server.recv(1)
        self.assert_reasons("IDLE_TIMEOUT", "CLOSED_BY_SERVICE")

    def test_flows(self):
        upstream = self.upstream(kind=socket.SOCK_DGRAM)
        address = self.forward(upstream.address, address=ANY_UDP, flowIdleTimeout="0.05s")
        self.connect(address).send(b"x")
        self.assertEqual(upstream.socket.recv(1), b"x")
        self.assert_reasons(None, "IDLE_TIMEOUT")
