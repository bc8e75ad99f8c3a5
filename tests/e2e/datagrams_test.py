"""UDP: every datagram is answered and counted once, whatever its size."""

import unittest

import peers
from daemon_test_case import DaemonTestCase

ADDRESSES = ["udp://127.0.0.1:0"] + (["udp://[::1]:0"] if peers.has_ipv6() else [])


class DatagramTest(DaemonTestCase):
    def create(self, address="udp://127.0.0.1:0", service="echo"):
        return self.admin.create("dns", address, service=service).effective_address

    def counters(self):
        c = self.admin.get_listener("dns").counters
        return (c.receive_messages, c.receive_bytes, c.transmit_messages, c.transmit_bytes)

    def test_every_size(self):
        sizes = [0, 1, 2, 1471, 1472, 1473, 9000, 65506, peers.MAX_DATAGRAM]
        for address in ADDRESSES:
            with self.subTest(address):
                peer = self.connect(self.create(address))
                for size in sizes:
                    self.assert_echo(peer, peers.random_bytes(size, seed=size))
                self.settle()
                self.assertEqual(self.counters(), (len(sizes), sum(sizes)) * 2)
                self.admin.delete("dns")

    def test_empty_datagrams_only(self):
        peer = self.connect(self.create())
        for _ in range(100):
            self.assert_echo(peer, b"")
        self.settle()
        self.assertEqual(self.counters(), (100, 0, 100, 0))
        self.assert_idle()

    def test_burst(self):
        # More than one batch, and small enough for the default receive buffer.
        peer = self.connect(self.create())
        for burst in range(20):
            messages = [b"%d-%d" % (burst, i) for i in range(100)]
            for message in messages:
                peer.send(message)
            self.assertEqual([peer.recv(65536) for _ in messages], messages)
        self.settle()
        counted = self.counters()
        self.assertEqual((counted[0], counted[2]), (2000, 2000))
        self.assertEqual(counted[1], counted[3])

    def test_each_peer_gets_its_own(self):
        address = self.create()
        several = [self.connect(address) for _ in range(50)]
        for number, peer in enumerate(several):
            peer.send(b"%d" % number)
        for number, peer in enumerate(several):
            self.assertEqual(peer.recv(65536), b"%d" % number)

    def test_peer_that_is_gone_harms_nobody(self):
        address = self.create()
        for _ in range(50):
            with peers.connect(address) as gone:
                gone.send(b"no one will read the answer")
        self.assert_echo(self.connect(address))

    def test_discard_counts_and_is_silent(self):
        peer = self.connect(self.create(service="discard"))
        for i in range(100):
            peer.send(b"x" * i)
        self.eventually(self.counters, (100, sum(range(100)), 0, 0))
        peer.setblocking(False)
        with self.assertRaises(BlockingIOError):
            peer.recv(1)
        self.assert_idle()

    def test_traffic_shows_in_the_socket_and_in_the_service(self):
        self.assert_echo(self.connect(self.create()), b"12345")
        self.settle()
        (listed,) = self.admin.sockets()
        service = self.admin.get_service("services/echo")
        for counters in (listed.counters, service.counters):
            self.assertEqual((counters.receive_messages, counters.receive_bytes), (1, 5))
            self.assertEqual((counters.transmit_messages, counters.transmit_bytes), (1, 5))
            self.assertEqual((counters.poll_in_events, counters.handler_calls), (1, 1))
            self.assertGreater(counters.handler_time_nanos, 0)
            self.assertTrue(counters.HasField("last_event_time"))


if __name__ == "__main__":
    unittest.main()
