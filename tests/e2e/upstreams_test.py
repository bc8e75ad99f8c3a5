"""What is shown of the upstreams of a listener while they die and come back."""

import socket
import time

import peers
from forward_test import ANY_TCP, ANY_UDP, ForwardTestCase, Upstream
from google.protobuf import field_mask_pb2
from sockctl_test import SockctlTestCase, canonical
from sockhost.v1 import admin_pb2, listener_pb2
from sockhost.v1.forward_pb2 import UpstreamStatus


class UpstreamsTestCase(ForwardTestCase, SockctlTestCase):
    def statuses(self):
        return self.admin.get_listener("fwd").upstreams

    def state_of(self, index=0):
        return UpstreamStatus.State.Name(self.statuses()[index].state)

    def lines(self, message):
        return [line for line in self.daemon.log().splitlines() if message in line]

    def dead(self):
        """An upstream that was there."""
        upstream = Upstream()
        upstream.close()
        return upstream

    def assert_fails_now(self, status):
        """A second later it is on trial."""
        self.assertIn(status.state, (UpstreamStatus.BACKING_OFF, UpstreamStatus.ON_TRIAL))

    def find_nobody(self, address):
        """A connection that finds no upstream."""
        self.assert_closed(self.connect(address))

    def update(self, **fields):
        listener = listener_pb2.Listener(name="listeners/fwd", **fields)
        mask = field_mask_pb2.FieldMask(paths=list(fields))
        request = admin_pb2.UpdateListenerRequest(listener=listener, update_mask=mask)
        return self.admin.call("UpdateListener", request)


class LifeTest(UpstreamsTestCase):
    def test_untried(self):
        good = self.upstream()
        self.forward(good.address)
        self.assertEqual(
            list(self.statuses()),
            [
                UpstreamStatus(
                    upstream=good.address, addresses=[good.address], state=UpstreamStatus.HEALTHY
                )
            ],
        )

    def test_dies_and_comes_back(self):
        bad, good = self.dead(), self.upstream()
        address = self.forward(bad.address, good.address)
        began = time.time()
        client = self.connect(address)
        client.sendall(b"x")
        self.assertEqual(self.accepted(good).recv(1), b"x")
        self.settle()
        first, second = self.statuses()
        self.assertEqual(first.upstream, bad.address)
        self.assert_fails_now(first)
        self.assertEqual((first.consecutive_failures, first.failures), (1, 1))
        self.assertEqual(first.last_error, "ECONNREFUSED")
        failing_since = first.failing_since.ToNanoseconds() / 1e9
        self.assertTrue(began - 1 < failing_since < time.time() + 1, (began, first))
        self.assertEqual(first.last_failure_time, first.failing_since)
        back_off = first.retry_time.ToNanoseconds() - first.failing_since.ToNanoseconds()
        self.assertEqual(back_off, 1_000_000_000)
        self.assertEqual((first.active_connections, first.connections), (0, 0))
        self.assertEqual(second.state, UpstreamStatus.HEALTHY)
        self.assertEqual((second.active_connections, second.connections), (1, 1))
        self.assertEqual((second.last_error, second.failures), ("", 0))
        self.assertFalse(second.HasField("retry_time"))

        back = self.upstream(("127.0.0.1", bad.port))
        self.eventually(self.state_of, "ON_TRIAL")
        served = self.connect(address)
        served.sendall(b"y")
        self.assertEqual(self.accepted(back).recv(1), b"y")
        self.eventually(self.state_of, "HEALTHY")
        first = self.statuses()[0]
        self.assertEqual((first.consecutive_failures, first.failures), (0, 1))
        self.assertEqual((first.active_connections, first.connections), (1, 1))
        self.assertEqual(first.last_error, "ECONNREFUSED", "stays")
        self.assertFalse(first.HasField("failing_since") or first.HasField("retry_time"))

    def test_each_change_is_logged_once(self):
        bad = self.dead()
        address = self.forward(bad.address)
        for _ in range(5):
            self.find_nobody(address)
        self.eventually(lambda: len(self.lines("an upstream fails")), 1)
        back = self.upstream(("127.0.0.1", bad.port))
        for _ in range(3):
            self.connect(address)
            self.accepted(back)
        self.eventually(lambda: len(self.lines("an upstream works again")), 1)
        self.eventually(lambda: self.statuses()[0].connections, 3)
        (fails,), (works,) = self.lines("an upstream fails"), self.lines("an upstream works again")
        self.assertRegex(fails, f" warning .* listener=fwd upstream={bad.address} "
                                "error=ECONNREFUSED retry_ms=1000")
        self.assertRegex(works, f" info .* listener=fwd upstream={bad.address} "
                                r"failed_ms=\d+ failures=5")

    def test_failure_after_the_time_doubles_it(self):
        bad = self.dead()
        address = self.forward(bad.address)
        for _ in range(7):
            self.find_nobody(address)
        self.settle()
        (status,) = self.statuses()
        self.assert_fails_now(status)
        self.assertEqual((status.consecutive_failures, status.failures), (7, 7))
        since = status.failing_since.ToNanoseconds()
        if status.last_failure_time.ToNanoseconds() - since >= 1_000_000_000:
            self.skipTest("no moment: this machine needs a second for seven connections")
        back_off = status.retry_time.ToNanoseconds() - since
        self.assertEqual(back_off, 1_000_000_000, "clients of one moment count as one")

        self.eventually(self.state_of, "ON_TRIAL")
        self.find_nobody(address)
        self.settle()
        (status,) = self.statuses()
        self.assertEqual(status.failures, 8)
        back_off = status.retry_time.ToNanoseconds() - status.last_failure_time.ToNanoseconds()
        self.assertEqual(back_off, 2_000_000_000)

    def test_silent(self):
        silent = self.upstream(backlog=0)
        self.addCleanup(peers.connect(silent.address).close)
        address = self.forward(silent.address, connectTimeout="0.1s")
        client = self.connect(address)
        self.eventually(lambda: self.statuses()[0].last_error, "timed out")
        self.assert_closed(client)
        self.assertEqual(self.statuses()[0].active_connections, 0)

    def test_names(self):
        good = self.upstream()
        # Names under onion are in no name server: they are not asked (RFC 7686).
        address = self.forward(f"tcp://localhost:{good.port}", "tcp://nobody.onion:80")
        self.eventually(self.state_of, "HEALTHY")
        found, missing = self.statuses()
        self.assertEqual(missing.state, UpstreamStatus.UNRESOLVED)
        self.assertIn(good.address, found.addresses)
        self.assertEqual(list(missing.addresses), [])
        for _ in range(2):
            self.connect(address).sendall(b"x")
            self.accepted(good)
        self.eventually(lambda: self.statuses()[1].last_error, "no address")
        self.eventually(lambda: self.statuses()[0].connections, 2)

    def test_flows(self):
        nobody = self.upstream(kind=socket.SOCK_DGRAM)
        nobody.close()
        good = self.upstream(kind=socket.SOCK_DGRAM)
        address = self.forward(nobody.address, good.address, address=ANY_UDP)
        self.connect(address).send(b"lost")
        self.eventually(lambda: self.statuses()[0].last_error, "ECONNREFUSED")
        self.assert_fails_now(self.statuses()[0])
        self.connect(address).send(b"x")
        self.assertEqual(good.socket.recv(1), b"x")
        self.settle()
        first, second = self.statuses()
        self.assertEqual((first.active_connections, first.connections), (0, 1))
        self.assertEqual((second.active_connections, second.connections), (1, 1))


