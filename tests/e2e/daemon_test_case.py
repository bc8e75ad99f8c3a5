"""What the tests here have in common: daemons that stop in order, and logs of failures."""

import contextlib
import itertools
import sys
import tempfile
import unittest

import grpc

import admin
import daemon
import peers

REASONS = admin.documented_reasons()
METADATA = admin.documented_metadata()


class DaemonTestCase(unittest.TestCase):
    """A test with one sockhostd, `self.daemon`, and its client `self.admin`."""

    # Flags of the daemon that setUp starts; None: setUp starts none.
    flags = ()

    def setUp(self):
        self._daemons = []
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sockhost-e2e."))
        if self.flags is not None:
            self.daemon = self.start(*self.flags)
            self.admin = self.daemon.admin

    def run(self, result=None):
        """Adds the daemons' logs to a failure."""
        before = len(result.failures) + len(result.errors)
        self._logs = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for log in self._logs:
                print(f"---- log of sockhostd in {self.id()}:\n{log}", file=sys.stderr)

    def start(self, *flags, folder=None, **options):
        """Starts a sockhostd that is stopped in order when the test is over."""
        started = daemon.Daemon(folder or self.folder, *flags, **options)
        self.addCleanup(lambda: self._logs.append(started.log()))
        self.addCleanup(started.kill)
        self.addCleanup(started.stop)
        return started

    def connect(self, address, **options):
        peer = peers.connect(address, **options)
        self.addCleanup(peer.close)
        return peer

    def settle(self):
        """What was answered is counted, too: an answer leaves before its handler call is over.

        A deletion returns when the service thread has finished the turn it was in.
        """
        self.admin.create("settle", "udp://127.0.0.1:0", service="discard")
        self.admin.delete("settle")

    # ---- Assertions ----------------------------------------------------------

    def eventually(self, read, wanted):
        """Waits until `read` returns what is wanted; what a daemon does is seen a moment later."""
        daemon.eventually(read, lambda value: value == wanted, wanted)

    def assert_echo(self, peer, message=b"hello"):
        self.assertEqual(peers.echo(peer, message), message)

    def assert_idle(self):
        """The service thread sleeps, however much time passes.

        It may still be about to take its last turns: on a loaded machine they come late.
        """

        def wakeups_of_a_while():
            before = self.admin.host().loop.wakeups
            stream = self.admin.watch(filter="fd = -1")
            for _ in itertools.islice(stream, 4):
                pass
            stream.cancel()
            return self.admin.host().loop.wakeups - before

        self.settle()
        self.assertIn(0, (wakeups_of_a_while() for _ in range(3)))

    def assert_closed(self, peer):
        """The daemon has ended the connection."""
        try:
            self.assertEqual(peer.recv(1), b"")
        except ConnectionResetError:
            pass

    def assert_fails(self, reason, call, *arguments, fields=(), **options):
        """`call` fails with `reason`, as documented, and with nothing else; returns the failure."""
        with self.assertRaises(grpc.RpcError) as raised:
            call(*arguments, **options)
        failure = admin.failure_of(raised.exception)
        self.assertEqual(failure.reason, reason, failure)
        self.assertEqual(failure.code, REASONS[reason], failure)
        self.assertEqual(failure.domain, "sockhost", failure)
        self.assertEqual(sorted(failure.fields), sorted(fields), failure)
        self.assertLessEqual(set(failure.metadata), METADATA[reason], failure)
        self.assertTrue(failure.message.isprintable(), failure)
        return failure

    @contextlib.contextmanager
    def nothing_changes(self):
        """Everything that the API shows is the same afterwards."""
        before = self.state()
        yield
        self.assertEqual(self.state(), before)

    def state(self):
        """What a call that fails must leave alone. Not the fds: gRPC has some that come and go."""
        host = self.admin.host()
        uses = (host.sockets, host.listeners, host.watches)
        return {
            "listeners": self.admin.listeners(),
            "sockets": self.admin.sockets(),
            "used": [use.used for use in uses],
        }
