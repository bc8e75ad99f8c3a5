"""Every system call that opens, registers or closes something fails once, at each place.

strace injects the failures into fault_paths, which checks itself: as many fds open as before, no
client without an answer, every call returned. FAULT_PATHS names the program.
"""

import collections
import os
import re
import shutil
import subprocess
import tempfile
import unittest

TIMEOUT_S = 120
# Errors that the kernel can return, and what to do about them is different.
FAULTS = {
    "socket": ["EMFILE", "ENOBUFS"],
    "setsockopt": ["ENOBUFS"],
    "bind": ["EADDRINUSE"],
    "listen": ["EADDRINUSE"],
    "getsockname": ["ENOBUFS"],
    "accept4": ["EMFILE", "ECONNABORTED", "EINTR"],
    "epoll_create1": ["EMFILE"],
    "eventfd2": ["EMFILE"],
    "epoll_ctl": ["ENOMEM"],
    "epoll_wait": ["EINTR", "EINVAL"],
    "recvfrom": ["ECONNRESET", "EINTR"],
    "sendto": ["EPIPE", "EINTR"],
    "recvmsg": ["ECONNRESET"],
    "sendmsg": ["EPIPE"],
    "recvmmsg": ["ECONNREFUSED"],
    "sendmmsg": ["EPERM"],
}
# A thread waits as often as the machine lets it; after so many waits nothing new is met.
MOST_PLACES = 24


def strace(*options):
    program = os.environ["FAULT_PATHS"]
    return subprocess.run(
        ["strace", "-f", "-qq", *options, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def places():
    """Returns {system call: how often the thread that makes it most often makes it}."""
    with tempfile.NamedTemporaryFile("r", prefix="fault-paths-") as trace:
        done = strace("-e", "trace=" + ",".join(FAULTS), "-o", trace.name)
        if done.returncode != 0:
            raise AssertionError(f"without any failure: {done.stderr}")
        counts = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read(), re.MULTILINE))
    most = collections.defaultdict(int)
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class SyscallFaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.places = places()

    def inject(self, call, error, place):
        """Returns whether the program came to that place."""
        with self.subTest(call=call, error=error, place=place):
            with tempfile.NamedTemporaryFile("r", prefix="fault-paths-") as trace:
                done = strace(
                    *("-e", f"trace={call}", "-o", trace.name),
                    *("-e", f"inject={call}:error={error}:when={place}"),
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                return "(INJECTED)" in trace.read()
        return False

    def test_paths_make_the_calls(self):
        for call in ("socket", "bind", "listen", "accept4", "epoll_ctl"):
            self.assertGreater(self.places[call], 0, call)


def add_test(call, errors):
    def test(self):
        for error in errors:
            most = min(self.places[call], MOST_PLACES)
            failed = sum(self.inject(call, error, place) for place in range(1, most + 1))
            # Not every run comes to every place: what comes in one turn can come in two.
            self.assertGreaterEqual(failed, min(1, most), error)

    test.__name__ = f"test_{call}_fails_at_each_place"
    setattr(SyscallFaultsTest, test.__name__, test)


for _call, _errors in FAULTS.items():
    add_test(_call, _errors)

if __name__ == "__main__":
    unittest.main()
