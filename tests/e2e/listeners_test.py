"""Listeners: what a client of the admin API creates, and what its peers get."""

import pathlib
import socket
import time
import unittest
import uuid

from google.protobuf import timestamp_pb2
from sockhost.v1 import admin_pb2, counters_pb2, listener_pb2

import peers
from daemon_test_case import DaemonTestCase

Listener = listener_pb2.Listener
IPV4 = ["tcp://127.0.0.1:0", "tcp://0.0.0.0:0", "udp://127.0.0.1:0", "udp://0.0.0.0:0"]
IPV6 = ["tcp://[::1]:0", "tcp://[::]:0", "udp://[::1]:0", "udp://[::]:0"]


class CreateListenerTest(DaemonTestCase):
    def test_answer_shows_what_was_opened(self):
        began = time.time()
        created = self.admin.create(
            "web", "tcp://127.0.0.1:0", display_name="Für Menschen", labels={"env": "test", "a": ""}
        )
        self.assertEqual(created.name, "listeners/web")
        self.assertEqual(str(uuid.UUID(created.uid)), created.uid)
        self.assertEqual(created.display_name, "Für Menschen")
        self.assertEqual(dict(created.labels), {"env": "test", "a": ""})
        self.assertEqual(created.service, "services/echo")
        self.assertEqual(created.address, "tcp://127.0.0.1:0")
        self.assertRegex(created.effective_address, r"^tcp://127\.0\.0\.1:[1-9][0-9]*$")
        self.assertEqual((created.state, created.state_reason), (Listener.ACTIVE, ""))
        self.assertTrue(created.etag)
        self.assertEqual(created.create_time, created.update_time)
        self.assertTrue(began <= created.create_time.ToMicroseconds() / 1e6 <= time.time())
        self.assertEqual(created.counters, counters_pb2.Counters())
        self.assertEqual(self.admin.get_listener("web"), created)
        self.assertEqual(self.admin.listeners(), [created])

    def test_effective_backlog_is_capped_by_the_kernel(self):
        cap = int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text())
        usual = self.admin.create("usual", "tcp://127.0.0.1:0")
        self.assertEqual((usual.backlog, usual.effective_backlog), (0, min(4096, cap)))
        most = self.admin.create("most", "tcp://127.0.0.1:0", backlog=65535)
        self.assertEqual((most.backlog, most.effective_backlog), (65535, min(65535, cap)))
        least = self.admin.create("least", "tcp://127.0.0.1:0", backlog=1)
        self.assertEqual((least.backlog, least.effective_backlog), (1, 1))

    def test_service_may_have_its_full_name(self):
        created = self.admin.create("sink", "tcp://127.0.0.1:0", service="services/discard")
        self.assertEqual(created.service, "services/discard")

    def test_output_only_fields_of_the_request_are_ignored(self):
        created = self.admin.create(
            "web",
            "tcp://127.0.0.1:0",
            name="listeners/other",
            uid="mine",
            effective_address="tcp://127.0.0.1:1",
            effective_backlog=7,
            state=Listener.FAILED,
            state_reason="because",
            etag="mine",
            create_time=timestamp_pb2.Timestamp(seconds=1),
            update_time=timestamp_pb2.Timestamp(seconds=1),
            counters=counters_pb2.Counters(receive_bytes=99),
        )
        self.assertEqual(created.name, "listeners/web")
        self.assertNotIn("mine", (created.uid, created.etag))
        self.assertNotEqual(created.effective_address, "tcp://127.0.0.1:1")
        self.assertNotEqual(created.effective_backlog, 7)
        self.assertEqual((created.state, created.state_reason), (Listener.ACTIVE, ""))
        self.assertGreater(created.create_time.seconds, 1)
        self.assertEqual(created.counters, counters_pb2.Counters())

    def test_longest_id_and_texts(self):
        listener_id = "a" * 61 + "-0"
        created = self.admin.create(
            listener_id,
            "tcp://127.0.0.1:0",
            display_name="d" * 256,
            labels={f"key_{i}.x-{i}": "v" * 256 for i in range(64)},
        )
        self.assertEqual(self.admin.get_listener(listener_id), created)

    def test_same_name_again_is_another_listener(self):
        first = self.admin.create("web", "tcp://127.0.0.1:0")
        self.admin.delete("web")
        second = self.admin.create("web", "tcp://127.0.0.1:0")
        self.assertNotEqual(first.uid, second.uid)
        self.assertNotEqual(first.etag, second.etag)


