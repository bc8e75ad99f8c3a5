"""One connection that sends all the time leaves the others their turn."""

import contextlib
import pathlib
import subprocess
import sys
import unittest

import peers
from daemon_test_case import DaemonTestCase

FIREHOSE = pathlib.Path(__file__).parent / "firehose.py"
CHUNK = 256 * 1024
ROUNDS = 10
EXCHANGES = 20


@contextlib.contextmanager
def firehose(address, connections, bytes_per_send):
    """Clients that send all the time, from before the block until after it."""
    command = [sys.executable, "-B", str(FIREHOSE), address.removeprefix("tcp://")]
    with subprocess.Popen(
        [*command, str(connections), str(bytes_per_send)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "running\n", "the firehose does not run"
            yield
            assert process.poll() is None, "the firehose has ended"
        finally:
            process.kill()


class FairnessTest(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.address = self.admin.create("hot", "tcp://127.0.0.1:0").effective_address

    def received(self):
        return self.admin.get_listener("hot").counters.receive_bytes

    def assert_both_are_served(self, pinger_address, connections, bytes_per_send):
        """The pinger is answered while the firehose runs, and the firehose goes on meanwhile."""
        pinger = self.connect(pinger_address)
        with firehose(self.address, connections, bytes_per_send):
            for number in range(ROUNDS):
                before = self.received()
                for _ in range(EXCHANGES):
                    self.assert_echo(pinger, b"%d" % number)
                self.eventually(lambda at_first=before: self.received() > at_first, True)

    def test_stream_beside_large_writes(self):
        other = self.admin.create("calm", "tcp://127.0.0.1:0").effective_address
        self.assert_both_are_served(other, 1, CHUNK)

    def test_stream_of_the_same_listener(self):
        self.assert_both_are_served(self.address, 1, CHUNK)

    def test_stream_beside_single_bytes(self):
        other = self.admin.create("calm", "tcp://127.0.0.1:0").effective_address
        self.assert_both_are_served(other, 1, 1)

    def test_datagram_beside_several(self):
        other = self.admin.create("calm", "udp://127.0.0.1:0").effective_address
        self.assert_both_are_served(other, 8, CHUNK)


if __name__ == "__main__":
    unittest.main()
