"""The modules and programs of tests/examples, built against an installed sockhost."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import unittest

import daemon
import peers
from daemon_test_case import DaemonTestCase
from sockhost.v1 import service_pb2, socket_pb2

EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])
TCP = "tcp://127.0.0.1:0"


def module(name):
    return ("--module", str(EXAMPLES / f"{name}.so"))


def ask(peer, *lines):
    """Sends lines; returns as many answers."""
    peer.sendall("".join(f"{line}\n" for line in lines).encode())
    return answers(peer, len(lines))


def answers(peer, count):
    text = b""
    while text.count(b"\n") < count:
        chunk = peer.recv(65536)
        if not chunk:
            raise AssertionError(f"the stream ended after {text}")
        text += chunk
    return text.decode().splitlines()


class LineStoreTest(DaemonTestCase):
    flags = module("line_store") + module("time_of_day")

    def setUp(self):
        super().setUp()
        self.address = self.create("store")

    def create(self, name):
        return self.admin.create(name, TCP, service="line-store").effective_address

    def test_service_is_listed_with_its_origin(self):
        service = self.admin.get_service("services/line-store")
        self.assertEqual(service.kind, service_pb2.Service.MODULE)
        self.assertRegex(service.owner, r"/tests/examples/line_store\.c:\d+$")
        self.assertEqual((service.capacity, service.sockets), (0, 1))

    def test_listener_that_sockctl_attaches(self):
        command = [os.environ["SOCKCTL_BINARY"], "--host", self.daemon.address, "-o", "json"]
        create = ["listener", "create", "by-hand", "--service", "line-store", "--address", TCP]
        made = subprocess.run(command + create, env=daemon.environment(), check=False,
                              capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        address = self.admin.get_listener("by-hand").effective_address
        self.assertEqual(ask(self.connect(address), "set a b", "get a"), ["ok", "b"])

    def test_connections_share_the_store(self):
        writer, reader = self.connect(self.address), self.connect(self.address)
        self.assertEqual(ask(writer, "set colour blue", "set shape cube"), ["ok", "ok"])
        self.assertEqual(ask(writer, "set colour red"), ["ok"])
        self.assertEqual(
            ask(reader, "get colour", "get shape", "get size"),
            ["red", "cube", "error: no such key"],
        )
        self.assertEqual(ask(reader, "put a"), ["error: set KEY VALUE, get KEY or clients"])

    def send_alone(self, peer, text):
        """Sends `text` so that the service reads it by itself."""
        [before] = self.sockets_of(peer)
        peer.sendall(text)
        wanted = before.counters.receive_bytes + len(text)
        self.eventually(lambda: self.sockets_of(peer)[0].counters.receive_bytes, wanted)

    def sockets_of(self, peer):
        name = peers.address_of(peer, peer.getsockname())
        return self.admin.sockets(f'remote_address="{name}"')

    def test_lines_come_in_parts_and_each_connection_has_its_own(self):
        one, two = self.connect(self.address), self.connect(self.address)
        self.eventually(lambda: len(self.sockets_of(one) + self.sockets_of(two)), 2)
        self.send_alone(one, b"set colour ")
        self.send_alone(two, b"set shape cu")
        self.send_alone(one, b"bl")
        two.sendall(b"be\n")
        one.sendall(b"ue\nget shape\nget col")
        self.assertEqual(answers(two, 1), ["ok"])
        self.assertEqual(answers(one, 2), ["ok", "cube"])
        one.sendall(b"our\n")
        self.assertEqual(answers(one, 1), ["blue"])

    def test_longest_line_and_one_that_is_too_long(self):
        peer = self.connect(self.address)
        key = "k" * (127 - len("get "))
        self.assertEqual(ask(peer, f"get {key}"), ["error: no such key"])
        peer.sendall(b"x" * 128)
        self.assertEqual(peers.receive_all(peer), b"error: the line is too long\n")

    def test_counters_are_exact(self):
        peer = self.connect(self.address)
        sent, received = 0, 0
        for line in ("set colour blue", "get colour", "get size"):
            [answer] = ask(peer, line)
            sent, received = sent + len(line) + 1, received + len(answer) + 1
        self.settle()
        for counters in (
            self.sockets_of(peer)[0].counters,
            self.admin.get_listener("store").counters,
            self.admin.get_service("services/line-store").counters,
        ):
            self.assertEqual((counters.receive_bytes, counters.transmit_bytes), (sent, received))
            self.assertEqual((counters.receive_messages, counters.transmit_messages), (3, 3))
            self.assertEqual((counters.handler_calls, counters.poll_in_events), (3, 3))
            self.assertEqual((counters.spurious_events, counters.handler_exceptions), (0, 0))

    def test_peer_that_does_not_read_is_not_read(self):
        peer = self.connect(self.address, receive_buffer=4096)
        value = "v" * 100
        self.assertEqual(ask(peer, f"set big {value}"), ["ok"])
        count = 50_000
        writer = threading.Thread(target=peer.sendall, args=(b"get big\n" * count,))
        writer.start()
        self.eventually(lambda: list(self.sockets_of(peer)[0].poll_events), ["POLLOUT"])
        other = self.connect(self.address)
        self.assertEqual(ask(other, "get big"), [value])
        self.assertEqual(peers.receive(peer, count * 101), f"{value}\n".encode() * count)
        writer.join()
        self.eventually(lambda: list(self.sockets_of(peer)[0].poll_events), ["POLLIN"])

    def test_state_is_freed_whoever_ends_the_connection(self):
        asker = self.connect(self.address)
        clients = lambda: ask(asker, "clients")  # noqa: E731
        self.assertEqual(clients(), ["1"])
        others = [self.connect(self.address) for _ in range(4)]
        for peer in others:
            ask(peer, "get a")
        self.assertEqual(clients(), ["5"])
        others[0].close()
        peers.reset(others[1])
        others[2].sendall(b"x" * 200)
        self.eventually(clients, ["2"])

        second = self.create("second")
        on_second = [self.connect(second) for _ in range(3)]
        for peer in on_second:
            ask(peer, "get a")
        self.assertEqual(clients(), ["5"])
        self.admin.delete("second", force=True)
        self.eventually(clients, ["2"])


class TimeOfDayTest(DaemonTestCase):
    flags = module("time_of_day") + module("line_store")
    line = rb"^\w+, \w+ \d\d, \d{4} \d\d:\d\d:\d\d UTC\r\n$"

    def test_socket_of_the_module_is_shown_and_counted(self):
        [port] = self.admin.sockets('service="services/time_of_day"')
        self.assertEqual(port.role, socket_pb2.Socket.REGISTERED)
        self.assertEqual((port.listener, port.remote_address), ("", ""))
        for _ in range(3):
            self.assertRegex(peers.receive_all(self.connect(port.local_address)), self.line)
        self.settle()
        service = self.admin.get_service("services/time_of_day")
        self.assertEqual(service.kind, service_pb2.Service.MODULE)
        self.assertRegex(service.owner, r"/tests/examples/time_of_day\.c:\d+$")
        self.assertEqual((service.capacity, service.used, service.sockets), (1, 1, 1))
        self.assertEqual(service.counters.handler_calls, 3)

    def test_modules_close_nothing_of_each_other(self):
        [port] = self.admin.sockets('service="services/time_of_day"')
        store = self.admin.create("store", TCP, service="line-store").effective_address
        self.assertEqual(ask(self.connect(store), "set a b"), ["ok"])
        self.admin.delete("store", force=True)
        self.assertRegex(peers.receive_all(self.connect(port.local_address)), self.line)


class ProgramTest(unittest.TestCase):
    def start(self, name):
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", EXAMPLES / name], env=daemon.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_stops(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(daemon.DEADLINE_S), 0)

    def listening_port(self, pid):
        """The TCP port on 127.0.0.1 on which process `pid` listens; None if there is none yet."""
        table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text()
        files = {os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        for port, inode in re.findall(r"0100007F:(\w{4}) \S+ 0A (?:\S+ +){5}(\d+)", table):
            if f"socket:[{inode}]" in files:
                return int(port, 16)
        return None

    def test_time_of_day_is_a_program_as_well(self):
        process = self.start("time_of_day_program")
        port = daemon.eventually(lambda: self.listening_port(process.pid), bool, "a port")
        with socket.create_connection(("127.0.0.1", port), peers.TIMEOUT_S) as peer:
            self.assertRegex(peers.receive_all(peer), TimeOfDayTest.line)
        self.assert_stops(process)

    def test_embedded_host_serves_and_stops_in_order(self):
        process = self.start("embedded_host")
        address = process.stdout.readline().strip()
        with peers.connect(address) as one, peers.connect(address) as two:
            self.assertEqual(ask(one, "a", "b"), ["1", "2"])
            self.assertEqual(ask(two, "a"), ["1"])
            one.sendall(b"c")
            self.assertEqual(ask(one, ""), ["3"])
            one.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.receive_all(one), b"")
            self.assert_stops(process)
            self.assertEqual(peers.receive_all(two), b"")

    def test_embedded_host_explains_what_it_cannot_do(self):
        ended = subprocess.run(
            [EXAMPLES / "embedded_host", "tcp://nowhere:1"], capture_output=True, text=True,
            check=False,
        )
        self.assertEqual(ended.returncode, 1)
        self.assertRegex(ended.stderr, r"^embedded_host: INVALID_ARGUMENT: .*nowhere")
