"""Lists: filters and orders of every resource, pages that stay right meanwhile."""

import unittest

from sockhost.v1 import admin_pb2

from daemon_test_case import DaemonTestCase


def names(resources):
    """E.g. ["web"] of listeners/web."""
    return [resource.name.split("/")[1] for resource in resources]


class ListenersTest(DaemonTestCase):
    def setUp(self):
        super().setUp()
        for name, service, tier in (("a", "echo", "3"), ("b", "discard", "1"), ("c", "echo", "2")):
            self.admin.create(name, "tcp://127.0.0.1:0", service, labels={"tier": tier})
        self.admin.create("d", "udp://127.0.0.1:0", "discard")

    def test_filters(self):
        for filter_text, wanted in (
            ("service = echo", "ac"),
            ("service = echo OR labels.tier = 1", "abc"),
            ("service = echo OR labels.tier = 1 AND NOT name = a", "bc"),
            ("labels.tier:*", "abc"),
            ("address = udp://*", "d"),
            ("state = ACTIVE", "abcd"),
            ("create_time > 2020-01-01T00:00:00Z AND counters.accepted_connections = 0", "abcd"),
            ("labels.no-such-key = x", ""),
        ):
            with self.subTest(filter_text):
                listed = self.admin.listeners(filter=filter_text, page_size=2)
                self.assertEqual("".join(names(listed)), wanted)

    def test_orders(self):
        for order_by, wanted in (
            ("", "abcd"),
            ("name desc", "dcba"),
            ("labels.tier", "dbca"),
            ("service, labels.tier desc", "bdac"),
            ("create_time desc", "dcba"),
        ):
            for page_size in (1, 3, 0):
                with self.subTest(order_by, page_size=page_size):
                    listed = self.admin.listeners(order_by=order_by, page_size=page_size)
                    self.assertEqual("".join(names(listed)), wanted)

    def test_order_is_stable_when_listeners_come_and_go(self):
        request = admin_pb2.ListListenersRequest(page_size=2, order_by="labels.tier desc")
        first = self.admin.call("ListListeners", request)
        self.assertEqual(names(first.listeners), ["a", "c"])
        # The last one of the page goes; others come on both sides of it.
        self.admin.delete("c")
        self.admin.create("e", "tcp://127.0.0.1:0", labels={"tier": "9"})
        self.admin.create("f", "tcp://127.0.0.1:0", labels={"tier": "0"})
        rest = self.admin.listeners(
            page_size=2, order_by=request.order_by, page_token=first.next_page_token
        )
        self.assertEqual(names(rest), ["b", "f", "d"])


class SocketsTest(DaemonTestCase):
    def test_most_busy_first(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        sizes = [1, 300, 20, 4000]
        for size in sizes:
            self.assert_echo(self.connect(created.effective_address), b"x" * size)
        self.settle()
        listed = self.admin.sockets(
            "role = CONNECTION", order_by="counters.receive_bytes desc", page_size=3
        )
        self.assertEqual([s.counters.receive_bytes for s in listed], sorted(sizes, reverse=True))

    def test_or(self):
        for name in ("a", "b", "c"):
            self.admin.create(name, "tcp://127.0.0.1:0")
        listed = self.admin.sockets("listener = a OR listener = c")
        self.assertEqual([s.listener for s in listed], ["listeners/a", "listeners/c"])


class ServicesTest(DaemonTestCase):
    def test_filter_and_order(self):
        self.admin.create("web", "tcp://127.0.0.1:0", "echo")
        self.assertEqual(names(self.admin.services(filter="sockets > 0")), ["echo"])
        listed = names(self.admin.services(filter="kind = BUILT_IN", order_by="sockets desc"))
        self.assertEqual(listed[0], "echo")
        self.assertEqual(listed[1:], sorted(listed[1:]))


if __name__ == "__main__":
    unittest.main()
