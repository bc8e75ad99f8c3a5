"""Wrong requests: each gets the documented error, and changes nothing."""

import socket
import unittest

import grpc
from google.protobuf import duration_pb2
from sockhost.v1 import admin_pb2, listener_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase

METHODS = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods_by_name

LONG = 100_000

ADDRESSES = [
    "",
    " ",
    "tcp",
    "tcp:",
    "tcp://",
    "127.0.0.1:80",
    "tcp:127.0.0.1:80",
    "tcp:/127.0.0.1:80",
    "TCP://127.0.0.1:80",
    "http://127.0.0.1:80",
    "sctp://127.0.0.1:80",
    "unix:x.sock",
    "unix:@",
    "unix://x.sock",
    "unixgram:",
    "UNIX:/tmp/x.sock",
    "unix:///tmp/x\n.sock",
    "unix:@" + "n" * 108,
    " tcp://127.0.0.1:80",
    "tcp://127.0.0.1:80 ",
    "tcp://127.0.0.1:80\n",
    "tcp://127.0.0.1 :80",
    "tcp://127.0.0.1:80\0",
    "tcp://127.0.0.1\0:80",
    # Ports.
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:99999999999999999999",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:+1",
    "tcp://127.0.0.1: 1",
    "tcp://127.0.0.1:0x50",
    "tcp://127.0.0.1:http",
    "tcp://127.0.0.1:80/",
    "tcp://127.0.0.1:80:90",
    "tcp://127.0.0.1:٨٠",
    # Hosts.
    "tcp://:80",
    "tcp://*:80",
    "tcp://localhost:80",
    "tcp://example.com:80",
    "tcp://user@127.0.0.1:80",
    "tcp://127.0.0.256:80",
    "tcp://127.0.1:80",
    "tcp://2130706433:80",
    "tcp://0177.0.0.1:80",
    "tcp://127.0.0.1.:80",
    "tcp://１２７.0.0.1:80",
    "tcp://::1:80",
    "tcp://[::1:80",
    "tcp://::1]:80",
    "tcp://[]:80",
    "tcp://[::1]",
    "tcp://[::1]80",
    "tcp://[127.0.0.1]:80",
    "tcp://[:::]:80",
    "tcp://[g::]:80",
    "tcp://[1:2:3:4:5:6:7:8:9]:80",
    "tcp://[::1%]:80",
    "tcp://[fe80::1%no-such-interface]:80",
    "tcp://[fe80::1%-1]:80",
    "tcp://[fe80::1%4294967297]:80",
    "tcp://127.0.0.1:" + "0" * LONG,
    "x" * LONG,
]

LISTENER_IDS = [
    "",
    "-",
    "A",
    "Web",
    "1a",
    "-a",
    "a-",
    "a_b",
    "a.b",
    "a/b",
    "listeners/a",
    " a",
    "a ",
    "a\n",
    "a\0b",
    "ä",
    "🦀",
    "a" * 64,
    "a" * LONG,
]

LISTENER_NAMES = [
    "",
    "web",
    "listeners",
    "listeners/",
    "/web",
    "/listeners/web",
    "listeners//web",
    "listeners/web/",
    "listeners/web/x",
    "Listeners/web",
    "services/web",
    "x" * LONG,
    # No listener can have these ids.
    "listeners/Web",
    "listeners/No Such Listener",
    "listeners/web\0",
    "listeners/1web",
    "listeners/\x1b[31m",
    # Would not fit into the metadata of an answer.
    "listeners/" + "x" * LONG,
    "listeners/" + "\n" * LONG,
]

SOCKET_NAMES = [
    "",
    "1",
    "sockets/",
    "sockets/0",
    "sockets/-1",
    "sockets/+1",
    "sockets/01",
    "sockets/1 ",
    "sockets/ 1",
    "sockets/1.0",
    "sockets/0x1",
    "sockets/one",
    "sockets/1/2",
    "sockets/9223372036854775808",
    "sockets/" + "1" * LONG,
]

