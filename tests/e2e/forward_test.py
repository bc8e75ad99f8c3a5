"""The forward service: connections and datagrams pass whole, upstreams fail and come back."""

import contextlib
import hashlib
import ipaddress
import os
import pathlib
import socket
import struct
import threading
import unittest

import grpc

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase
from google.protobuf import json_format
from sockhost.v1 import admin_pb2, forward_pb2, listener_pb2
from sockhost.v1.socket_pb2 import Socket

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MOST_KEPT = 64 * 1024
ANY_TCP = "tcp://127.0.0.1:0"
ANY_UDP = "udp://127.0.0.1:0"


class Upstream:
    """A listening socket on a port of 127.0.0.1 (or at `where`)."""

    def __init__(self, where=("127.0.0.1", 0), kind=socket.SOCK_STREAM, backlog=1024):
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self.socket = socket.socket(family, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.settimeout(peers.TIMEOUT_S)
        self.socket.bind(where)
        if kind == socket.SOCK_STREAM:
            self.socket.listen(backlog)
        self.address = peers.address_of(self.socket, self.socket.getsockname())
        self.port = self.socket.getsockname()[1]

    def accept(self):
        accepted = self.socket.accept()[0]
        accepted.settimeout(peers.TIMEOUT_S)
        return accepted

    def close(self):
        self.socket.close()


class ForwardTestCase(DaemonTestCase):
    def upstream(self, *arguments, **options):
        upstream = Upstream(*arguments, **options)
        self.addCleanup(upstream.close)
        return upstream

    def forward(self, *upstreams, listener="fwd", address=ANY_TCP, **parameters):
        """Creates a listener that forwards to `upstreams`; returns where it listens."""
        message = json_format.ParseDict({"upstreams": list(upstreams)} | parameters,
                                        forward_pb2.ForwardParameters())
        created = self.admin.create(listener, address, service="forward", forward=message)
        return created.effective_address

    def accepted(self, upstream):
        accepted = upstream.accept()
        self.addCleanup(accepted.close)
        return accepted

    def pair(self, **parameters):
        """A client and the upstream's end of its connection."""
        upstream = self.upstream()
        client = self.connect(self.forward(upstream.address, **parameters))
        return client, self.accepted(upstream)

    def counters(self):
        return self.admin.get_listener("fwd").counters


def send_and_end(peer, data):
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)


