"""The service thread does not come back: the admin API says so, and waits for nothing."""

import contextlib
import ctypes
import itertools
import os
import pathlib
import signal
import unittest

import grpc
from sockhost.v1 import admin_pb2

import admin
import daemon
from daemon_test_case import DaemonTestCase

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WAIT_FOR_THREADS = 0x40000000  # __WALL

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread_id):
    if libc.ptrace(request, thread_id, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


@contextlib.contextmanager
def frozen(thread_id):
    """Stops one thread of a child process and lets the others run."""
    try:
        ptrace(PTRACE_SEIZE, thread_id)
    except PermissionError as error:
        raise unittest.SkipTest("ptrace is not permitted here") from error
    ptrace(PTRACE_INTERRUPT, thread_id)
    os.waitpid(thread_id, WAIT_FOR_THREADS)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH, thread_id)


def state_of(task):
    """The letter of ps(1), e.g. S: it sleeps."""
    return (task / "stat").read_text().rpartition(") ")[2][0]


class FrozenThreadTest(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.peer = self.connect(self.address)
        self.assert_echo(self.peer)

    def service_thread(self):
        for task in pathlib.Path(f"/proc/{self.daemon.pid}/task").iterdir():
            if (task / "comm").read_text() == "service\n":
                return int(task.name)
        raise AssertionError("there is no service thread")

    def frozen_service_thread(self):
        """Stops it while it waits for events: it holds no lock then, of ours or of malloc's."""
        self.settle()
        thread = self.service_thread()
        task = pathlib.Path(f"/proc/{self.daemon.pid}/task/{thread}")
        self.eventually(lambda: state_of(task), "S")
        return frozen(thread)

    def test_deletion_is_not_waited_for_and_happens_later(self):
        with self.frozen_service_thread():
            failure = self.assert_fails(
                "SERVICE_THREAD_STALLED", self.admin.delete, "web", force=True
            )
            self.assertEqual(failure.metadata["listener"], "listeners/web")
            self.assertEqual(self.admin.get_listener("web").state, admin.Listener.DRAINING)
            # The name and the address are not free yet.
            self.assert_fails("LISTENER_EXISTS", self.admin.create, "web", "tcp://127.0.0.1:0")
        daemon.eventually(self.admin.listeners, lambda listed: not listed, "no listeners")
        self.assert_closed(self.peer)
        self.assertEqual(self.admin.create("web", self.address).effective_address, self.address)

    def test_repeated_deletion_is_still_in_progress(self):
        with self.frozen_service_thread():
            self.assert_fails(
                "SERVICE_THREAD_STALLED", self.admin.delete, "web", force=True, request_id="r-1"
            )
            self.assert_fails(
                "REQUEST_IN_PROGRESS", self.admin.delete, "web", force=True, request_id="r-1",
                fields=["request_id"],
            )
        daemon.eventually(self.repeat_deletion, bool, "the answer of the first call")

    def repeat_deletion(self):
        """False: the first call is still in progress; the listener goes a moment before that ends."""
        try:
            self.admin.delete("web", force=True, request_id="r-1")
        except grpc.RpcError as error:
            self.assertEqual(admin.failure_of(error).reason, "REQUEST_IN_PROGRESS")
            return False
        self.assertEqual(self.admin.listeners(), [])
        return True

    def test_changes_of_listeners_are_answered_and_hold(self):
        def call(method, **fields):
            return self.admin.call(method, getattr(admin_pb2, f"{method}Request")(**fields))

        with self.frozen_service_thread():
            moved = call(
                "UpdateListener",
                listener=admin.Listener(name="listeners/web", address="tcp://127.0.0.2:0"),
            )
            self.assertEqual(moved.state, admin.Listener.ACTIVE)
            paused = call("PauseListener", name="listeners/web")
            self.assertEqual(paused.state, admin.Listener.PAUSED)
            call("ResumeListener", name="listeners/web")
            drained = call("DrainListener", name="listeners/web")
            self.assertEqual(drained.state, admin.Listener.DRAINING)
        self.assert_echo(self.peer)
        self.eventually(lambda: len(self.admin.sockets("role = LISTENING")), 0)

    def test_everything_else_answers(self):
        with self.frozen_service_thread():
            self.assertEqual(len(self.admin.listeners()), 1)
            self.assertEqual(len(self.admin.sockets()), 2)
            self.assertEqual(self.admin.host().sockets.used, 2)
            new = self.admin.create("new", "tcp://127.0.0.1:0").effective_address
            stream = self.admin.watch()
            self.assertEqual([next(stream).sync, next(stream).sync], [True, False])
            stream.cancel()
            early = self.connect(new)
            early.sendall(b"early")
        self.assertEqual(early.recv(5), b"early")
        self.assert_echo(self.peer, b"as if nothing had happened")


class StoppedProcessTest(DaemonTestCase):
    """SIGSTOP and SIGCONT, as a suspended machine: nobody has stalled."""

    def test_time_that_passed_while_it_was_stopped_is_no_stall(self):
        folder = pathlib.Path(self.folder) / "clock"
        folder.mkdir()
        clock = self.start(folder=folder).admin
        peer = self.connect(self.admin.create("web", "tcp://127.0.0.1:0").effective_address)
        self.assert_echo(peer)
        health = self.admin.watch_health()
        self.assertEqual(next(health), "SERVING")
        self.daemon.signal(signal.SIGSTOP)
        peer.sendall(b"while it is stopped")
        # A second, by another daemon's clock: more than any limit of the watchdog.
        stream = clock.watch(interval_s=0.1)
        for _ in itertools.islice(stream, 10):
            pass
        stream.cancel()
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(peer.recv(100), b"while it is stopped")
        self.assert_echo(peer)
        self.assertEqual(self.admin.health(), "SERVING")
        self.daemon.signal()
        # The next change is that of the stop.
        self.assertEqual(next(health), "NOT_SERVING")
        peer.close()
        self.assertEqual(self.daemon.wait(), 0)
        self.assertNotIn("holds the service thread", self.daemon.log())


if __name__ == "__main__":
    unittest.main()