FIELDS = [
    ("listener.display_name", {"display_name": "x" * 257}),
    ("listener.display_name", {"display_name": "ä" * 129}),
    ("listener.labels", {"labels": {f"k{i}": "v" for i in range(65)}}),
    ("listener.labels", {"labels": {"": "v"}}),
    ("listener.labels", {"labels": {"K": "v"}}),
    ("listener.labels", {"labels": {"1k": "v"}}),
    ("listener.labels", {"labels": {"k-": "v"}}),
    ("listener.labels", {"labels": {"k k": "v"}}),
    ("listener.labels", {"labels": {"k" * 64: "v"}}),
    ("listener.labels", {"labels": {"k": "v" * 257}}),
    ("listener.backlog", {"backlog": -1}),
    ("listener.backlog", {"backlog": 65536}),
    ("listener.max_connections", {"max_connections": -1}),
    ("listener.idle_timeout", {"idle_timeout": duration_pb2.Duration(seconds=1, nanos=2 * 10**9)}),
    ("listener.drain_timeout", {"drain_timeout": duration_pb2.Duration(seconds=2, nanos=-5)}),
]

FILTERS = [
    "role",
    "role =",
    "= CONNECTION",
    "no_such_field = 1",
    "role = NO_SUCH_ROLE",
    "fd = many",
    "fd > 1 OR",
    "fd > 1 or fd < 1",
    "(fd > 1",
    'listener = "web',
    "counters.no_such_counter > 1",
    "role > CONNECTION",
    "fd = 1 " * 1000,
    "(" * 4000,
    "\0",
]


ORDERS = ["no_such_field", "fd down", "fd,,fd", "fd desc desc", ",", "name; fd", "\0", "fd," * 1000]


class BadInputTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.taken = self.admin.create("taken", "tcp://127.0.0.1:0")

    def refuse(self, reason, call, *arguments, fields=(), **options):
        with self.nothing_changes():
            return self.assert_fails(reason, call, *arguments, fields=fields, **options)


