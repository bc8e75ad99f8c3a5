"""Which addresses are this machine's, where a socket can be bound to any (net.ipv4.ip_nonlocal_bind)."""

import pathlib
import socket
import unittest

import network_namespace
import peers
from forward_test import ForwardTestCase

network_namespace.enter()

IP_TRANSPARENT = 19
OWN = ["10.9.0.1"] + (["[fd09::1]", "[fe80::9%lo]"] if peers.has_ipv6() else [])
# Bound to nothing, but routed here: `ip route add local`.
OWN_BY_ROUTE = "10.8.7.6"
OTHER = ["192.0.2.7"] + (["[2001:db8::7]", "[fe80::7%lo]"] if peers.has_ipv6() else [])


def setUpModule():
    network_namespace.run("route", "add", "local", "10.8.0.0/16", "dev", "lo")
    network_namespace.run("route", "add", "192.0.2.0/24", "dev", "lo")
    network_namespace.run("address", "add", f"{OWN[0]}/32", "dev", "lo")
    families = ["ipv4"]
    if peers.has_ipv6():
        for address in ("fd09::1/128", "fe80::9/64"):
            network_namespace.run("address", "add", address, "dev", "lo", "nodad")
        families.append("ipv6")
    for family in families:
        try:
            pathlib.Path(f"/proc/sys/net/{family}/ip_nonlocal_bind").write_text("1")
        except OSError as error:
            raise unittest.SkipTest(f"cannot set ip_nonlocal_bind: {error}") from error


class OwnAddressesTest(ForwardTestCase):
    def forward_from_any(self, host):
        """A listener at every address of the host's family that forwards to the same port of it."""
        everywhere = "[::]" if ":" in host else "0.0.0.0"
        self.forward(f"tcp://{host}:8080", address=f"tcp://{everywhere}:8080")

    def test_same_port_of_another_machine_is_no_loop(self):
        for host in OTHER:
            with self.subTest(host):
                self.forward_from_any(host)
                self.admin.delete("fwd")

    def test_own_address_is_a_loop(self):
        for host in OWN + [OWN_BY_ROUTE]:
            with self.subTest(host):
                self.assert_fails("FORWARD_LOOP", self.forward_from_any, host,
                                  fields=["listener.forward.upstreams[0]"])

    def test_peer_with_the_port_of_a_listener_is_answered(self):
        listener = self.admin.create("echo", f"udp://{OWN[0]}:0")
        port = peers.endpoint(listener.effective_address)[2][1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            # It may send from there.
            peer.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
            peer.bind((OTHER[0], port))
            peer.sendto(b"x", (OWN[0], port))
            counters = lambda: self.admin.get_listener("echo").counters  # noqa: E731
            self.eventually(lambda: counters().receive_messages, 1)
            self.settle()
            self.assertEqual((counters().transmit_messages, counters().dropped_loops), (1, 0))


if __name__ == "__main__":
    unittest.main()
