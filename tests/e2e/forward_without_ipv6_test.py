"""Upstreams that this machine has no protocol for: the others serve."""

import pathlib
import socket
import unittest

import network_namespace
import peers
from forward_test import ANY_UDP, ForwardTestCase

network_namespace.enter()

NOWHERE = "[2001:db8::1]:7"


class WithoutIpv6Test(ForwardTestCase):
    def setUp(self):
        super().setUp()
        try:
            pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        except OSError as error:
            raise unittest.SkipTest(f"cannot turn IPv6 off: {error}") from error

    def assert_no_address(self):
        (nowhere, _) = self.admin.get_listener("fwd").upstreams
        self.assertEqual((nowhere.failures, nowhere.last_error), (1, "EADDRNOTAVAIL"))
        self.assertEqual(self.counters().connect_failures, 1)

    def test_connection(self):
        good = self.upstream()
        client = self.connect(self.forward(f"tcp://{NOWHERE}", good.address))
        client.sendall(b"x")
        self.assertEqual(peers.receive(self.accepted(good), 1), b"x")
        self.assert_no_address()

    def test_flow(self):
        good = self.upstream(kind=socket.SOCK_DGRAM)
        client = self.connect(self.forward(f"udp://{NOWHERE}", good.address, address=ANY_UDP))
        client.send(b"x")
        self.assertEqual(good.socket.recv(1), b"x")
        self.assert_no_address()