class EchoTest(DaemonTestCase):
    def exchange(self, address, **fields):
        """Creates an echo at `address`, talks to it, and compares all counters there are."""
        created = self.admin.create("web", address, **fields)
        is_stream = address.startswith("tcp")
        sent = 0
        connections = [self.connect(created.effective_address) for _ in range(3)]
        for number, peer in enumerate(connections):
            for size in (1, 1000, 50_000):
                self.assert_echo(peer, peers.random_bytes(size, seed=number))
                sent += size
        wanted = {
            "receive_bytes": sent,
            "transmit_bytes": sent,
            "accepted_connections": 3 if is_stream else 0,
            "active_connections": 3 if is_stream else 0,
            "max_active_connections": 3 if is_stream else 0,
            "receive_errors": 0,
            "transmit_errors": 0,
            "truncated_messages": 0,
            "dropped_messages": 0,
        }
        if not is_stream:
            # A stream has no messages: how often it is read depends on how it arrives.
            wanted |= {"receive_messages": 9, "transmit_messages": 9}
        self.eventually(lambda: self.counters(wanted), wanted)
        self.admin.delete("web", force=True)

    def counters(self, names):
        counters = self.admin.get_listener("web").counters
        return {name: getattr(counters, name) for name in names}

    def test_ipv4(self):
        for address in IPV4:
            with self.subTest(address):
                self.exchange(address)

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_ipv6(self):
        for address in IPV6:
            with self.subTest(address):
                self.exchange(address)
                self.exchange(address, ipv6_only=True)

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_wildcard_of_ipv6_takes_ipv4_too(self):
        for protocol in ("tcp", "udp"):
            created = self.admin.create(protocol, f"{protocol}://[::]:0")
            port = peers.port_of(created.effective_address)
            self.assert_echo(self.connect(f"{protocol}://127.0.0.1:{port}"))
            self.assert_echo(self.connect(f"{protocol}://[::1]:{port}"))

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_ipv6_only_leaves_the_port_of_ipv4_free(self):
        created = self.admin.create("six", "tcp://[::]:0", ipv6_only=True)
        port = peers.port_of(created.effective_address)
        with self.assertRaises(ConnectionRefusedError):
            self.connect(f"tcp://127.0.0.1:{port}")
        four = self.admin.create("four", f"tcp://0.0.0.0:{port}")
        self.assert_echo(self.connect(four.effective_address))
        self.assert_echo(self.connect(created.effective_address))


class DiscardTest(DaemonTestCase):
    def test_takes_everything_and_answers_nothing(self):
        data = peers.random_bytes(1_000_000)
        for protocol, message in (("tcp", data), ("udp", data[:60_000])):
            created = self.admin.create(protocol, f"{protocol}://127.0.0.1:0", service="discard")
            peer = self.connect(created.effective_address)
            peer.sendall(message)
            self.eventually(
                lambda: self.admin.get_listener(protocol).counters.receive_bytes, len(message)
            )
            self.assertEqual(self.admin.get_listener(protocol).counters.transmit_bytes, 0)
            peer.setblocking(False)
            with self.assertRaises(BlockingIOError):
                peer.recv(1)


