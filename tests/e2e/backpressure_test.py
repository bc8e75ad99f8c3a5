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
        try:
            peer.sendall(data)
        except OSError:
            pass  # the test has closed or reset the connection

    def join(self):
        self._thread.join(daemon.DEADLINE_S)


class BackpressureTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address

    def connect_slow(self):
        return self.connect(self.address, receive_buffer=SMALL)

    def connection_of(self, peer):
        """The daemon's side of a connection; None when it is gone."""
        remote = peers.address_of(peer, peer.getsockname())
        found = self.admin.sockets(f'remote_address = "{remote}"')
        return found[0] if found else None

    def wait_until_not_read(self, peer):
        self.eventually(lambda: list(self.connection_of(peer).poll_events), ["POLLOUT"])

    def stall(self, peer):
        """Sends, without reading, until the daemon does not read any more."""
        sender = Sender(peer, peers.random_bytes(more_than_the_kernel_takes()))
        self.addCleanup(sender.join)
        self.wait_until_not_read(peer)


class StalledReaderTest(BackpressureTestCase):
    def test_gets_every_byte_when_it_reads_again(self):
        data = peers.random_bytes(more_than_the_kernel_takes())
        stalled = self.connect_slow()
        sender = Sender(stalled, data)
        self.wait_until_not_read(stalled)

        counters = self.connection_of(stalled).counters
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
        self.assert_echo(stalled, b"and on it goes")
        self.settle()
        counters = self.connection_of(stalled).counters
        self.assertEqual(counters.receive_bytes, len(data) + 14)
        self.assertEqual(counters.transmit_bytes, len(data) + 14)
        self.assertEqual(list(self.connection_of(stalled).poll_events), ["POLLIN"])

    def test_costs_no_time(self):
        stalled = self.connect_slow()
        self.stall(stalled)
        self.assert_idle()

    def test_costs_bounded_memory(self):
        stalled = [self.connect_slow() for _ in range(40)]
        for peer in stalled:
            self.assert_echo(peer)
        before = self.daemon.anonymous_memory()
        for peer in stalled:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            peer.setblocking(False)
        chunk = bytes(MOST_KEPT)
        waiting = list(stalled)
        while waiting:
            for peer in select.select([], waiting, [], 0.01)[1]:
                peer.send(chunk)
            waiting = [p for p in waiting if "POLLIN" in self.connection_of(p).poll_events]
        grown = self.daemon.anonymous_memory() - before
        print(f"40 stalled readers cost {grown // 40} bytes each")
        if not daemon.SANITIZERS:
            self.assertLess(grown, 40 * MOST_KEPT * 3 // 2)


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
        peer.setblocking(False)
        sent = b""
        while list(self.connection_of(peer).poll_events if sent else ["POLLIN"]) != ["POLLOUT"]:
            if select.select([], [peer], [], 0.01)[1]:
                chunk = peers.random_bytes(MOST_KEPT, seed=len(sent))
                sent += chunk[: peer.send(chunk)]
        peer.shutdown(socket.SHUT_WR)
        self.assert_idle()
        peer.settimeout(peers.TIMEOUT_S)
        self.assertTrue(peers.receive_all(peer) == sent, "the answer differs")
        self.eventually(lambda: self.connection_of(peer), None)

    def test_reset_frees_it(self):
        bystander = self.connect(self.address)
        self.assert_echo(bystander)
        self.settle()
        memory = self.daemon.open_fds()
        for _ in range(5):
            peer = self.connect_slow()
            self.stall(peer)
            peers.reset(peer)
            self.eventually(lambda: self.admin.host().sockets.used, 2)
            self.assert_echo(bystander, b"still served")
        self.assertEqual(self.daemon.open_fds(), memory)
        self.assertEqual(self.admin.get_listener("web").counters.active_connections, 1)
        self.assert_idle()

    def test_close_without_reading_frees_it(self):
        peer = self.connect_slow()
        self.stall(peer)
        peer.shutdown(socket.SHUT_RDWR)
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
        for peer in stalled:
            self.stall(peer)
        self.admin.delete("web", force=True)
        self.assertEqual(self.admin.host().sockets.used, 0)


if __name__ == "__main__":
    unittest.main()
