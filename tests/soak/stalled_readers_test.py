"""5000 peers that do not read: what they cost the daemon, and its other peers."""

import pathlib
import resource
import unittest

import daemon
import latencies
import network_namespace
import peers
from daemon_test_case import DaemonTestCase

READERS = 5000
# Own memory for each: 64 KiB that it has not taken, and what the allocator takes.
MOST_BYTES_PER_READER = 80 * 1024
# What the kernel keeps for all of them would fill gigabytes otherwise. A read of the
# daemon can be full, though, and little of it be sent: the most that it may keep.
RECEIVE_BUFFER = 256 * 1024
SEND_BUFFER = 16 * 1024
EXCHANGES = 5000
CHUNK = bytes(64 * 1024)


network_namespace.enter()


def setUpModule():
    """The kernel keeps about so many bytes in each direction of a connection, and no more."""
    for name, size in (("tcp_rmem", RECEIVE_BUFFER), ("tcp_wmem", SEND_BUFFER)):
        pathlib.Path(f"/proc/sys/net/ipv4/{name}").write_text(f"4096 {size} {size}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class StalledReadersTest(DaemonTestCase):
    def connect_many(self, address):
        several = [self.connect(address, receive_buffer=4096) for _ in range(READERS)]
        for peer in several:
            peer.setblocking(False)
        return several

    def stalled(self):
        """How many connections the daemon has of which it reads nothing."""
        connections = self.admin.sockets("role = CONNECTION")
        return sum("POLLIN" not in listed.poll_events for listed in connections)

    @staticmethod
    def send(several):
        for peer in several:
            try:
                while True:
                    peer.send(CHUNK)
            except BlockingIOError:
                pass

    def stall(self, several):
        def stalled_after_more():
            self.send(several)
            return self.stalled()

        daemon.eventually(stalled_after_more, lambda count: count == len(several), "all to stall")

    def test_cost_bounded_memory_and_leave_others_alone(self):
        address = self.admin.create("hot", "tcp://127.0.0.1:0").effective_address
        pinger = self.connect(self.admin.create("calm", "udp://127.0.0.1:0").effective_address)
        several = self.connect_many(address)
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), READERS)
        memory = self.daemon.anonymous_memory()
        alone = latencies.measure(pinger, EXCHANGES)

        self.stall(several)
        each = (self.daemon.anonymous_memory() - memory) / READERS
        print(f"own memory for each of {READERS} stalled readers: {each:.0f} bytes", flush=True)
        beside = latencies.measure(pinger, EXCHANGES)
        print(f"a pinger alone:       {latencies.summary(alone)}", flush=True)
        print(f"beside all of them:   {latencies.summary(beside)}", flush=True)
        if not daemon.SANITIZERS:
            self.assertLess(each, MOST_BYTES_PER_READER)
        # The requirement is twice on an idle machine.
        most = max(20 * latencies.percentile(alone, 0.99), 0.1)
        self.assertLess(latencies.percentile(beside, 0.99), most)

        for peer in several:
            peers.reset(peer)
        self.eventually(lambda: self.admin.sockets("role = CONNECTION"), [])
        self.assert_idle()


if __name__ == "__main__":
    unittest.main()