class MaxConnectionsTest(DaemonTestCase):
    def test_one_more_is_closed_and_counted(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0", max_connections=2)
        first, second = (self.connect(created.effective_address) for _ in range(2))
        self.assert_echo(first)
        self.assert_echo(second)
        self.assert_closed(self.connect(created.effective_address))
        counters = self.admin.get_listener("web").counters
        self.assertEqual((counters.accepted_connections, counters.rejected_connections), (2, 1))
        first.close()
        self.eventually(lambda: self.admin.get_listener("web").counters.active_connections, 1)
        self.assert_echo(self.connect(created.effective_address))
        self.assert_echo(second)


class ListListenersTest(DaemonTestCase):
    def test_in_the_order_of_names(self):
        for listener_id in ("b", "a-1", "c", "a", "a1"):
            self.admin.create(listener_id, "tcp://127.0.0.1:0")
        names = [listener.name.removeprefix("listeners/") for listener in self.admin.listeners()]
        self.assertEqual(names, ["a", "a-1", "a1", "b", "c"])

    def test_pages_are_right_whatever_comes_and_goes(self):
        ids = [f"stay-{i}" for i in range(10)]
        for listener_id in [*ids, "gone-1", "stay-3-gone"]:
            self.admin.create(listener_id, "tcp://127.0.0.1:0")
        seen, token, page = [], "", 0
        while page == 0 or token:
            response = self.admin.call(
                "ListListeners", admin_pb2.ListListenersRequest(page_size=3, page_token=token)
            )
            self.assertLessEqual(len(response.listeners), 3)
            seen += [listener.name.removeprefix("listeners/") for listener in response.listeners]
            token = response.next_page_token
            # The last one of this page goes as well: the token outlives what it speaks of.
            churn = {0: "gone-1", 1: "stay-3-gone"}.get(page)
            if churn:
                self.admin.delete(churn)
                self.admin.create(f"a-{page}", "tcp://127.0.0.1:0")
            page += 1
        self.assertEqual([name for name in seen if name in ids], ids)
        self.assertEqual(len(seen), len(set(seen)))

    def test_page_fits_into_a_message_of_a_stock_client(self):
        # 4 MiB, the default of every gRPC library.
        labels = {f"label-{i}": "v" * 256 for i in range(64)}
        for i in range(300):
            self.admin.create(f"l-{i:03}", "udp://127.0.0.1:0", labels=labels)
        listed = self.admin.listeners()
        self.assertEqual([l.name for l in listed], [f"listeners/l-{i:03}" for i in range(300)])


class DeleteListenerTest(DaemonTestCase):
    def test_frees_the_address(self):
        for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            created = self.admin.create("web", f"{protocol}://127.0.0.1:0")
            self.admin.delete("web")
            with socket.socket(socket.AF_INET, kind) as other:
                other.bind(("127.0.0.1", peers.port_of(created.effective_address)))
        self.assertEqual(self.admin.listeners(), [])
        self.assertEqual(self.admin.sockets(), [])

    def test_force_closes_connections(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        connections = [self.connect(created.effective_address) for _ in range(5)]
        for peer in connections:
            self.assert_echo(peer)
        self.admin.delete("web", force=True)
        for peer in connections:
            self.assert_closed(peer)
        self.assertEqual(self.admin.host().sockets.used, 0)

    def test_leaves_no_socket_behind(self):
        before = self.daemon.open_sockets()
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        self.assert_echo(self.connect(created.effective_address))
        self.admin.delete("web", force=True)
        self.assertEqual(self.daemon.open_sockets(), before)

    def test_right_etag(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        self.admin.delete("web", etag=created.etag)
        self.assertEqual(self.admin.listeners(), [])

    def test_allow_missing(self):
        self.admin.delete("web", allow_missing=True)

    def test_waiting_connections_are_not_lost_unseen(self):
        # A connection that the kernel has taken and the daemon has not is ended, not left hanging.
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        peer = self.connect(created.effective_address)
        self.admin.delete("web", force=True)
        self.assert_closed(peer)
        with self.assertRaises(ConnectionRefusedError):
            self.connect(created.effective_address)


if __name__ == "__main__":
    unittest.main()
