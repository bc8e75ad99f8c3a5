"""Beside firehoses: what they cost a connection that asks and waits."""

import unittest

import fairness_test
import latencies
from daemon_test_case import DaemonTestCase

EXCHANGES = 2000
# The requirement is 5 ms on an idle machine. A service thread that does not leave a
# firehose before it ends answers never; a busy machine, late.
MOST_SECONDS = 0.5

FIREHOSES = {
    "nothing": None,
    "one firehose, 256 KiB a write": (1, 256 * 1024),
    "16 firehoses, 256 KiB a write": (16, 256 * 1024),
    "one firehose, 1 byte a write": (1, 1),
    "16 firehoses, 1 byte a write": (16, 1),
}


class FirehoseTest(DaemonTestCase):
    def test_pinger_is_answered(self):
        hot = self.admin.create("hot", "tcp://127.0.0.1:0").effective_address
        pinger = self.connect(self.admin.create("calm", "tcp://127.0.0.1:0").effective_address)
        for what, firehoses in FIREHOSES.items():
            with self.subTest(what):
                if firehoses:
                    with fairness_test.firehose(hot, *firehoses):
                        taken = latencies.measure(pinger, EXCHANGES)
                else:
                    taken = latencies.measure(pinger, EXCHANGES)
                print(f"{what:<32} {latencies.summary(taken)}", flush=True)
                self.assertLess(latencies.percentile(taken, 0.999), MOST_SECONDS)


if __name__ == "__main__":
    unittest.main()
