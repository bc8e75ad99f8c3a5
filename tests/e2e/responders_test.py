"""Services that answer datagrams, on a network of their own where every source can be forged."""

import itertools
import os
import socket
import struct
import unittest

import daemon
import network_namespace
import peers
from daemon_test_case import DaemonTestCase

network_namespace.enter()

HOSTS = ("10.99.0.1", "10.99.0.2", "10.99.0.3")
HOSTS6 = ("fd99::1", "fd99::2", "fd99::3") if peers.has_ipv6() else ()
# Every address of this network is one of this host's, so that forged sources can be answered.
EVERYBODY = "10.0.0.0/8"
SOAK = bool(os.environ.get("SOCKHOST_SOAK"))

RESPONDERS = {
    "echo": {},
    "daytime": {},
    "time": {},
    "chargen": {},
    "banner": {"banner": {"text": "hello\r\n"}},
}


def setUpModule():
    network_namespace.run("route", "add", "local", EVERYBODY, "dev", "lo")
    for host in HOSTS:
        network_namespace.run("address", "add", f"{host}/32", "dev", "lo")
    for host in HOSTS6:
        network_namespace.run("address", "add", f"{host}/128", "dev", "lo", "nodad")


class Forger:
    """Sends UDP datagrams that claim to be from anybody."""

    def __init__(self):
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, source, target, payload=b"x"):
        """`source` and `target` are (host, port)."""
        udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
        # The kernel fills in length, identification and checksum.
        header = struct.pack(
            "!BBHHHBBH4s4s",
            *(0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0),
            *(socket.inet_aton(source[0]), socket.inet_aton(target[0])),
        )
        self._raw.sendto(header + udp + payload, (target[0], 0))

    def close(self):
        self._raw.close()


class RespondersTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.forger = Forger()
        self.addCleanup(self.forger.close)

    def create_responder(self, name, service="echo", address="udp://127.0.0.1:0", **fields):
        fields = {**RESPONDERS[service], **fields}
        created = self.admin.create(name, address, service=service, **fields)
        return peers.endpoint(created.effective_address)[2]

    def counters(self, name):
        return self.admin.get_listener(name).counters

    def received(self, *names):
        """Datagrams that reached these listeners, when no more are on their way."""
        self.settle()
        return sum(self.counters(name).receive_messages for name in names)


class LoopTest(RespondersTestCase):
    """Two responders must not talk to each other for ever (CVE-2024-2169)."""

    def test_all_pairs_fall_silent(self):
        for pair in itertools.combinations_with_replacement(RESPONDERS, 2):
            with self.subTest(pair):
                one = self.create_responder("one", pair[0])
                two = self.create_responder("two", pair[1])
                self.forger.send(one, two, b"seed")
                self.eventually(lambda: self.counters("two").receive_messages, 1)
                self.assertEqual(self.received("one", "two"), 1)
                self.assertEqual(self.counters("two").dropped_loops, 1)
                self.assertEqual(self.counters("two").transmit_messages, 0)
                self.admin.delete("one")
                self.admin.delete("two")

    def test_wildcard_listeners_fall_silent(self):
        port = self.create_responder("one", address="udp://0.0.0.0:0")[1]
        two = self.create_responder("two", address=f"udp://{HOSTS[1]}:0")
        for source in ("127.0.0.1", HOSTS[0], HOSTS[1]):
            self.forger.send((source, port), two)
        self.eventually(lambda: self.counters("two").dropped_loops, 3)
        self.assertEqual(self.received("one", "two"), 3)

    def test_responder_to_itself_falls_silent(self):
        one = self.create_responder("one")
        self.forger.send(one, one)
        self.eventually(lambda: self.counters("one").dropped_loops, 1)
        self.assertEqual(self.received("one"), 1)

    def test_known_responders_are_not_answered(self):
        one = self.create_responder("one", udp_guard={"allow_privileged_sources": True})
        for port in (7, 19, 53, 123, 1900):
            self.forger.send((HOSTS[0], port), one)
        self.eventually(lambda: self.counters("one").dropped_loops, 5)
        self.assertEqual(self.counters("one").transmit_messages, 0)

    def test_port_of_a_deleted_listener_is_a_clients_again(self):
        one = self.create_responder("one")
        two = self.create_responder("two")
        self.admin.delete("one")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(peers.TIMEOUT_S)
            client.bind(one)
            client.sendto(b"now mine", two)
            self.assertEqual(client.recv(100), b"now mine")


