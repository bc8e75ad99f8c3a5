"""Sockets that the service manager has opened: each becomes a listener."""

import fcntl
import os
import socket
import unittest

from sockhost.v1 import admin_pb2, forward_pb2

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase


class PassedSocketsTest(DaemonTestCase):
    flags = None

    def passed(self, kind=socket.SOCK_STREAM, listening=True, where="127.0.0.1", options=()):
        """A bound socket, with a number above those that systemd uses."""
        bound = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET, kind)
        self.addCleanup(bound.close)
        for level, option, value in options:
            bound.setsockopt(level, option, value)
        bound.bind((where, 0))
        if kind == socket.SOCK_STREAM and listening:
            bound.listen()
        fd = fcntl.fcntl(bound, fcntl.F_DUPFD, 20)
        self.addCleanup(os.close, fd)
        return fd, peers.address_of(bound, bound.getsockname())

    def variables(self, *names):
        return {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}

    def test_each_becomes_a_listener(self):
        sockets = [self.passed(), self.passed(), self.passed(socket.SOCK_DGRAM)]
        fds = [fd for fd, _ in sockets]
        addresses = [address for _, address in sockets]
        started = self.start(
            "--adopt",
            "web=echo",
            "--adopt",
            "probe=echo",
            passed_fds=fds,
            variables=self.variables("web", "web", "probe"),
        )
        listeners = {listener.name: listener for listener in started.admin.listeners()}
        self.assertEqual(
            {name: listener.effective_address for name, listener in listeners.items()},
            dict(zip(("listeners/web", "listeners/web-2", "listeners/probe"), addresses)),
        )
        for listener in listeners.values():
            self.assertEqual(listener.state, admin.Listener.ACTIVE)
            self.assertEqual(listener.address, listener.effective_address)
            self.assertEqual(listener.service, "services/echo")
            self.assert_echo(self.connect(listener.effective_address))

    def test_bound_socket_is_made_to_listen(self):
        fd, address = self.passed(listening=False)
        self.start("--adopt", "web=echo", passed_fds=[fd], variables=self.variables("web"))
        self.assert_echo(self.connect(address))

    def test_connections_that_wait_are_served(self):
        fd, address = self.passed()
        peer = self.connect(address)
        self.start("--adopt", "web=echo", passed_fds=[fd], variables=self.variables("web"))
        self.assert_echo(peer)

    def test_nobody_is_refused_while_the_daemon_is_restarted(self):
        fd, address = self.passed()
        options = {"passed_fds": [fd], "variables": self.variables("web")}
        first = self.start("--adopt", "web=echo", **options)
        served = self.connect(address)
        self.assert_echo(served)
        served.close()
        first.stop()
        # Nobody accepts now; the queue is the service manager's.
        waiting = self.connect(address)
        waiting.sendall(b"early")
        self.start("--adopt", "web=echo", **options)
        self.assertEqual(peers.receive(waiting, 5), b"early")

    def test_paused_drained_and_deleted_as_any_other(self):
        fd, address = self.passed()
        started = self.start("--adopt", "web=echo", passed_fds=[fd], variables=self.variables("web"))
        update = admin_pb2.UpdateListenerRequest(
            listener=admin.Listener(name="listeners/web", max_connections=1)
        )
        self.assertEqual(started.admin.call("UpdateListener", update).effective_address, address)
        name = "listeners/web"
        paused = started.admin.call("PauseListener", admin_pb2.PauseListenerRequest(name=name))
        self.assertEqual(paused.state, admin.Listener.PAUSED)
        started.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(name=name))
        self.assert_echo(self.connect(address))
        started.admin.delete("web", force=True)
        self.assertEqual(started.admin.listeners(), [])

    def test_options_are_those_of_the_socket(self):
        options = (
            (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1),
            (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 4500),
        )
        fd, address = self.passed(where="::", options=options)
        port = address.rsplit(":", 1)[1]
        started = self.start("--adopt", "web=echo", passed_fds=[fd], variables=self.variables("web"))
        # The daemon's is the same one.
        same = socket.socket(fileno=os.dup(fd))
        self.addCleanup(same.close)
        for level, option, value in options:
            self.assertEqual(same.getsockopt(level, option), value)
        web = started.admin.get_listener("web")
        self.assertTrue(web.ipv6_only)
        self.assertTrue(web.reuse_port)
        keepalive = web.tcp_keepalive
        self.assertEqual((keepalive.idle.seconds, keepalive.interval.seconds, keepalive.count), (77, 7, 3))
        self.assertEqual(web.tcp_user_timeout.ToMilliseconds(), 4500)
        # At 127.0.0.1 the port is another program's.
        elsewhere = forward_pb2.ForwardParameters(upstreams=[f"tcp://127.0.0.1:{port}"])
        started.admin.create("out", "tcp://127.0.0.1:0", "forward", forward=elsewhere)
        # Opened anew it is the same.
        started.admin.call("DrainListener", admin_pb2.DrainListenerRequest(name=web.name))
        started.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(name=web.name))
        with self.assertRaises(ConnectionRefusedError):
            self.connect(f"tcp://127.0.0.1:{port}")

    def assert_refused(self, complaint, *flags, **options):
        ended = daemon.run("--admin", f"unix:{self.folder}/admin.sock", *flags, **options)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn(complaint, ended.stderr)

    def test_mistakes_are_named(self):
        fd, _ = self.passed()
        web = {"passed_fds": [fd]} | self.variables("web")
        self.assert_refused("add --adopt NAME=SERVICE", **web)
        self.assert_refused("no socket of this name", "--adopt", "web=echo", "--adopt", "b=echo", **web)
        self.assert_refused("no socket of this name", "--adopt", "web=echo")
        self.assert_refused("use NAME=SERVICE", "--adopt", "web", **web)
        self.assert_refused("has another rule", "--adopt", "web=echo", "--adopt", "web=discard", **web)
        self.assert_refused('service "nosuch" does not exist', "--adopt", "web=nosuch", **web)
        self.assert_refused(
            "listener id", "--adopt", "Web.socket=echo", passed_fds=[fd], **self.variables("Web.socket")
        )
        with open(os.devnull, encoding="utf-8") as file:
            number = fcntl.fcntl(file, fcntl.F_DUPFD, 20)
        self.addCleanup(os.close, number)
        self.assert_refused(
            "no stream or datagram socket", "--adopt", "web=echo", passed_fds=[number],
            **self.variables("web"),
        )

    def test_service_that_needs_parameters_is_refused(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for service in ("banner", "forward"):
                with self.subTest(service=service, kind=kind):
                    fd, _ = self.passed(kind)
                    self.assert_refused(
                        "has no parameters, which this service needs",
                        "--adopt", f"web={service}", passed_fds=[fd], **self.variables("web"),
                    )

    def test_sockets_of_another_process_are_left_alone(self):
        started = self.start(variables=self.variables("web") | {"LISTEN_PID": "1"})
        self.assertEqual(started.admin.listeners(), [])


if __name__ == "__main__":
    unittest.main()
