"""Modules at work: their services, their sockets, and handlers that throw."""

import os
import pathlib
import re
import socket

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase
from sockhost.v1 import service_pb2, socket_pb2

MODULES = pathlib.Path(os.environ["MODULES"])
TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"


def module(name):
    return ("--module", str(MODULES / f"{name}.so"))


class ListedTest(DaemonTestCase):
    flags = module("shout") + module("second_echo")

    def test_services_of_modules_are_listed_with_the_built_in_ones(self):
        kinds = {service.name: service.kind for service in self.admin.services()}
        modules = {"services/echo-2", "services/shout"}
        self.assertEqual(set(kinds), {*admin.BUILT_IN_SERVICES, *modules})
        for name, kind in kinds.items():
            is_module = kind == service_pb2.Service.MODULE
            self.assertEqual(is_module, name in modules, name)
        shout = self.admin.get_service("services/shout")
        self.assertRegex(shout.owner, r"/tests/modules/fixtures/shout\.c:\d+$")
        self.assertEqual((shout.capacity, shout.used, shout.sockets), (2, 0, 0))

    def test_service_with_a_taken_name_is_told_from_the_built_in_one(self):
        ours = self.admin.get_service("services/echo")
        theirs = self.admin.get_service("services/echo-2")
        self.assertEqual(ours.kind, service_pb2.Service.BUILT_IN)
        self.assertEqual(theirs.kind, service_pb2.Service.MODULE)
        self.assertRegex(theirs.owner, r"/shout\.c:\d+$")
        address = self.admin.create("second", TCP, service="echo-2").effective_address
        self.assertEqual(peers.echo(self.connect(address), b"hello"), b"HELLO")


class EnvironmentTest(DaemonTestCase):
    flags = None

    def names(self, *flags, **variables):
        admin = self.start(*flags, variables=variables).admin
        services = admin.services()
        return [s.name for s in services if s.kind == service_pb2.Service.MODULE]

    def test_modules_are_named_in_the_environment(self):
        both = f"{MODULES / 'second_echo.so'},{MODULES / 'shout.so'}"
        self.assertEqual(
            self.names(SOCKHOST_MODULE=both), ["services/echo-2", "services/shout"]
        )

    def test_command_line_wins(self):
        other = str(MODULES / "second_echo.so")
        self.assertEqual(self.names(*module("shout"), SOCKHOST_MODULE=other), ["services/shout"])


class ListenerOfAModuleTest(DaemonTestCase):
    """Listeners that are attached to a service which a macro defines."""

    flags = module("shout")

    def test_connections_and_datagrams_arrive_as_events(self):
        for scheme, address in (("stream", TCP), ("datagram", UDP)):
            with self.subTest(scheme):
                created = self.admin.create(scheme, address, service="shout")
                peer = self.connect(created.effective_address)
                self.assertEqual(peers.echo(peer, b"hello"), b"HELLO")
                self.settle()
                counters = self.admin.get_listener(scheme).counters
                self.assertEqual((counters.receive_bytes, counters.transmit_bytes), (5, 5))
                self.assertEqual((counters.receive_messages, counters.transmit_messages), (1, 1))
                self.assertEqual((counters.handler_calls, counters.poll_in_events), (1, 1))

    def test_the_host_closes_what_the_peer_has_closed(self):
        address = self.admin.create("web", TCP, service="shout").effective_address
        half = self.connect(address)
        half.sendall(b"last words")
        half.shutdown(socket.SHUT_WR)
        self.assertEqual(peers.receive_all(half), b"LAST WORDS")
        reset = self.connect(address)
        self.assertEqual(peers.echo(reset, b"a"), b"A")
        peers.reset(reset)
        silent = self.connect(address)
        silent.close()
        self.eventually(lambda: self.admin.get_service("services/shout").sockets, 1)
        counters = self.admin.get_listener("web").counters
        self.assertEqual((counters.accepted_connections, counters.active_connections), (3, 0))

    def test_deletion_of_the_listener_closes_its_connections(self):
        address = self.admin.create("web", TCP, service="shout").effective_address
        peer = self.connect(address)
        self.assertEqual(peers.echo(peer, b"a"), b"A")
        self.admin.delete("web", force=True)
        self.assert_closed(peer)
        self.assertEqual(self.admin.get_service("services/shout").sockets, 0)


class ThrowingHandlerTest(DaemonTestCase):
    """An exception that leaves a handler must not end the service thread."""

    # A drain that waits for nothing has no use for it.
    flags = (*module("throwing_handler"), "--drain-timeout", "1h")

    def exceptions(self, service):
        return self.admin.get_service(f"services/{service}").counters.handler_exceptions

    def test_connection_is_closed_and_the_others_live_on(self):
        address = self.admin.create("web", TCP, service="thrower").effective_address
        other = self.connect(address)
        self.assert_echo(other)
        for n, text in enumerate((b"throw", b"throw number"), start=1):
            peer = self.connect(address)
            self.assert_echo(peer)
            peer.sendall(text)
            self.assert_closed(peer)
            self.assertEqual(self.exceptions("thrower"), n)
        self.assert_echo(other)
        self.assertEqual(self.admin.get_listener("web").counters.handler_exceptions, 2)
        self.assertEqual(self.admin.get_listener("web").counters.active_connections, 1)
        self.assertEqual(self.admin.health(), "SERVING")

    def test_log_names_service_and_exception_in_one_line(self):
        peer = self.connect(self.admin.create("web", TCP, service="thrower").effective_address)
        peer.sendall(b"throw")
        self.assert_closed(peer)
        # A thread of its own writes the log.
        line = re.compile(
            r"a handler threw an exception service=thrower owner=\S*/throwing_handler\.cc:\d+ "
            r'exception="it\\nbroke"\n'
        )
        daemon.eventually(self.daemon.log, line.search, line.pattern)

    def test_datagram_socket_of_a_listener_goes_on(self):
        peer = self.connect(self.admin.create("datagrams", UDP, service="thrower").effective_address)
        peer.send(b"throw")
        self.assert_echo(peer)
        self.assertEqual(self.exceptions("thrower"), 1)

    def test_drain_does_not_wait_for_registered_sockets(self):
        self.assertEqual(len(self.admin.sockets("role = REGISTERED")), 1)
        self.daemon.signal()
        self.assertEqual(self.daemon.wait(), 0)

    def test_registered_socket_goes_on(self):
        [port] = self.admin.sockets('service="services/throwing_port"')
        self.assertEqual(port.role, socket_pb2.Socket.REGISTERED)
        peer = self.connect(port.local_address)
        peer.send(b"throw")
        self.assert_echo(peer)
        self.assertEqual(self.exceptions("throwing_port"), 1)