class ShownTest(UpstreamsTestCase):
    def test_get_alone_shows_them(self):
        created = self.admin.create(
            "fwd", ANY_TCP, service="forward", forward={"upstreams": [self.upstream().address]}
        )
        self.admin.create("echo", ANY_TCP)
        self.assertEqual(len(self.statuses()), 1)
        self.assertEqual(list(self.admin.get_listener("echo").upstreams), [])
        updated = self.update(display_name="x")
        for listener in [created, updated, *self.admin.listeners()]:
            self.assertEqual(list(listener.upstreams), [])

    def test_is_ignored_when_it_is_given(self):
        declared = listener_pb2.Listener(
            service="forward",
            address=ANY_TCP,
            forward={"upstreams": [self.upstream().address]},
            upstreams=[{"upstream": "tcp://10.0.0.1:1", "failures": 7}],
        )
        request = admin_pb2.CreateListenerRequest(listener_id="fwd", listener=declared)
        self.admin.call("CreateListener", request)
        self.assertEqual([status.failures for status in self.statuses()], [0])
        self.assert_fails("MASK_INVALID", self.update, upstreams=[{}], fields=["update_mask"])

    def test_names_in_json(self):
        bad = self.dead()
        self.find_nobody(self.forward(bad.address))
        self.settle()
        (shown,) = self.json("listener", "get", "fwd")["upstreams"]
        self.assertEqual(
            sorted(shown),
            [
                "activeConnections",
                "addresses",
                "connections",
                "consecutiveFailures",
                "failingSince",
                "failures",
                "lastError",
                "lastFailureTime",
                "retryTime",
                "state",
                "upstream",
            ],
        )
        self.assertEqual((shown["upstream"], shown["addresses"]), (bad.address, [bad.address]))
        self.assertEqual((shown["consecutiveFailures"], shown["failures"]), (1, "1"))
        self.assertEqual(shown["lastError"], "ECONNREFUSED")
        self.assertEqual(sorted(canonical(self.statuses()[0])), sorted(shown))

    def test_table(self):
        bad, good = self.dead(), self.upstream()
        self.connect(self.forward(bad.address, good.address))
        self.accepted(good)
        self.settle()
        printed = self.sockctl("listener", "get", "fwd")
        print(printed, flush=True)
        titles, first, second = printed.splitlines()[-3:]
        self.assertEqual(titles.split()[:4], ["UPSTREAM", "STATE", "ACTIVE", "CONNECTIONS"])
        self.assertEqual(first.split()[0], bad.address)
        self.assertIn("ECONNREFUSED", first)
        self.assertEqual(second.split()[:4], [good.address, "HEALTHY", "1", "1"])


class UpdateTest(UpstreamsTestCase):
    def test_what_is_known_stays_unless_the_upstreams_change(self):
        bad, good = self.dead(), self.upstream()
        self.connect(self.forward(bad.address, good.address))
        self.accepted(good)
        self.settle()

        def known():
            return [(s.failures, s.last_error, s.active_connections) for s in self.statuses()]

        before = [(1, "ECONNREFUSED", 0), (0, "", 1)]
        self.assertEqual(known(), before)
        upstreams = [bad.address, good.address]
        self.update(display_name="x")
        self.assertEqual(known(), before)
        self.update(forward={"upstreams": upstreams, "connect_timeout": {"seconds": 9}})
        self.assertEqual(known(), before)
        self.update(forward={"upstreams": upstreams, "policy": "LEAST_CONNECTIONS"})
        self.assertEqual(known(), [(0, "", 0), (0, "", 0)])
        self.update(forward={"upstreams": upstreams[:1]})
        self.assertEqual(known(), [(0, "", 0)])
