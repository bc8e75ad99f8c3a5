"""A million datagrams of every size, from peers that stay and peers that are gone."""

import random
import select
import unittest

import peers
from daemon_test_case import DaemonTestCase

DATAGRAMS = 1_000_000
PEERS = 32
BURST = 16
SIZES = (0, 1, 2, 64, 512, 1472, 1473, 9000, peers.MAX_DATAGRAM)
# How often each of SIZES comes up: the large ones cost the most time.
WEIGHTS = (100, 100, 50, 400, 200, 100, 20, 10, 1)
# A peer is replaced every so many bursts, before its answers have come: sends to it
# fail then (ECONNREFUSED by ICMP).
BURSTS_A_LIFE = 50


class Storm:
    """Closed loops of bursts; how many datagrams were sent, and how many came back."""

    def __init__(self, address):
        self._address = address
        self._random = random.Random(1)
        self._payloads = {size: peers.random_bytes(size, seed=size) for size in SIZES}
        self._peers = [self._connect() for _ in range(PEERS)]
        self.sent = 0
        self.answered = 0

    def _connect(self):
        peer = peers.connect(self._address)
        peer.setblocking(False)
        return peer

    def run(self, datagrams):
        burst = 0
        while self.sent < datagrams:
            index = burst % PEERS
            burst += 1
            sizes = self._random.choices(SIZES, WEIGHTS, k=BURST)
            self._exchange(self._peers[index], sizes)
            if burst % BURSTS_A_LIFE == 0:
                self._send(self._peers[index], sizes)
                self._peers[index].close()
                self._peers[index] = self._connect()

    def close(self):
        for peer in self._peers:
            peer.close()

    def _send(self, peer, sizes):
        for size in sizes:
            try:
                peer.send(self._payloads[size])
                self.sent += 1
            except BlockingIOError:
                pass

    def _exchange(self, peer, sizes):
        self._send(peer, sizes)
        waiting = len(sizes)
        # Some may be lost: the receive buffer of a socket is as large as it is.
        while waiting > 0 and select.select([peer], [], [], 0.1)[0]:
            answer = peer.recv(65536)
            assert answer == self._payloads[len(answer)], "the answer differs"
            waiting -= 1
            self.answered += 1


class DatagramStormTest(DaemonTestCase):
    def test_every_datagram_is_accounted_for(self):
        # As fast as the peers can.
        guard = {"peer_reply_rate": 1_000_000_000}
        created = self.admin.create("storm", "udp://127.0.0.1:0", udp_guard=guard)
        address = created.effective_address
        storm = Storm(address)
        self.addCleanup(storm.close)
        storm.run(DATAGRAMS)
        self.settle()
        counters = self.admin.get_listener("storm").counters
        received, answered = counters.receive_messages, counters.transmit_messages
        print(
            f"sent {storm.sent}, received {received}, answered {answered}, "
            f"dropped {counters.dropped_messages}, came back {storm.answered}",
            flush=True,
        )
        self.assertEqual(answered + counters.dropped_messages, received)
        self.assertLessEqual(received, storm.sent)
        self.assertLessEqual(storm.answered, answered)
        # What the kernel drops because a receive buffer is full is little in closed loops.
        self.assertGreater(received, 0.99 * storm.sent)
        self.assert_echo(self.connect(address), b"lives on")
        self.assert_idle()


if __name__ == "__main__":
    unittest.main()
