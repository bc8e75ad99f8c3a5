"""Peers that do not read: they are not read, lose nothing, and hold up nobody."""

import pathlib
import select
import socket
import threading
import unittest

import daemon
import peers
from daemon_test_case import DaemonTestCase

# The most that the echo service keeps for one connection.
MOST_KEPT = 64 * 1024
SMALL = 4096
GREETING = b"hello"


def more_than_the_kernel_takes():
    """Bytes that do not fit into the socket buffers between a sender and a peer that stops."""
    largest = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2]
    return 10_000_000 + 2 * int(largest)


class Sender:
    """Sends to a connection on a thread of its own, because nobody reads at the other end."""

    def __init__(self, peer, data):
        self._thread = threading.Thread(target=self._run, args=(peer, data), daemon=True)
        self._thread.start()

    def _run(self, peer, data):
        peer.sendall(data)

    def join(self):
        self._thread.join(daemon.DEADLINE_S)


class BackpressureTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address

    def connect_slow(self):
        """A connection that the daemon knows, whose peer takes little at a time."""
        peer = self.connect(self.address, receive_buffer=SMALL)
        self.assert_echo(peer, GREETING)
        return peer

    def connection_of(self, peer):
        """The daemon's side of a connection; None when it is gone."""
        remote = peers.address_of(peer, peer.getsockname())
        found = self.admin.sockets(f'remote_address = "{remote}"')
        return found[0] if found else None

    def read_peers(self):
        """Addresses of the peers that the daemon reads."""
        return {
            listed.remote_address
            for listed in self.admin.sockets("role = CONNECTION")
            if list(listed.poll_events) == ["POLLIN"]
        }

    def is_read(self, peer):
        return peers.address_of(peer, peer.getsockname()) in self.read_peers()

    def wait_until_stuck(self, peer):
        """Returns the counters of a connection of which two samples are the same, and not read."""
        remote = peers.address_of(peer, peer.getsockname())
        before = None
        for message in self.admin.watch(filter=f'remote_address = "{remote}"'):
            (shown,) = message.sockets
            if list(shown.poll_events) == ["POLLOUT"] and shown.counters == before:
                return before
            before = shown.counters

    def stall(self, *several):
        """Sends, without reading, until the daemon reads no more; returns what the last one sent."""
        sending = {peers.address_of(peer, peer.getsockname()): peer for peer in several}
        sent = {peer: b"" for peer in several}
        for peer in several:
            peer.setblocking(False)
        while still_read := sending.keys() & self.read_peers():
            for peer in select.select([], [sending[name] for name in still_read], [], 0.01)[1]:
                chunk = peers.random_bytes(MOST_KEPT, seed=len(sent[peer]))
                sent[peer] += chunk[: peer.send(chunk)]
        for peer in several:
            peer.settimeout(peers.TIMEOUT_S)
        return sent[several[-1]]


class StalledReaderTest(BackpressureTestCase):
    READERS = 30

    def test_gets_every_byte_when_it_reads_again(self):
        data = peers.random_bytes(more_than_the_kernel_takes())
        stalled = self.connect_slow()
        sender = Sender(stalled, data)
        counters = self.wait_until_stuck(stalled)
        self.assertLessEqual(counters.receive_bytes - counters.transmit_bytes, MOST_KEPT)
        self.assertLess(counters.receive_bytes, len(data))
        self.assertGreater(counters.short_writes + counters.would_block, 0)

        others = [self.connect(self.address) for _ in range(10)]
        for number in range(200):
            message = peers.random_bytes(5000, seed=number)
            self.assert_echo(others[number % len(others)], message)
        self.assertEqual(self.connection_of(stalled).counters.receive_bytes, counters.receive_bytes)

        self.assertTrue(peers.receive(stalled, len(data)) == data, "the answer differs")
        sender.join()
        last_words = b"and on it goes"
        self.assert_echo(stalled, last_words)
        self.settle()
        counters = self.connection_of(stalled).counters
        echoed = len(GREETING) + len(data) + len(last_words)
        self.assertEqual((counters.receive_bytes, counters.transmit_bytes), (echoed, echoed))
        self.assertTrue(self.is_read(stalled))

    def test_costs_no_time(self):
        stalled = self.connect_slow()
        self.stall(stalled)
        self.assert_idle()

    def test_costs_bounded_memory(self):
        stalled = [self.connect_slow() for _ in range(self.READERS)]
        before = self.daemon.anonymous_memory()
        self.stall(*stalled)
        each = (self.daemon.anonymous_memory() - before) / self.READERS
        print(f"own memory per stalled reader: {each:.0f} bytes", flush=True)
        if not daemon.SANITIZERS:
            # The allocator takes its part.
            self.assertLess(each, MOST_KEPT * 3 / 2)


class EndOfStalledReaderTest(BackpressureTestCase):
    def test_half_closed_gets_every_byte_and_then_the_end(self):
        data = peers.random_bytes(1_000_000)
        peer = self.connect_slow()
        sender = Sender(peer, data)
        received = b""
        # Slowly: what the kernel holds at a time is small.
        while len(received) < 100_000:
            received += peer.recv(SMALL)
        sender_is_done = threading.Thread(
            target=lambda: (sender.join(), peer.shutdown(socket.SHUT_WR))
        )
        sender_is_done.start()
        received += peers.receive_all(peer)
        sender_is_done.join()
        self.assertEqual(len(received), len(data))
        self.assertTrue(received == data, "the answer differs")
        self.eventually(lambda: self.connection_of(peer), None)
        self.assert_idle()

    def test_half_closed_while_it_is_not_read_costs_no_time(self):
        peer = self.connect_slow()
        sent = self.stall(peer)
        peer.shutdown(socket.SHUT_WR)
        self.assert_idle()
        self.assertTrue(peers.receive_all(peer) == sent, "the answer differs")
        self.eventually(lambda: self.connection_of(peer), None)

    def test_reset_frees_it(self):
        bystander = self.connect(self.address)
        self.assert_echo(bystander)
        self.settle()
        fds = self.daemon.open_sockets()
        for _ in range(5):
            peer = self.connect_slow()
            self.stall(peer)
            peers.reset(peer)
            self.eventually(lambda: self.admin.host().sockets.used, 2)
            self.assert_echo(bystander, b"still served")
        self.assertEqual(self.daemon.open_sockets(), fds)
        self.assertEqual(self.admin.get_listener("web").counters.active_connections, 1)
        self.assert_idle()

    def test_close_without_reading_frees_it(self):
        peer = self.connect_slow()
        self.stall(peer)
        peer.close()
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.assert_idle()

    def test_reset_of_an_idle_connection_frees_it(self):
        peer = self.connect(self.address)
        self.assert_echo(peer)
        peers.reset(peer)
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.assert_idle()

    def test_force_closes_stalled_readers(self):
        stalled = [self.connect_slow() for _ in range(3)]
        self.stall(*stalled)
        self.admin.delete("web", force=True)
        self.assertEqual(self.admin.host().sockets.used, 0)


if __name__ == "__main__":
    unittest.main()