class ConnectionTest(ForwardTestCase):
    def test_much_passes_both_ways_at_once(self):
        client, server = self.pair()
        sent = {client: peers.random_bytes(20_000_000, 1), server: peers.random_bytes(20_000_000, 2)}
        threads = [threading.Thread(target=send_and_end, args=item) for item in sent.items()]
        received = {}

        def receive(peer):
            received[peer] = hashlib.sha256(peers.receive_all(peer)).hexdigest()

        threads += [threading.Thread(target=receive, args=(peer,)) for peer in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(received[server], hashlib.sha256(sent[client]).hexdigest())
        self.assertEqual(received[client], hashlib.sha256(sent[server]).hexdigest())
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.settle()
        counters = self.counters()
        total = sum(len(data) for data in sent.values())
        self.assertEqual((counters.receive_bytes, counters.transmit_bytes), (total, total))

    def test_end_of_one_side_leaves_the_other_open(self):
        for first in (0, 1):
            with self.subTest("client ends" if first == 0 else "upstream ends"):
                ends = self.pair()
                early, late = ends[first], ends[1 - first]
                send_and_end(early, b"question")
                self.assertEqual(peers.receive_all(late), b"question")
                self.assert_idle()
                send_and_end(late, b"answer")
                self.assertEqual(peers.receive_all(early), b"answer")
                self.eventually(lambda: self.admin.host().sockets.used, 1)
                self.admin.delete("fwd")

    def test_side_that_does_not_read_costs_bounded_memory_and_no_time(self):
        upstream = self.upstream()
        address = self.forward(upstream.address)
        clients = [self.connect(address) for _ in range(50)]
        servers = [self.accepted(upstream) for _ in clients]
        self.settle()
        before = self.daemon.anonymous_memory()
        chunk = bytes(1 << 16)
        for client in clients:
            client.setblocking(False)
        self.eventually(lambda: self.read_after_sending(clients, chunk), 0)
        counters = self.counters()
        kept = counters.receive_bytes - counters.transmit_bytes
        self.assertGreater(kept, 0)
        self.assertLessEqual(kept, len(clients) * MOST_KEPT)
        if not daemon.SANITIZERS:
            each = (self.daemon.anonymous_memory() - before) / len(clients)
            print(f"own memory per stalled pair: {each:.0f} bytes", flush=True)
            self.assertLess(each, MOST_KEPT * 3 / 2)
        self.assert_idle()
        # Whoever is not stuck is served.
        fresh = self.connect(address)
        fresh.sendall(b"hello")
        self.assertEqual(peers.receive(self.accepted(upstream), 5), b"hello")
        # And nothing was lost on the way.
        total = counters.receive_bytes
        self.assertGreater(total, 0)
        self.assertTrue(all(peers.receive(server, 1 << 16) == chunk for server in servers))

    def read_after_sending(self, clients, chunk):
        """Sends what is taken; returns how many clients are still read."""
        for client in clients:
            try:
                # All of it or, in the end, a part: the stream stays a row of zeros.
                while client.send(chunk):
                    pass
            except BlockingIOError:
                pass
        return sum("POLLIN" in s.poll_events for s in self.admin.sockets("role = CONNECTION"))

    def test_upstream_socket_is_shown_beside_its_connection(self):
        client, server = self.pair()
        # The server may accept before the call that has connected is over.
        self.settle()
        upstream = self.admin.sockets("role = UPSTREAM")
        self.assertEqual(len(upstream), 1)
        self.assertEqual(upstream[0].remote_address, peers.address_of(server, server.getsockname()))
        self.assertEqual(upstream[0].local_address, peers.address_of(server, server.getpeername()))
        self.assertEqual(upstream[0].listener, "listeners/fwd")
        client.sendall(b"x")
        self.assertEqual(server.recv(1), b"x")
        self.settle()
        self.assertEqual(self.admin.get_socket(upstream[0].name).counters.transmit_bytes, 1)
        self.assertEqual(self.counters().active_connections, 1)

    def test_thousand_pairs(self):
        upstream = self.upstream()
        address = self.forward(upstream.address)
        clients = [self.connect(address) for _ in range(1000)]
        servers = [self.accepted(upstream) for _ in clients]
        for number, client in enumerate(clients):
            client.sendall(struct.pack("!I", number))
        numbers = [struct.unpack("!I", peers.receive(server, 4))[0] for server in servers]
        self.assertEqual(sorted(numbers), list(range(1000)))
        for server, number in zip(servers, numbers):
            server.sendall(struct.pack("!I", number))
        for number, client in enumerate(clients):
            self.assertEqual(struct.unpack("!I", peers.receive(client, 4))[0], number)
        self.assertEqual(self.admin.host().sockets.used, 2001)
        self.admin.delete("fwd", force=True)
        self.assertEqual(self.admin.host().sockets.used, 0)
        for peer in clients[:10] + servers[:10]:
            self.assert_closed(peer)

    def test_delete_while_forwarding(self):
        client, server = self.pair()
        sender = threading.Thread(target=self.send_until_reset, args=(client,))
        sender.start()
        peers.receive(server, 1_000_000)
        self.admin.delete("fwd", force=True)
        sender.join()
        server.settimeout(peers.TIMEOUT_S)
        with self.assertRaises((ConnectionResetError, EOFError)):
            while True:
                if not server.recv(1 << 16):
                    raise EOFError
        self.assertEqual(self.admin.host().sockets.used, 0)

    @staticmethod
    def send_until_reset(peer):
        try:
            while True:
                peer.sendall(bytes(1 << 16))
        except OSError:
            pass


class UnixTest(ForwardTestCase):
    def exchange(self, client, server):
        """Much each way, then the end of each side."""
        for sender, receiver in ((client, server), (server, client)):
            data = peers.random_bytes(1_000_000)
            thread = threading.Thread(target=send_and_end, args=(sender, data))
            thread.start()
            self.assertEqual(peers.receive_all(receiver), data)
            thread.join()
        self.eventually(lambda: self.counters().active_connections, 0)

    def test_unix_to_tcp(self):
        upstream = self.upstream()
        address = self.forward(upstream.address, address=f"unix://{self.folder}/front.sock")
        client = self.connect(address)
        self.exchange(client, self.accepted(upstream))

    def test_tcp_to_unix(self):
        path = f"{self.folder}/back.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            listening.settimeout(peers.TIMEOUT_S)
            client = self.connect(self.forward(f"unix://{path}"))
            server = listening.accept()[0]
            self.addCleanup(server.close)
            server.settimeout(peers.TIMEOUT_S)
            self.exchange(client, server)


class UpstreamTest(ForwardTestCase):
    def test_failing_upstream_is_passed_over_and_used_again(self):
        good = self.upstream()
        bad = Upstream()
        port = bad.port
        bad.close()
        address = self.forward(bad.address, good.address)
        for _ in range(4):
            client = self.connect(address)
            client.sendall(b"x")
            self.assertEqual(self.accepted(good).recv(1), b"x")
        self.settle()
        self.assertEqual(self.counters().connect_failures, 1)
        self.assertGreater(self.counters().skipped_upstreams, 0)
        # It comes back.
        back = self.upstream(("127.0.0.1", port))
        back.socket.setblocking(False)

        def reaches_it():
            with peers.connect(address):
                try:
                    back.socket.accept()[0].close()
                    return True
                except BlockingIOError:
                    return False

        self.eventually(reaches_it, True)

    def test_silent_upstream_times_out(self):
        silent = self.upstream(backlog=0)
        self.addCleanup(peers.connect(silent.address).close)
        good = self.upstream()
        address = self.forward(silent.address, good.address, connectTimeout="0.2s")
        client = self.connect(address)
        client.sendall(b"x")
        self.assertEqual(self.accepted(good).recv(1), b"x")
        self.assertEqual(self.counters().connect_failures, 1)

    def test_client_is_closed_when_nobody_answers(self):
        nobody = Upstream()
        nobody.close()
        address = self.forward(nobody.address)
        for _ in range(3):
            self.assert_closed(self.connect(address))
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.assertEqual(self.counters().connect_failures, 3)
        self.assert_idle()

    def test_least_connections(self):
        several = [self.upstream() for _ in range(3)]
        address = self.forward(*[u.address for u in several], policy="LEAST_CONNECTIONS")
        clients = [self.connect(address) for _ in range(30)]
        for upstream in several:
            for _ in range(10):
                self.accepted(upstream)
        self.assertEqual(len(clients), 30)

    def test_name_is_resolved(self):
        upstream = self.upstream()
        client = self.connect(self.forward(f"tcp://localhost:{upstream.port}"))
        client.sendall(b"x")
        self.assertEqual(self.accepted(upstream).recv(1), b"x")

    def test_name_that_does_not_exist_is_counted_and_named(self):
        # Names under onion are in no name server: they are not asked (RFC 7686).
        name = "nobody.onion"
        address = self.forward(f"tcp://{name}:80")
        for _ in range(2):
            self.assert_closed(self.connect(address))
        self.assertEqual(self.counters().connect_failures, 2)
        self.eventually(lambda: self.daemon.log().count("cannot be looked up"), 1)
        [line] = [text for text in self.daemon.log().splitlines() if "cannot be looked up" in text]
        self.assertIn(f"upstream=tcp://{name}:80 ", line)
        self.assertRegex(line, r"warning .*error=\S")
        self.admin.delete("fwd")
        peer = self.connect(self.forward(f"udp://{name}:53", address=ANY_UDP))

        def fails():
            # What comes before the answer is dropped.
            peer.send(b"x")
            return self.counters().connect_failures > 0

        self.eventually(fails, True)

    def test_proxy_header(self):
        client, server = self.pair(proxyProtocol=True)
        client.sendall(b"hello")
        source, destination = client.getsockname(), client.getpeername()
        addresses = b"".join(ipaddress.ip_address(a[0]).packed for a in (source, destination))
        header = SIGNATURE + b"\x21\x11\x00\x0c" + addresses
        header += struct.pack("!HH", source[1], destination[1])
        self.assertEqual(peers.receive(server, len(header) + 5), header + b"hello")


class DatagramTest(ForwardTestCase):
    def ask(self, client, upstream, message):
        client.send(message)
        received, source = upstream.socket.recvfrom(1 << 17)
        self.assertEqual(received, message)
        upstream.socket.sendto(b"re: " + received, source)
        self.assertEqual(client.recv(1 << 17), b"re: " + message)

    def udp_upstream(self):
        return self.upstream(kind=socket.SOCK_DGRAM)

    def test_flows_are_sockets_and_expire(self):
        upstream = self.udp_upstream()
        address = self.forward(upstream.address, address=ANY_UDP, flowIdleTimeout="1s")
        clients = [self.connect(address) for _ in range(20)]
        for number, client in enumerate(clients):
            self.ask(client, upstream, b"%d" % number)
        self.assertEqual(len(self.admin.sockets("role = UPSTREAM")), 20)
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.ask(clients[0], upstream, b"again")

    def test_full_table_and_cap(self):
        upstream = self.udp_upstream()
        address = self.forward(upstream.address, address=ANY_UDP, maxFlows=10)
        for number in range(50):
            self.ask(self.connect(address), upstream, b"%d" % number)
        self.eventually(lambda: len(self.admin.sockets("role = UPSTREAM")), 10)
        self.admin.delete("fwd")
        address = self.forward(upstream.address, address=ANY_UDP, maxFlowsPerSource=10)
        clients = [self.connect(address) for _ in range(11)]
        for client in clients[:10]:
            self.ask(client, upstream, b"x")
        clients[10].send(b"one too many")
        self.eventually(lambda: self.counters().dropped_messages, 1)
        self.assertEqual(len(self.admin.sockets("role = UPSTREAM")), 10)


class CloseSocketTest(ForwardTestCase):
    """Whichever socket of a pair is closed by a call, both sides end."""

    def assert_ends(self, name, reason):
        # A socket that is being closed is listed nowhere for a moment.
        def reasons():
            closed = self.admin.sockets("state = CLOSED", show_closed=True)
            return [socket.close_reason for socket in closed if socket.name == name]

        self.eventually(reasons, [reason])

    def test_both_sides_end(self):
        for role, other in (("UPSTREAM", "CONNECTION"), ("CONNECTION", "UPSTREAM")):
            with self.subTest(role):
                client, server = self.pair()
                client.sendall(b"x")
                self.assertEqual(server.recv(1), b"x")
                (named,) = self.admin.sockets(f"role = {role}")
                (partner,) = self.admin.sockets(f"role = {other}")
                answer = self.admin.close_socket(named.name)
                self.assertEqual(answer.state, Socket.CLOSED)
                self.assertEqual(answer.close_reason, Socket.CLOSED_BY_ADMIN)
                ends = {"CONNECTION": client, "UPSTREAM": server}
                self.assert_closed(ends[role])
                # What it has may not be all.
                with self.assertRaises(ConnectionResetError):
                    ends[other].recv(1)
                self.eventually(lambda: self.admin.sockets("NOT role = LISTENING"), [])
                self.assert_ends(partner.name, Socket.CLOSED_BY_SERVICE)
                self.assertEqual(self.counters().active_connections, 0)
                self.assert_fails("SOCKET_NOT_FOUND", self.admin.close_socket, named.name,
                                  fields=["name"])
                self.admin.delete("fwd")

    def test_upstream_that_does_not_answer(self):
        # Its queue is full: the connection is being made.
        upstream = self.upstream(backlog=0)
        waiting = self.connect(upstream.address)
        address = self.forward(upstream.address, connectTimeout="60s")
        client = self.connect(address)
        self.eventually(lambda: len(self.admin.sockets("role = UPSTREAM")), 1)
        (connecting,) = self.admin.sockets("role = UPSTREAM")
        self.admin.close_socket(connecting.name)
        self.assert_closed(client)
        self.eventually(lambda: self.admin.sockets("NOT role = LISTENING"), [])
        waiting.close()

    def test_flow_of_datagrams_begins_anew(self):
        upstream = self.upstream(kind=socket.SOCK_DGRAM)
        client = self.connect(self.forward(upstream.address, address=ANY_UDP))
        sources = []
        for _ in range(2):
            client.send(b"x")
            sources.append(upstream.socket.recvfrom(1)[1])
            (flow,) = self.admin.sockets("role = UPSTREAM")
            self.admin.close_socket(flow.name)
            self.eventually(lambda: self.admin.sockets("role = UPSTREAM"), [])
        self.assertNotEqual(*sources)


class LoopTest(ForwardTestCase):
    """No listener forwards to this host itself, whatever the address is called."""

    def assert_refused(self, *arguments, listener, **options):
        failure = self.assert_fails("FORWARD_LOOP", self.forward, *arguments,
                                    fields=["listener.forward.upstreams[0]"], **options)
        self.assertEqual(failure.metadata["listener"], f"listeners/{listener}")

    def free_port(self):
        upstream = Upstream()
        upstream.close()
        return upstream.port

    def test_itself(self):
        port = self.free_port()
        for listen, upstream in (
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "[::ffff:127.0.0.1]"),
            ("127.0.0.1", "0.0.0.0"),
            ("0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "127.9.9.9"),
            ("0.0.0.0", "0.0.0.0"),
            ("[::]", "127.0.0.1"),
            ("[::]", "[::1]"),
            ("[::]", "[::]"),
            ("[::1]", "[::1]"),
        ):
            with self.subTest(listen=listen, upstream=upstream):
                self.assert_refused(f"tcp://{upstream}:{port}", listener="fwd",
                                    address=f"tcp://{listen}:{port}")
        self.assertEqual(self.admin.listeners(), [])

    def test_unix_socket_of_this_host(self):
        created = self.admin.create("front", f"unix://{self.folder}/front.sock")
        self.assert_refused(created.effective_address, listener="front")

    def spellings(self, name):
        """Paths that lead to the socket file `name`, which is there."""
        path = f"{self.folder}/{name}"
        for other in ("link", "hard", "folder"):
            pathlib.Path(f"{self.folder}/{other}").unlink(missing_ok=True)
        os.symlink(path, f"{self.folder}/link")
        os.link(path, f"{self.folder}/hard")
        os.symlink(self.folder, f"{self.folder}/folder")
        base = os.path.basename(self.folder)
        return [f"{self.folder}/{spelling}" for spelling in (
            name, f"./{name}", f"../{base}/{name}", f"/{name}", "link", "hard", f"folder/{name}",
            "folder/link")]

    def test_unix_socket_of_this_host_by_every_spelling(self):
        self.admin.create("front", f"unix://{self.folder}/front.sock")
        for path in self.spellings("front.sock"):
            with self.subTest(path):
                self.assert_refused(f"unix://{path}", listener="front")

    def test_update_to_a_unix_socket_of_this_host_by_every_spelling(self):
        self.admin.create("front", f"unix://{self.folder}/front.sock")
        self.forward(f"unix://{self.folder}/elsewhere")
        for path in self.spellings("front.sock"):
            with self.subTest(path):
                listener = listener_pb2.Listener(name="listeners/fwd")
                listener.forward.upstreams.append(f"unix://{path}")
                failure = self.assert_fails(
                    "FORWARD_LOOP", self.admin.call, "UpdateListener",
                    admin_pb2.UpdateListenerRequest(listener=listener),
                    fields=["listener.forward.upstreams[0]"],
                )
                self.assertEqual(failure.metadata["listener"], "listeners/front")

    def test_itself_by_another_spelling_before_the_file_is_there(self):
        os.symlink(self.folder, f"{self.folder}/folder")
        for spelling in ("./a.sock", "folder/a.sock", "/a.sock"):
            with self.subTest(spelling):
                self.assert_refused(f"unix://{self.folder}/{spelling}", listener="fwd",
                                    address=f"unix://{self.folder}/a.sock")
        self.assertEqual(self.admin.listeners(), [])

    def test_disabled_listener_by_another_spelling(self):
        self.admin.create("front", f"unix://{self.folder}/front.sock", enabled=False)
        self.assert_refused(f"unix://{self.folder}/./front.sock", listener="front")

    def test_move_to_where_another_forwards_by_another_spelling(self):
        self.forward(f"unix://{self.folder}/./b.sock", listener="a",
                     address=f"unix://{self.folder}/a.sock")
        self.forward("tcp://192.0.2.1:1", listener="b")
        listener = listener_pb2.Listener(name="listeners/b", address=f"unix://{self.folder}/b.sock")
        self.assert_fails(
            "FORWARD_LOOP", self.admin.call, "UpdateListener",
            admin_pb2.UpdateListenerRequest(listener=listener), fields=["listener.address"],
        )

    def test_link_that_leads_to_this_host_later_is_not_connected_to(self):
        upstream = f"{self.folder}/later"
        address = self.forward(f"unix://{upstream}", address=f"unix://{self.folder}/fwd.sock")
        self.admin.create("front", f"unix://{self.folder}/front.sock")
        failures = 0
        for make, target in ((os.symlink, "fwd.sock"), (os.link, "fwd.sock"),
                             (os.symlink, "front.sock")):
            with self.subTest(make=make, target=target):
                make(f"{self.folder}/{target}", upstream)
                self.assert_closed(self.connect(address))
                failures += 1
                self.eventually(lambda: self.counters().connect_failures, failures)
                self.assertEqual(self.counters().accepted_connections, failures)
                os.unlink(upstream)
        self.assertEqual(self.admin.get_listener("front").counters.accepted_connections, 0)

    def test_link_that_leads_elsewhere_again_is_connected_to(self):
        upstream = f"{self.folder}/later"
        address = self.forward(f"unix://{upstream}", address=f"unix://{self.folder}/fwd.sock")
        os.symlink(f"{self.folder}/fwd.sock", upstream)
        self.assert_closed(self.connect(address))
        os.unlink(upstream)
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(peers.TIMEOUT_S)
            server.bind(upstream)
            server.listen()
            client = self.connect(address)
            client.sendall(b"x")
            accepted = server.accept()[0]
            self.addCleanup(accepted.close)
            self.assertEqual(accepted.recv(1), b"x")

    def test_neighbours_are_no_loop(self):
        port = self.free_port()
        for listen, upstream in (("127.0.0.1", "127.0.0.2"), ("[::1]", "127.0.0.1"),
                                 ("0.0.0.0", "192.0.2.1"), ("[::]", "192.0.2.1")):
            with self.subTest(listen=listen, upstream=upstream):
                self.forward(f"tcp://{upstream}:{port}", address=f"tcp://{listen}:{port}")
                self.admin.delete("fwd")

    def test_cycle_of_two_and_of_three(self):
        for count in (2, 3):
            with self.subTest(count):
                first, second, third = (self.free_port() for _ in range(3))
                ports = [first, second, third][:count]
                for number, port in enumerate(ports[:-1]):
                    self.forward(f"tcp://127.0.0.1:{ports[number + 1]}", listener=f"l{number}",
                                 address=f"tcp://127.0.0.1:{port}")
                self.assert_refused(f"tcp://127.0.0.1:{first}", listener="l0",
                                    address=f"tcp://127.0.0.1:{ports[-1]}")
                for number in range(count - 1):
                    self.admin.delete(f"l{number}")

    def test_loop_through_a_name_ends(self):
        port = self.free_port()
        try:
            address = self.forward(f"tcp://localhost:{port}", address=f"tcp://127.0.0.1:{port}")
        except grpc.RpcError as error:
            # The name was known before the upstream was checked.
            self.assertEqual(admin.failure_of(error).reason, "FORWARD_LOOP")
            return
        # It can be reset before connect(2) has come back.
        with contextlib.suppress(ConnectionResetError):
            self.assert_closed(self.connect(address))
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.assertLess(self.counters().accepted_connections, 10)

    def test_name_that_leads_to_another_listener_is_not_connected_to(self):
        port = self.free_port()
        address = self.forward(f"tcp://localhost:{port}")
        # Else the name could be known before the upstream is checked.
        self.admin.create("own", f"tcp://127.0.0.1:{port}")
        self.assert_closed(self.connect(address))
        self.assertGreater(self.counters().connect_failures, 0)
        self.assertEqual(self.admin.get_listener("own").counters.accepted_connections, 0)


UDP = {"address": ANY_UDP, "upstreams": ["udp://10.0.0.1:1"]}


class ParametersTest(ForwardTestCase):
    def test_bad_parameters(self):
        for parameters, field, reason in (
            ({"upstreams": []}, "upstreams", "FIELD_INVALID"),
            ({"upstreams": ["tcp://10.0.0.1:1"] * 65}, "upstreams", "FIELD_INVALID"),
            ({"upstreams": ["udp://10.0.0.1:1"]}, "upstreams[0]", "FIELD_INVALID"),
            ({"upstreams": ["unixgram:@up"]}, "upstreams[0]", "FIELD_INVALID"),
            (UDP | {"upstreams": ["tcp://10.0.0.1:1"]}, "upstreams[0]", "FIELD_INVALID"),
            # Nobody could answer: a flow's socket has no name there.
            (UDP | {"upstreams": ["unixgram:@up"]}, "upstreams[0]", "FIELD_INVALID"),
            ({"upstreams": ["tcp://10.0.0.1:1", "nonsense"]}, "upstreams[1]", "ADDRESS_INVALID"),
            ({"policy": 7}, "policy", "FIELD_INVALID"),
            ({"connectTimeout": "600s"}, "connect_timeout", "FIELD_INVALID"),
            ({"connectTimeout": "-1s"}, "connect_timeout", "FIELD_INVALID"),
            ({"flowIdleTimeout": "0.001s"} | UDP, "flow_idle_timeout", "FIELD_INVALID"),
            ({"maxFlows": -1} | UDP, "max_flows", "FIELD_INVALID"),
            ({"maxFlowsPerSource": 70000} | UDP, "max_flows_per_source", "FIELD_INVALID"),
            # What is of the other kind of listener.
            ({"flowIdleTimeout": "1s"}, "flow_idle_timeout", "FIELD_INVALID"),
            ({"maxFlows": 5}, "max_flows", "FIELD_INVALID"),
            ({"maxFlowsPerSource": 5}, "max_flows_per_source", "FIELD_INVALID"),
            ({"connectTimeout": "1s"} | UDP, "connect_timeout", "FIELD_INVALID"),
        ):
            with self.subTest(parameters):
                given = {"upstreams": ["tcp://10.0.0.1:1"]} | parameters
                self.assert_fails(reason, self.forward, *given.pop("upstreams"),
                                  fields=[f"listener.forward.{field}"], **given)
        self.assertEqual(self.admin.listeners(), [])

    def test_unix_datagrams_are_not_forwarded(self):
        self.assert_fails("FIELD_INVALID", self.forward, "unixgram:@up", address="unixgram:@fwd",
                          fields=["listener.address"])

    def test_parameters_of_another_service(self):
        self.assert_fails(
            "FIELD_INVALID", self.admin.create, "web", ANY_TCP, service="echo",
            forward=forward_pb2.ForwardParameters(upstreams=["tcp://10.0.0.1:1"]),
            fields=["listener.forward"],
        )

    def test_parameters_come_back(self):
        self.forward("tcp://web.example:80", policy="LEAST_CONNECTIONS", connectTimeout="1.5s")
        declared = self.admin.get_listener("fwd").forward
        self.assertEqual(list(declared.upstreams), ["tcp://web.example:80"])
        self.assertEqual(declared.connect_timeout.ToTimedelta().total_seconds(), 1.5)


if __name__ == "__main__":
    unittest.main()
