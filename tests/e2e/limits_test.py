"""Limits: who reaches one is told which, how much is used, and what raises it."""

import contextlib
import pathlib
import re
import socket
import unittest

from sockhost.v1 import admin_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase


class LimitTestCase(DaemonTestCase):
    def refuse_listener(self, reason, **options):
        with self.nothing_changes():
            return self.assert_fails(
                reason, self.admin.create, "more", "tcp://127.0.0.1:0", **options
            )


class ListenerLimitTest(LimitTestCase):
    flags = ("--max-listeners", "2")

    def test_one_more(self):
        self.admin.create("a", "tcp://127.0.0.1:0")
        self.admin.create("b", "udp://127.0.0.1:0")
        failure = self.refuse_listener("LISTENER_LIMIT")
        wanted = {"limit": "2", "used": "2", "setting": "--max-listeners"}
        self.assertEqual(failure.metadata, wanted)
        self.assertEqual(self.admin.host().listeners.limit, 2)
        self.admin.delete("a")
        self.admin.create("more", "tcp://127.0.0.1:0")


class SocketLimitTest(LimitTestCase):
    flags = ("--max-sockets", "3")

    def test_one_more(self):
        for listener_id in ("a", "b", "c"):
            self.admin.create(listener_id, "tcp://127.0.0.1:0")
        failure = self.refuse_listener("SOCKET_LIMIT")
        wanted = {"limit": "3", "used": "3", "setting": "--max-sockets"}
        self.assertEqual(failure.metadata, wanted)
        self.assertEqual(self.admin.host().sockets.limit, 3)
        self.admin.delete("a")
        self.admin.create("more", "tcp://127.0.0.1:0")

    def test_dry_run_foretells_it(self):
        for listener_id in ("a", "b", "c"):
            self.admin.create(listener_id, "tcp://127.0.0.1:0")
        self.admin.create("closed", "tcp://127.0.0.1:0", enabled=False)
        create = admin_pb2.CreateListenerRequest(
            listener_id="more",
            listener=admin.Listener(service="echo", address="tcp://127.0.0.1:0"),
            validate_only=True,
        )
        # Opened before the old one is closed.
        move = admin_pb2.UpdateListenerRequest(
            listener=admin.Listener(name="listeners/a", address="tcp://127.0.0.2:0"),
            validate_only=True,
        )
        enable = admin_pb2.UpdateListenerRequest(
            listener=admin.Listener(name="listeners/closed", enabled=True), validate_only=True
        )
        requests = (("CreateListener", create), ("UpdateListener", move),
                    ("UpdateListener", enable))
        for method, request in requests:
            with self.subTest(request), self.nothing_changes():
                failure = self.assert_fails("SOCKET_LIMIT", self.admin.call, method, request)
                self.assertEqual(
                    failure.metadata, {"limit": "3", "used": "3", "setting": "--max-sockets"}
                )
        self.admin.delete("b")
        for method, request in requests:
            self.admin.call(method, request)

    def test_connections_count(self):
        created = self.admin.create("a", "tcp://127.0.0.1:0")
        for _ in range(2):
            self.assert_echo(self.connect(created.effective_address))
        self.settle_without_socket()
        self.refuse_listener("SOCKET_LIMIT")

    def settle_without_socket(self):
        # There is no socket left to settle with: both answers must have been counted.
        self.eventually(lambda: self.admin.get_listener("a").counters.handler_calls, 2)


class FewFdsTestCase(LimitTestCase):
    def setUp(self):
        super().setUp()
        self.daemon.stop()
        self.daemon = self.start(fd_limit="64:64")
        self.admin = self.daemon.admin


class SocketLimitOfFdsTest(FewFdsTestCase):
    def test_limit_of_open_files_bounds_sockets(self):
        limit = self.admin.host().sockets.limit
        for i in range(limit):
            self.admin.create(f"l-{i}", "udp://127.0.0.1:0")
        failure = self.refuse_listener("SOCKET_LIMIT")
        wanted = {"limit": str(limit), "used": str(limit), "setting": "RLIMIT_NOFILE"}
        self.assertEqual(failure.metadata, wanted)