class CreateListenerTest(BadInputTestCase):
    def create(self, listener_id="new", address="tcp://127.0.0.1:0", **fields):
        return self.admin.create(listener_id, address, **fields)

    def test_address(self):
        for address in ADDRESSES:
            with self.subTest(address[:80]):
                failure = self.refuse(
                    "ADDRESS_INVALID",
                    self.create,
                    address=address,
                    fields=["listener.address"],
                )
                self.assertIn("address", failure.metadata)

    def test_listener_id(self):
        for listener_id in LISTENER_IDS:
            with self.subTest(listener_id[:80]):
                self.refuse(
                    "LISTENER_ID_INVALID", self.create, listener_id, fields=["listener_id"]
                )

    def test_other_fields(self):
        for field, values in FIELDS:
            with self.subTest(str(values)[:80]):
                self.refuse("FIELD_INVALID", self.create, fields=[field], **values)

    def test_each_wrong_field_is_named(self):
        self.refuse(
            "LISTENER_ID_INVALID",
            self.create,
            "B",
            backlog=-1,
            idle_timeout=admin.duration(0.05),
            unix_access=listener_pb2.UnixAccess(mode="0600"),
            fields=["listener_id", "listener.backlog", "listener.idle_timeout", "listener.unix_access"],
        )

    def test_empty_service(self):
        self.refuse("SERVICE_INVALID", self.create, service="", fields=["listener.service"])

    def test_no_listener_at_all(self):
        request = admin_pb2.CreateListenerRequest(listener_id="new")
        self.refuse(
            "SERVICE_INVALID",
            self.admin.call,
            "CreateListener",
            request,
            fields=["listener.service", "listener.address"],
        )

    def test_unknown_service(self):
        for service in ("none", "services/none", "services/", "Echo", "echo ", "a/b", "x" * LONG):
            with self.subTest(service[:80]):
                failure = self.refuse(
                    "SERVICE_NOT_FOUND", self.create, service=service, fields=["listener.service"]
                )
                shown = "services/" + service.removeprefix("services/")
                self.assertEqual(failure.metadata["service"][:80], shown[:80])

    def test_id_is_taken(self):
        failure = self.refuse("LISTENER_EXISTS", self.create, "taken")
        self.assertEqual(failure.metadata, {"listener": "listeners/taken"})

    def test_address_is_in_use_by_another_listener(self):
        port = peers.port_of(self.taken.effective_address)
        for address in (self.taken.effective_address, f"tcp://0.0.0.0:{port}"):
            with self.subTest(address):
                failure = self.refuse(
                    "ADDRESS_IN_USE", self.create, address=address, fields=["listener.address"]
                )
                self.assertEqual(failure.metadata["address"], address)
                self.assertEqual(failure.metadata["listener"], "listeners/taken")

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_address_is_in_use_by_another_listener_of_ipv4(self):
        address = f"tcp://[::ffff:127.0.0.1]:{peers.port_of(self.taken.effective_address)}"
        failure = self.refuse(
            "ADDRESS_IN_USE", self.create, address=address, fields=["listener.address"]
        )
        self.assertEqual(failure.metadata["listener"], "listeners/taken")

    def test_udp_address_is_in_use_by_another_listener(self):
        address = self.admin.create("dns", "udp://127.0.0.1:0").effective_address
        failure = self.refuse(
            "ADDRESS_IN_USE", self.create, address=address, fields=["listener.address"]
        )
        self.assertEqual(failure.metadata["listener"], "listeners/dns")

    def test_address_is_in_use_by_another_process(self):
        for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            with self.subTest(protocol), socket.socket(socket.AF_INET, kind) as other:
                other.bind(("127.0.0.1", 0))
                if protocol == "tcp":
                    other.listen()
                address = f"{protocol}://127.0.0.1:{other.getsockname()[1]}"
                failure = self.refuse(
                    "ADDRESS_IN_USE", self.create, address=address, fields=["listener.address"]
                )
                self.assertEqual(failure.metadata["address"], address)
                self.assertNotIn("listener", failure.metadata)

    def test_address_is_not_of_this_host(self):
        # Documentation addresses (RFC 5737, RFC 3849), and a link-local one without its zone.
        for host in ("203.0.113.77", "[2001:db8::dead:beef]", "[fe80::1]"):
            for protocol in ("tcp", "udp"):
                address = f"{protocol}://{host}:0"
                with self.subTest(address):
                    failure = self.refuse(
                        "ADDRESS_NOT_AVAILABLE",
                        self.create,
                        address=address,
                        fields=["listener.address"],
                    )
                    self.assertEqual(failure.metadata["address"], address)


class DrainListenerTest(BadInputTestCase):
    def test_timeout(self):
        for seconds, nanos in ((1, 2 * 10**9), (2, -5), (-1, 0), (86401, 0), (2**63 - 1, 0)):
            request = admin_pb2.DrainListenerRequest(name="listeners/taken")
            request.drain_timeout.seconds, request.drain_timeout.nanos = seconds, nanos
            with self.subTest(seconds=seconds, nanos=nanos):
                self.refuse(
                    "FIELD_INVALID",
                    self.admin.call,
                    "DrainListener",
                    request,
                    fields=["drain_timeout"],
                )


class NameTest(BadInputTestCase):
    def test_listener(self):
        for name in LISTENER_NAMES:
            with self.subTest(name[:80]):
                for method, request in (
                    ("GetListener", admin_pb2.GetListenerRequest(name=name)),
                    ("DeleteListener", admin_pb2.DeleteListenerRequest(name=name)),
                    (
                        "DeleteListener",
                        admin_pb2.DeleteListenerRequest(name=name, allow_missing=True, force=True),
                    ),
                ):
                    self.refuse("NAME_INVALID", self.admin.call, method, request, fields=["name"])

    def test_socket(self):
        for name in SOCKET_NAMES:
            with self.subTest(name[:80]):
                self.refuse("NAME_INVALID", self.admin.get_socket, name, fields=["name"])

    def test_service(self):
        for name in ("", "echo", "services/", "services/a/b", "listeners/echo"):
            with self.subTest(name):
                self.refuse("NAME_INVALID", self.admin.get_service, name, fields=["name"])


