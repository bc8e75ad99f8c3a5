"""Sockets, services, the host: what the API says of them is what the kernel says."""

import socket
import subprocess
import unittest
import uuid

from sockhost.v1 import admin_pb2, counters_pb2, service_pb2, socket_pb2

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase

Socket = socket_pb2.Socket
Service = service_pb2.Service


def cookie_of_kernel(address):
    """The sk: value that `ss -e` shows for the listening or datagram socket at `address`."""
    kind = "-t" if address.startswith("tcp") else "-u"
    port = peers.port_of(address)
    line = subprocess.run(
        ["ss", "-H", "-l", "-n", "-e", kind, f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (cookie,) = [word[3:] for word in line.split() if word.startswith("sk:")]
    return int(cookie, 16)


class SocketTest(DaemonTestCase):
    def test_each_role(self):
        tcp = self.admin.create("web", "tcp://127.0.0.1:0")
        udp = self.admin.create("dns", "udp://127.0.0.1:0", service="discard")
        peer = self.connect(tcp.effective_address)
        self.assert_echo(peer)
        self.settle()
        listening, datagram, connection = self.admin.sockets()

        self.assertEqual(listening.role, Socket.LISTENING)
        self.assertEqual(listening.protocol, Socket.TCP)
        self.assertEqual(listening.service, "services/echo")
        self.assertEqual(listening.listener, "listeners/web")
        self.assertEqual(listening.local_address, tcp.effective_address)
        self.assertEqual(listening.remote_address, "")
        self.assertEqual(listening.counters.accepted_connections, 1)

        self.assertEqual(datagram.role, Socket.DATAGRAM)
        self.assertEqual(datagram.protocol, Socket.UDP)
        self.assertEqual(datagram.service, "services/discard")
        self.assertEqual(datagram.listener, "listeners/dns")
        self.assertEqual(datagram.local_address, udp.effective_address)
        self.assertEqual(datagram.remote_address, "")

        self.assertEqual(connection.role, Socket.CONNECTION)
        self.assertEqual(connection.protocol, Socket.TCP)
        self.assertEqual(connection.service, "services/echo")
        self.assertEqual(connection.listener, "listeners/web")
        self.assertEqual(connection.local_address, peers.address_of(peer, peer.getpeername()))
        self.assertEqual(connection.remote_address, peers.address_of(peer, peer.getsockname()))
        self.assertEqual(list(connection.poll_events), ["POLLIN"])
        self.assertFalse(connection.masked)
        self.assertEqual(connection.counters.receive_bytes, 5)

        for listed in (listening, datagram, connection):
            self.assertRegex(listed.name, r"^sockets/[1-9][0-9]*$")
            self.assertRegex(self.daemon.open_fds()[listed.fd], r"^socket:\[")
            self.assertEqual(self.admin.get_socket(listed.name), listed)

    def test_cookie_is_that_of_ss(self):
        for protocol in ("tcp", "udp"):
            created = self.admin.create(protocol, f"{protocol}://127.0.0.1:0")
            (listed,) = self.admin.sockets(f"listener = {protocol}")
            self.assertEqual(listed.cookie, cookie_of_kernel(created.effective_address))

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_addresses_of_ipv6(self):
        created = self.admin.create("web", "tcp://[::]:0")
        peer = self.connect(created.effective_address)
        self.assert_echo(peer)
        (connection,) = self.admin.sockets("role = CONNECTION")
        self.assertEqual(connection.local_address, peers.address_of(peer, peer.getpeername()))
        self.assertEqual(connection.remote_address, peers.address_of(peer, peer.getsockname()))

    def test_id_is_never_used_again(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        seen = []
        for _ in range(20):
            with peers.connect(created.effective_address) as peer:
                self.assert_echo(peer)
                (connection,) = self.admin.sockets("role = CONNECTION")
                seen.append(int(connection.name.removeprefix("sockets/")))
            self.eventually(lambda: self.admin.sockets("role = CONNECTION"), [])
        self.assertEqual(seen, sorted(set(seen)))

    def test_gauge_of_a_listening_socket_goes_down_again(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        for _ in range(3):
            with peers.connect(created.effective_address) as peer:
                self.assert_echo(peer)
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        (listening,) = self.admin.sockets()
        for shown in (self.admin.get_listener("web"), self.admin.get_service("services/echo")):
            self.assertEqual(shown.counters.active_connections, 0)
        self.assertEqual(listening.counters.accepted_connections, 3)
        self.assertEqual(listening.counters.active_connections, 0)

    def test_pages(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        connections = [self.connect(created.effective_address) for _ in range(20)]
        for peer in connections:
            self.assert_echo(peer)
        self.settle()
        everything = self.admin.sockets()
        self.assertEqual(self.admin.sockets(page_size=4), everything)
        self.assertEqual(len(everything), 21)
        ids = [int(listed.name.removeprefix("sockets/")) for listed in everything]
        self.assertEqual(ids, sorted(ids))
        first = self.admin.call("ListSockets", admin_pb2.ListSocketsRequest(page_size=4))
        self.assertEqual(list(first.sockets), everything[:4])
        # What closes between two pages is missing, what stays is shown once.
        connections[0].close()
        self.eventually(lambda: self.admin.host().sockets.used, 20)
        rest = self.admin.sockets(page_token=first.next_page_token)
        self.assertEqual([s.name for s in rest], [s.name for s in everything[4:]])

    def test_page_with_a_filter(self):
        for listener_id in ("a", "b"):
            created = self.admin.create(listener_id, "tcp://127.0.0.1:0")
            for _ in range(5):
                self.assert_echo(self.connect(created.effective_address))
        wanted = 'role = CONNECTION AND listener = "listeners/b"'
        listed = self.admin.sockets(wanted, page_size=2)
        self.assertEqual([(s.role, s.listener) for s in listed], [(Socket.CONNECTION, "listeners/b")] * 5)


class ServiceTest(DaemonTestCase):
    def test_built_in_services(self):
        listed = self.admin.services()
        self.assertEqual([s.name for s in listed], admin.BUILT_IN_SERVICES)
        for service in listed:
            self.assertEqual(service.kind, Service.BUILT_IN)
            self.assertRegex(service.owner, r"^[a-z_]+\.cc:[0-9]+$")
            self.assertEqual((service.capacity, service.used, service.sockets), (0, 0, 0))
            self.assertEqual(service.counters, counters_pb2.Counters())
            self.assertEqual(self.admin.get_service(service.name), service)
        self.assertEqual(self.admin.services(page_size=1), listed)

    def test_counters_outlive_their_sockets(self):
        for _ in range(2):
            created = self.admin.create("web", "tcp://127.0.0.1:0")
            self.assert_echo(self.connect(created.effective_address), b"12345")
            self.assertEqual(self.admin.get_service("services/echo").sockets, 2)
            self.admin.delete("web", force=True)
        service = self.admin.get_service("services/echo")
        self.assertEqual(service.sockets, 0)
        self.assertEqual(service.counters.receive_bytes, 10)
        self.assertEqual(service.counters.transmit_bytes, 10)
        self.assertEqual(service.counters.accepted_connections, 2)
        self.assertEqual(service.counters.active_connections, 0)


class HostTest(DaemonTestCase):
    def test_what_it_says_is_true(self):
        version = daemon.run("--version").stdout.split()[-1]
        host = self.admin.host()
        self.assertEqual((host.name, host.version, host.pid), ("host", version, self.daemon.pid))
        self.assertEqual(str(uuid.UUID(host.instance_id)), host.instance_id)
        self.assertEqual(list(host.admin_addresses), [self.daemon.address])
        self.assertEqual(host.file_descriptors.limit, self.daemon.fd_limit())
        self.assertEqual(host.file_descriptors.used, len(self.daemon.open_fds()))
        self.assertEqual((host.sockets.used, host.listeners.used, host.watches.used), (0, 0, 0))
        self.assertTrue(0 < host.sockets.limit < host.file_descriptors.limit)
        self.assertEqual((host.listeners.limit, host.watches.limit), (65536, 1000))
        later = self.admin.host()
        self.assertEqual((later.instance_id, later.start_time), (host.instance_id, host.start_time))
        self.assertGreater(later.uptime.ToNanoseconds(), host.uptime.ToNanoseconds())

    def test_use_goes_up_and_down(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        peer = self.connect(created.effective_address)
        self.assert_echo(peer)
        watch = self.admin.watch()
        next(watch)
        host = self.admin.host()
        self.assertEqual((host.sockets.used, host.listeners.used, host.watches.used), (2, 1, 1))
        self.assertEqual(host.file_descriptors.used, len(self.daemon.open_fds()))
        watch.cancel()
        peer.close()
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        self.eventually(lambda: self.admin.host().watches.used, 0)

    def test_loop_counts_its_work(self):
        before = self.admin.host().loop
        created = self.admin.create("web", "udp://127.0.0.1:0")
        peer = self.connect(created.effective_address)
        for _ in range(10):
            self.assert_echo(peer)
        after = self.admin.host().loop
        self.assertGreaterEqual(after.events - before.events, 10)
        self.assertGreaterEqual(after.wakeups - before.wakeups, 10)
        self.assertGreater(after.busy_nanos, before.busy_nanos)
        self.assertGreaterEqual(after.max_events_per_wakeup, 1)
        self.assertEqual((after.stale_events, after.closed_behind, after.stalls), (0, 0, 0))

    def test_instance_is_new_at_each_start(self):
        first = self.admin.host()
        self.daemon.stop()
        second = self.start().admin.host()
        self.assertNotEqual(first.instance_id, second.instance_id)


class HealthTest(DaemonTestCase):
    def test_serves(self):
        self.assertEqual(self.admin.health(), "SERVING")
        self.assertEqual(self.admin.health("sockhost.v1.AdminService"), "SERVING")


if __name__ == "__main__":
    unittest.main()