class SourceTest(RespondersTestCase):
    # What is remembered of listeners is no memory of sources.
    flags = ("--event-history", "100")

    def test_sources_that_no_client_has_are_not_answered(self):
        one = self.create_responder("one", address="udp://0.0.0.0:0")
        target = (HOSTS[0], one[1])
        sources = [("224.0.0.1", 4000), (HOSTS[1], 0), (HOSTS[1], 22), (HOSTS[1], 1023)]
        for source in sources:
            self.forger.send(source, target)
        self.forger.send((HOSTS[1], 1024), target)
        self.eventually(lambda: self.counters("one").transmit_messages, 1)
        # The kernel itself may drop the first.
        self.assertGreaterEqual(self.counters("one").dropped_sources, len(sources) - 1)

    def test_request_to_a_broadcast_address_is_not_answered(self):
        network_namespace.run("address", "add", "10.88.0.1/24", "broadcast", "10.88.0.255", "dev", "lo")
        one = self.create_responder("one", address="udp://0.0.0.0:0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.sendto(b"who is there", ("10.88.0.255", one[1]))
            self.eventually(lambda: self.counters("one").dropped_sources, 1)
        self.assertEqual(self.counters("one").transmit_messages, 0)

    def test_peer_over_its_rate_is_not_answered(self):
        one = self.create_responder("one", udp_guard={"peer_reply_rate": 5})
        peer = self.connect(f"udp://{one[0]}:{one[1]}")
        for _ in range(100):
            peer.send(b"more")
        self.eventually(lambda: self.counters("one").receive_messages, 100)
        counters = self.counters("one")
        self.assertGreaterEqual(counters.transmit_messages, 5)
        self.assertGreater(counters.dropped_over_rate, 0)
        self.assertEqual(counters.transmit_messages + counters.dropped_over_rate, 100)
        self.assertEqual(counters.dropped_messages, counters.dropped_over_rate)

    def test_strangers_get_no_more_than_they_sent(self):
        for service in ("daytime", "time", "banner"):
            with self.subTest(service):
                one = self.create_responder("one", service, f"udp://{HOSTS[0]}:0")
                self.forger.send((HOSTS[1], 4000), one, b"")
                self.eventually(lambda: self.counters("one").dropped_amplifications, 1)
                self.forger.send((HOSTS[1], 4000), one, b"x" * 100)
                self.eventually(lambda: self.counters("one").transmit_messages, 1)
                self.admin.delete("one")
                guard = {"allow_amplification": True}
                one = self.create_responder("one", service, f"udp://{HOSTS[0]}:0", udp_guard=guard)
                self.forger.send((HOSTS[1], 4000), one, b"")
                self.eventually(lambda: self.counters("one").transmit_messages, 1)
                self.admin.delete("one")

    def test_forged_sources_need_no_more_memory(self):
        one = self.create_responder("one")
        count = 1_000_000 if SOAK else 20_000
        before = None
        for number in range(count):
            host = socket.inet_ntoa(struct.pack("!I", 0x0A000000 + number * 13 % (1 << 24)))
            self.forger.send((host, 4000), one)
            if number % 500 == 0:
                # Not faster than the daemon receives.
                self.settle()
            if number == count // 10:
                before = self.daemon.anonymous_memory()
        self.assertGreater(self.received("one"), count // 2)
        grown = self.daemon.anonymous_memory() - before
        print(f"own memory grew by {grown} bytes for {count} sources", flush=True)
        if not daemon.SANITIZERS:
            self.assertLess(grown, 1 << 20)


class MultihomedTest(RespondersTestCase):
    """A host with several addresses answers from the one that was asked."""

    def assert_each_answers(self, wildcard, hosts, family):
        port = self.create_responder("one", address=wildcard)[1]
        for ours, theirs in itertools.product(hosts, hosts):
            with self.subTest(asked=theirs, by=ours):
                with socket.socket(family, socket.SOCK_DGRAM) as client:
                    client.settimeout(peers.TIMEOUT_S)
                    client.bind((ours, 0))
                    # Connected: it hears nobody else.
                    client.connect((theirs, port))
                    client.send(b"from where?")
                    self.assertEqual(client.recv(100), b"from where?")
        self.admin.delete("one")

    def test_ipv4(self):
        self.assert_each_answers("udp://0.0.0.0:0", HOSTS, socket.AF_INET)

    @unittest.skipUnless(HOSTS6, "no IPv6 here")
    def test_ipv6(self):
        self.assert_each_answers("udp://[::]:0", HOSTS6, socket.AF_INET6)

    @unittest.skipUnless(HOSTS6, "no IPv6 here")
    def test_ipv4_through_a_dual_stack_listener(self):
        self.assert_each_answers("udp://[::]:0", HOSTS, socket.AF_INET)


if __name__ == "__main__":
    unittest.main()