class NotFoundTest(BadInputTestCase):
    def test_listener(self):
        for call in (self.admin.get_listener, self.admin.delete):
            failure = self.refuse("LISTENER_NOT_FOUND", call, "none", fields=["name"])
            self.assertEqual(failure.metadata, {"listener": "listeners/none"})

    def test_socket(self):
        for name in ("sockets/999999", "sockets/9223372036854775807"):
            failure = self.refuse(
                "SOCKET_NOT_FOUND", self.admin.get_socket, name, fields=["name"]
            )
            self.assertEqual(failure.metadata, {"socket": name})

    def test_service(self):
        for name in ("services/none", "services/" + "x" * LONG):
            self.refuse("SERVICE_NOT_FOUND", self.admin.get_service, name, fields=["name"])


class DeleteListenerTest(BadInputTestCase):
    def test_live_connections(self):
        peer = self.connect(self.taken.effective_address)
        self.assert_echo(peer)
        self.settle()
        failure = self.refuse("LISTENER_BUSY", self.admin.delete, "taken")
        self.assertEqual(failure.metadata, {"listener": "listeners/taken", "connections": "1"})
        self.assert_echo(peer)

    def test_etag(self):
        for etag in ("old", self.taken.etag.strip('"'), "x" * LONG, "\x1b[31m"):
            with self.subTest(etag[:80]):
                failure = self.refuse(
                    "ETAG_MISMATCH", self.admin.delete, "taken", etag=etag, fields=["etag"]
                )
                self.assertEqual(failure.metadata["etag"], self.taken.etag)

    def test_etag_of_another_listener_of_that_name(self):
        self.admin.delete("taken")
        self.admin.create("taken", "tcp://127.0.0.1:0")
        self.refuse(
            "ETAG_MISMATCH", self.admin.delete, "taken", etag=self.taken.etag, fields=["etag"]
        )


class ListTest(BadInputTestCase):
    def lists(self):
        return (self.admin.listeners, self.admin.sockets, self.admin.services)

    def test_page_size(self):
        for list_method in self.lists():
            for page_size in (-1, -(2**31)):
                self.refuse(
                    "PAGE_SIZE_INVALID", list_method, page_size=page_size, fields=["page_size"]
                )

    def test_page_token(self):
        self.admin.create("second", "tcp://127.0.0.1:0")
        first = self.admin.call("ListListeners", admin_pb2.ListListenersRequest(page_size=1))
        for page_token in ("x", "====", "0", "ü", "\0", "x" * LONG):
            for list_method in self.lists():
                self.refuse(
                    "PAGE_TOKEN_INVALID", list_method, page_token=page_token, fields=["page_token"]
                )
        for list_method in self.lists()[1:]:
            self.refuse(
                "PAGE_TOKEN_INVALID",
                list_method,
                page_token=first.next_page_token,
                fields=["page_token"],
            )

    def test_page_size_above_the_most_is_the_most(self):
        self.assertEqual(self.admin.listeners(page_size=2**31 - 1), [self.taken])

    def test_filter(self):
        for filter_text in FILTERS:
            with self.subTest(filter_text[:80]):
                failure = self.refuse(
                    "FILTER_INVALID", self.admin.sockets, filter_text, fields=["filter"]
                )
                self.assertIn("position", failure.metadata)

    def test_filter_of_listeners_and_services(self):
        for list_method in (self.admin.listeners, self.admin.services):
            # A field of sockets alone.
            for filter_text in ("fd = 1", "name =", "counters.no_such_counter > 1"):
                self.refuse("FILTER_INVALID", list_method, filter=filter_text, fields=["filter"])

    def test_order(self):
        for list_method in self.lists():
            for order_by in ORDERS:
                with self.subTest(order_by[:80]):
                    self.refuse(
                        "ORDER_BY_INVALID", list_method, order_by=order_by, fields=["order_by"]
                    )

    def test_page_token_of_another_filter_or_order(self):
        self.admin.create("second", "tcp://127.0.0.1:0")
        request = admin_pb2.ListListenersRequest(page_size=1, order_by="uid")
        token = self.admin.call("ListListeners", request).next_page_token
        for changed in ({}, {"order_by": "uid desc"}, {"order_by": "uid", "filter": "name:*"}):
            self.refuse(
                "PAGE_TOKEN_INVALID",
                self.admin.listeners,
                page_token=token,
                fields=["page_token"],
                **changed,
            )