class WatchLimitTest(LimitTestCase):
    flags = ("--max-watches", "2")

    def test_one_more(self):
        streams = [self.admin.watch() for _ in range(2)]
        for stream in streams:
            next(stream)
        with self.nothing_changes():
            failure = self.assert_fails("WATCH_LIMIT", list, self.admin.watch())
        wanted = {"limit": "2", "used": "2", "setting": "--max-watches"}
        self.assertEqual(failure.metadata, wanted)
        self.assertEqual(self.admin.host().watches.limit, 2)
        self.assertFalse(next(streams[0]).sync)  # the others go on
        streams[0].cancel()
        self.eventually(lambda: self.admin.host().watches.used, 1)
        self.assertTrue(next(self.admin.watch()).sync)
        streams[1].cancel()


class AdminConnectionLimitTest(FewFdsTestCase):
    # What a client says first: HTTP/2's preface and its settings, of which there are none.
    HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"

    def connect_admin(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(peers.TIMEOUT_S)
        client.connect(str(self.daemon.socket_path))
        try:
            client.sendall(self.HELLO)
        except BrokenPipeError:
            pass  # refused already
        return client

    def test_one_more(self):
        use = self.admin.host().admin_connections
        self.assertEqual((use.limit, use.used), (8, 1))
        clients = [self.connect_admin() for _ in range(7)]
        for client in clients:
            self.assertNotEqual(client.recv(1), b"")
        self.assertEqual(self.admin.host().admin_connections.used, 8)
        self.assert_closed(self.connect_admin())
        told = re.compile(
            r" warning an admin connection is refused: .* transport=unix uid=\d+ pid=\d+ open=8 "
            r"limit=8 suppressed=0\n"
        )
        self.eventually(lambda: bool(told.search(self.daemon.log())), True)
        clients[0].close()
        self.eventually(lambda: self.admin.host().admin_connections.used, 7)
        self.assertNotEqual(self.connect_admin().recv(1), b"")


class FdLimitTest(LimitTestCase):
    @contextlib.contextmanager
    def no_more_fds(self):
        self.daemon.use_up_fds()
        try:
            yield
        finally:
            self.daemon.restore_fds()

    def test_no_fd_for_a_listener(self):
        with self.no_more_fds():
            limit = str(self.daemon.fd_limit())
            failure = self.refuse_listener("FD_LIMIT")
            self.assertEqual(failure.metadata["setting"], "RLIMIT_NOFILE")
            self.assertEqual(failure.metadata["limit"], limit)
            self.assertEqual(failure.metadata["used"], limit)
            used = self.admin.host().file_descriptors
            self.assertEqual((used.limit, used.used), (int(limit), int(limit)))
        self.admin.create("more", "tcp://127.0.0.1:0")

    def test_listeners_and_connections_are_served_meanwhile(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        before = self.connect(created.effective_address)
        self.assert_echo(before)
        with self.no_more_fds():
            waiting = self.connect(created.effective_address)  # the kernel takes it
            waiting.sendall(b"later")
            self.assert_echo(before)
            self.eventually(lambda: self.admin.get_listener("web").counters.accept_pauses > 0, True)
            self.assert_echo(before)
        self.assertEqual(peers.receive(waiting, 5), b"later")
        self.assertGreater(self.admin.get_listener("web").counters.accept_errors, 0)
        self.eventually(lambda: self.admin.get_listener("web").state_reason, "")


class BindNotPermittedTest(LimitTestCase):
    flags = None

    def test_low_port_without_the_capability(self):
        first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        if first <= 1:
            self.skipTest("every port is free for everybody here: ip_unprivileged_port_start is 0")
        self.daemon = self.start(without_capability="net_bind_service")
        self.admin = self.daemon.admin
        for address in ("tcp://127.0.0.1:1", "udp://127.0.0.1:1"):
            with self.nothing_changes():
                failure = self.assert_fails(
                    "BIND_NOT_PERMITTED",
                    self.admin.create,
                    "low",
                    address,
                    fields=["listener.address"],
                )
            self.assertEqual(failure.metadata["address"], address)
            self.assertEqual(failure.metadata["capability"], "CAP_NET_BIND_SERVICE")


if __name__ == "__main__":
    unittest.main()