class WatchSocketsTest(BadInputTestCase):
    def watch(self, **fields):
        list(self.admin.watch(**fields))

    def test_interval(self):
        for interval_s in (-1, -1e-9, 1e-9, 0.0999, 3600.000000001, 1e9, -1e9):
            with self.subTest(interval_s):
                for mode in ("STREAM", "ONCE"):
                    self.refuse(
                        "INTERVAL_INVALID",
                        self.watch,
                        interval_s=interval_s,
                        mode=mode,
                        fields=["sample_interval"],
                    )

    def test_filter(self):
        for filter_text in FILTERS:
            with self.subTest(filter_text[:80]):
                self.refuse("FILTER_INVALID", self.watch, filter=filter_text, fields=["filter"])


class GarbageTest(BadInputTestCase):
    """What no generated client sends."""

    def call_raw(self, method, raw):
        """Calls it once, as a stream too, with `raw` for a request."""
        is_stream = METHODS[method].server_streaming if method in METHODS else False
        connect = self.admin.channel.unary_stream if is_stream else self.admin.channel.unary_unary
        call = connect(
            f"/{admin.SERVICE}/{method}", request_serializer=bytes, response_deserializer=bytes
        )
        answer = call(raw, timeout=admin.CALL_TIMEOUT_S)
        return list(answer) if is_stream else answer

    def code_of(self, method, raw):
        with self.nothing_changes(), self.assertRaises(grpc.RpcError) as raised:
            self.call_raw(method, raw)
        return raised.exception.code()

    def test_bytes_that_are_no_message(self):
        cut_off = admin_pb2.GetListenerRequest(name="listeners/taken").SerializeToString()[:-1]
        garbage = [b"\xff" * 20, cut_off, b"\n\xff\xff\xff\xff\x0f"]
        not_utf8 = b"\n\x02\xff\xfe"
        for name, method in METHODS.items():
            begins_with_text = any(
                field.number == 1 and field.type == field.TYPE_STRING
                for field in method.input_type.fields
            )
            for raw in garbage + [not_utf8] * begins_with_text:
                with self.subTest(f"{name} {raw}"):
                    failure = self.refuse("REQUEST_INVALID", self.call_raw, name, raw)
                    self.assertEqual(failure.metadata, {"type": method.input_type.full_name})

    def test_what_libraries_say_of_it_is_in_lines_of_the_log(self):
        for _ in range(20):
            self.code_of("GetListener", b"\n\x02\xff\xfe")
        for line in self.daemon.log().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+ (debug|info|warning|error) ")

    def test_message_that_is_too_long(self):
        raw = admin_pb2.GetListenerRequest(name="x" * (2 << 20)).SerializeToString()
        self.assertEqual(self.code_of("GetListener", raw), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_method_that_does_not_exist(self):
        self.assertEqual(self.code_of("NoSuchMethod", b""), grpc.StatusCode.UNIMPLEMENTED)

    def test_bytes_that_are_no_grpc(self):
        before = self.state()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", peers.random_bytes(10_000), b"\0" * 1000):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(peers.TIMEOUT_S)
                stranger.connect(str(self.daemon.socket_path))
                try:
                    stranger.sendall(garbage)
                    stranger.shutdown(socket.SHUT_WR)
                    peers.receive_all(stranger)  # until the daemon hangs up
                except (ConnectionResetError, BrokenPipeError):
                    pass
        self.eventually(self.state, before)


if __name__ == "__main__":
    unittest.main()
