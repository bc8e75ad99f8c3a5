"""The life of a listener: update, pause, resume, drain, disable, fail, and calls that are repeated."""

import os
import pathlib
import socket
import threading
import unittest

from google.protobuf import field_mask_pb2
from sockhost.v1 import admin_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase

Listener = admin.Listener
ADDRESS = "tcp://127.0.0.1:0"


class LifeTestCase(DaemonTestCase):
    def create(self, address=ADDRESS, **fields):
        return self.admin.create("web", address, **fields)

    def update(self, mask=None, validate_only=False, request_id="", **fields):
        """`mask`: None for none, else paths."""
        paths = field_mask_pb2.FieldMask(paths=mask or ())
        listener = Listener(**({"name": "listeners/web"} | fields))
        return self.admin.call(
            "UpdateListener",
            admin_pb2.UpdateListenerRequest(
                listener=listener,
                update_mask=paths,
                validate_only=validate_only,
                request_id=request_id,
            ),
        )

    def pause(self, **fields):
        request = admin_pb2.PauseListenerRequest(name="listeners/web", **fields)
        return self.admin.call("PauseListener", request)

    def resume(self, **fields):
        request = admin_pb2.ResumeListenerRequest(name="listeners/web", **fields)
        return self.admin.call("ResumeListener", request)

    def drain(self, timeout_s=None, **fields):
        request = admin_pb2.DrainListenerRequest(name="listeners/web", **fields)
        if timeout_s is not None:
            request.drain_timeout.CopyFrom(admin.duration(timeout_s))
        return self.admin.call("DrainListener", request)

    def get(self):
        return self.admin.get_listener("web")

    def state_becomes(self, state):
        self.eventually(lambda: self.get().state, state)

    def assert_refused(self, address):
        """At once: the answer of the call before meant that its socket is closed."""
        with self.assertRaises(ConnectionRefusedError):
            self.connect(address)


class PauseTest(LifeTestCase):
    def test_connections_wait_and_open_ones_are_served(self):
        address = self.create().effective_address
        served = self.connect(address)
        self.assert_echo(served)
        paused = self.pause()
        self.assertEqual(paused.state, Listener.PAUSED)
        self.assertTrue(paused.state_reason)
        waiting = self.connect(address)
        waiting.sendall(b"later")
        self.assert_echo(served)
        self.settle()
        self.assertEqual(self.get().counters.accepted_connections, 1)
        self.assert_idle()
        resumed = self.resume()
        self.assertEqual((resumed.state, resumed.state_reason), (Listener.ACTIVE, ""))
        self.assertEqual(peers.receive(waiting, 5), b"later")

    def test_datagrams_wait(self):
        address = self.create("udp://127.0.0.1:0").effective_address
        self.pause()
        peer = self.connect(address)
        peer.send(b"later")
        self.settle()
        self.assertEqual(self.get().counters.receive_messages, 0)
        self.resume()
        self.assertEqual(peer.recv(100), b"later")

    def test_repeated_calls_are_harmless(self):
        self.create()
        self.pause()
        self.assertEqual(self.pause().state, Listener.PAUSED)
        self.resume()
        self.assertEqual(self.resume().state, Listener.ACTIVE)

    def test_pause_survives_a_new_address(self):
        self.create()
        self.pause()
        moved = self.update(address="tcp://127.0.0.2:0")
        self.assertEqual(moved.state, Listener.PAUSED)
        waiting = self.connect(moved.effective_address)
        waiting.sendall(b"x")
        self.settle()
        self.assertEqual(self.get().counters.accepted_connections, 0)
        self.resume()
        self.assertEqual(peers.receive(waiting, 1), b"x")

    def test_paused_listener_can_be_deleted(self):
        self.create()
        self.pause()
        self.admin.delete("web")
        self.assertEqual(self.admin.sockets(), [])


class DrainTest(LifeTestCase):
    def test_connections_go_on_until_the_deadline(self):
        address = self.create().effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        draining = self.drain(timeout_s=3600)
        self.assertEqual(draining.state, Listener.DRAINING)
        self.assertEqual(draining.effective_address, "")
        self.assertGreater(draining.drain_time.seconds, draining.update_time.seconds + 3000)
        self.assert_refused(address)
        self.assert_echo(peer)
        # A repeated call sets a new deadline.
        self.drain(timeout_s=0)
        self.assert_closed(peer)
        # What is done last.
        self.eventually(lambda: self.get().counters.timed_out_connections, 1)
        drained = self.get()
        self.assertEqual(drained.state, Listener.DRAINING)
        self.assertEqual(drained.state_reason, "drained")
        self.assertFalse(drained.HasField("drain_time"))

    def test_own_timeout_is_used_where_none_is_given(self):
        address = self.create(drain_timeout=admin.duration(0)).effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        self.drain()
        self.assert_closed(peer)

    def test_resume_opens_it_again_and_spares_connections(self):
        address = self.create(f"tcp://127.0.0.1:{free_port()}").effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        self.drain(timeout_s=3600)
        resumed = self.resume()
        self.assertEqual(resumed.state, Listener.ACTIVE)
        self.assertEqual(resumed.effective_address, address)
        self.assertFalse(resumed.HasField("drain_time"))
        self.assert_echo(peer)
        self.assert_echo(self.connect(address))

    def test_drained_listener_keeps_its_name_and_can_be_deleted(self):
        self.create()
        self.drain(timeout_s=0)
        self.assert_fails("LISTENER_EXISTS", self.create)
        self.admin.delete("web")
        self.create()

    def test_deadline_out_of_range(self):
        self.create()
        for timeout_s in (-1, 86401):
            self.assert_fails("FIELD_INVALID", self.drain, timeout_s, fields=["drain_timeout"])
        self.assertEqual(self.get().state, Listener.ACTIVE)

    def test_drained_listener_cannot_be_paused(self):
        self.create()
        self.drain()
        failure = self.assert_fails("STATE_INVALID", self.pause)
        self.assertEqual(failure.metadata["state"], "DRAINING")
        self.assertTrue(failure.message.endswith("it is DRAINING; resume it first"))


class EnabledTest(LifeTestCase):
    def test_disabled_from_the_start_opens_nothing(self):
        created = self.create(enabled=False)
        self.assertEqual(created.state, Listener.DISABLED)
        self.assertEqual(created.effective_address, "")
        self.assertEqual(self.admin.sockets(), [])
        enabled = self.update(enabled=True)
        self.assertEqual(enabled.state, Listener.ACTIVE)
        self.assert_echo(self.connect(enabled.effective_address))

    def test_is_true_unless_it_is_said(self):
        self.assertTrue(self.create().enabled)
        self.assertTrue(self.update(mask=["enabled"]).enabled)

    def test_disabling_closes_the_socket_and_drains(self):
        address = self.create(drain_timeout=admin.duration(0)).effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        self.assertEqual(self.update(enabled=False).state, Listener.DISABLED)
        self.assert_refused(address)
        self.assert_closed(peer)

    def test_verbs_do_not_fit(self):
        self.create(enabled=False)
        for verb in (self.pause, self.resume, self.drain):
            self.assertEqual(
                self.assert_fails("STATE_INVALID", verb).metadata["state"], "DISABLED"
            )


class FailedTest(LifeTestCase):
    def test_busy_address_is_tried_until_it_is_free(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
            self.create(address, enabled=False)
            failed = self.update(enabled=True)
            self.assertEqual(failed.state, Listener.FAILED)
            self.assertIn("EADDRINUSE", failed.state_reason)
            self.assertTrue(failed.enabled)
            self.assertIn("drain or disable it", self.assert_fails("STATE_INVALID", self.pause).message)
        self.state_becomes(Listener.ACTIVE)
        self.assertEqual(self.get().state_reason, "")
        self.assert_echo(self.connect(address))

    def test_new_address_is_tried_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.create(f"tcp://127.0.0.1:{other.getsockname()[1]}", enabled=False)
            self.update(enabled=True)
            moved = self.update(address=ADDRESS)
            self.assertEqual(moved.state, Listener.ACTIVE)
            self.assert_echo(self.connect(moved.effective_address))

    def test_disabling_ends_the_attempts(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.create(f"tcp://127.0.0.1:{other.getsockname()[1]}", enabled=False)
            self.update(enabled=True)
            self.assertEqual(self.update(enabled=False).state, Listener.DISABLED)
        self.assert_idle()
        self.assertEqual(self.get().state, Listener.DISABLED)


class UpdateTest(LifeTestCase):
    def test_limits_hold_at_once_and_connections_live_on(self):
        created = self.create()
        first = self.connect(created.effective_address)
        self.assert_echo(first)
        updated = self.update(max_connections=1)
        self.assertEqual(updated.max_connections, 1)
        self.assertEqual(updated.effective_address, created.effective_address)
        self.assertEqual(updated.uid, created.uid)
        self.assertNotEqual(updated.etag, created.etag)
        self.assertEqual(self.get().etag, updated.etag)
        self.assert_closed(self.connect(created.effective_address))
        self.assert_echo(first)

    def test_new_address_is_swapped_and_connections_live_on(self):
        created = self.create()
        peer = self.connect(created.effective_address)
        self.assert_echo(peer)
        moved = self.update(address="tcp://127.0.0.2:0")
        self.assertEqual(moved.state, Listener.ACTIVE)
        self.assert_refused(created.effective_address)
        self.assert_echo(self.connect(moved.effective_address))
        self.assert_echo(peer)
        self.assertEqual(self.get().counters.accepted_connections, 2)

    def test_busy_address_changes_nothing(self):
        self.create()
        other = self.admin.create("other", ADDRESS)
        with self.nothing_changes():
            failure = self.assert_fails(
                "ADDRESS_IN_USE",
                self.update,
                address=other.effective_address,
                max_connections=5,
                fields=["listener.address"],
            )
        self.assertEqual(failure.metadata["listener"], "listeners/other")

    def test_mask_says_which_fields(self):
        self.create(max_connections=5, backlog=7, labels={"a": "1", "b": "2"})
        updated = self.update(
            ["max_connections", "labels"], max_connections=6, backlog=9, labels={"c": "3"}
        )
        self.assertEqual((updated.max_connections, updated.backlog), (6, 7))
        self.assertEqual(dict(updated.labels), {"c": "3"})
        # Named and not set: the default.
        self.assertEqual(self.update(["max_connections"]).max_connections, 0)

    def test_star_makes_it_anew(self):
        created = self.create(
            max_connections=5, display_name="x", idle_timeout=admin.duration(5), enabled=False
        )
        updated = self.update(["*"], address=ADDRESS)
        self.assertEqual((updated.max_connections, updated.display_name), (0, ""))
        self.assertFalse(updated.HasField("idle_timeout"))
        self.assertTrue(updated.enabled)
        self.assertEqual(updated.service, created.service)

    def test_read_modify_write(self):
        listener = self.create()
        listener.max_connections = 3
        updated = self.admin.call(
            "UpdateListener", admin_pb2.UpdateListenerRequest(listener=listener)
        )
        self.assertEqual(updated.max_connections, 3)
        self.assertEqual(updated.effective_address, listener.effective_address)
        # The etag that was read is no longer its.
        self.assert_fails(
            "ETAG_MISMATCH",
            self.admin.call,
            "UpdateListener",
            admin_pb2.UpdateListenerRequest(listener=listener),
            fields=["listener.etag"],
        )

    def test_no_change_is_no_change(self):
        created = self.create(max_connections=2)
        self.assertEqual(self.update(max_connections=2).etag, created.etag)

    def test_bad_masks(self):
        self.create()
        for path in ("nosuch", "etag", "counters", "counters.receive_bytes", "labels.a", "*.x"):
            with self.subTest(path), self.nothing_changes():
                self.assert_fails("MASK_INVALID", self.update, [path], fields=["update_mask"])

    def test_part_of_a_message_that_is_reset_makes_none(self):
        created = self.create()
        for path in ("tcp_keepalive.idle", "unix_access.mode", "udp_guard.reply_rate"):
            with self.subTest(path), self.nothing_changes():
                self.assertEqual(self.update([path]), created)

    def test_service_cannot_change(self):
        self.create()
        for service in ("discard", "services/"):
            with self.subTest(service), self.nothing_changes():
                failure = self.assert_fails(
                    "FIELD_INVALID", self.update, service=service, fields=["listener.service"]
                )
                self.assertEqual(failure.metadata["value"], service)
        self.update(service="services/echo", max_connections=1)

    def test_out_of_range(self):
        self.create()
        wrong = {
            "backlog": 65536,
            "max_connections": -1,
            "max_connections_per_source": -1,
            "max_accepts_per_event": 1025,
            "idle_timeout": admin.duration(0.05),
            "max_lifetime": admin.duration(-1),
            "drain_timeout": admin.duration(86401),
            "tcp_user_timeout": admin.duration(86401),
            "receive_buffer_bytes": -1,
            "send_buffer_bytes": (1 << 30) + 1,
        }
        for field, value in wrong.items():
            with self.subTest(field), self.nothing_changes():
                self.assert_fails(
                    "FIELD_INVALID", self.update, fields=[f"listener.{field}"], **{field: value}
                )

    @unittest.skipUnless(peers.has_ipv6(), "this machine has no IPv6")
    def test_what_an_open_socket_cannot_change(self):
        self.create("tcp://[::1]:0")
        for field in ("ipv6_only", "reuse_port"):
            for validate_only in (True, False):
                failure = self.assert_fails(
                    "STATE_INVALID",
                    self.update,
                    validate_only=validate_only,
                    fields=[f"listener.{field}"],
                    **{field: True},
                )
                wanted = {"listener": "listeners/web", "state": "ACTIVE"}
                self.assertEqual(failure.metadata, wanted)
        self.assertTrue(self.update(ipv6_only=True, address="tcp://127.0.0.1:0").ipv6_only)

    def test_backlog_and_buffers_of_the_open_socket(self):
        created = self.create()
        updated = self.update(backlog=5, receive_buffer_bytes=20000, send_buffer_bytes=30000)
        self.assertEqual(updated.effective_backlog, 5)
        self.assertEqual(updated.effective_receive_buffer_bytes, 40000)
        self.assertEqual(updated.effective_send_buffer_bytes, 60000)
        self.assertEqual(updated.effective_address, created.effective_address)

    def test_unknown_and_misnamed(self):
        self.assert_fails("LISTENER_NOT_FOUND", self.update, fields=["listener.name"])
        self.assert_fails("NAME_INVALID", self.update, name="web", fields=["listener.name"])
        for verb in (self.pause, self.resume, self.drain):
            self.assert_fails("LISTENER_NOT_FOUND", verb, fields=["name"])

    def test_etags_of_verbs(self):
        created = self.create()
        for verb in (self.pause, self.resume, self.drain):
            self.assert_fails("ETAG_MISMATCH", verb, etag='"mine"', fields=["etag"])
            verb(etag=created.etag)


class ParametersTest(LifeTestCase):
    """Parameters of services change in place."""

    def test_banner(self):
        address = self.admin.create(
            "web", ADDRESS, service="banner", banner={"text": "one", "close": True}
        ).effective_address
        self.assertEqual(peers.receive_all(self.connect(address)), b"one")
        self.update(["banner.text"], banner={"text": "two"})
        self.assertEqual(peers.receive_all(self.connect(address)), b"two")
        self.assertTrue(self.get().banner.close)

    def test_text_of_a_file_stays_until_the_parameters_change(self):
        path = f"{self.folder}/banner"
        write = lambda text: pathlib.Path(path).write_text(text)  # noqa: E731
        write("one")
        self.admin.create("web", ADDRESS, service="banner", banner={"file": path, "close": True})
        os.unlink(path)
        self.update(display_name="It is gone")
        self.update(address="tcp://127.0.0.2:0")
        self.update(["enabled"], enabled=False)
        self.update(["enabled"], enabled=True)
        self.assertEqual(peers.receive_all(self.connect(self.get().effective_address)), b"one")
        with self.nothing_changes():
            for change in ({"banner": {"file": path}}, {"address": "udp://127.0.0.1:0"}):
                self.assert_fails(
                    "FIELD_INVALID", self.update, **change, fields=["listener.banner.file"]
                )
        write("two")
        self.update(display_name="It is there again")
        self.assertEqual(peers.receive_all(self.connect(self.get().effective_address)), b"one")
        self.update(address="udp://127.0.0.1:0")
        peer = self.connect(self.get().effective_address)
        peer.send(b"x")
        self.assertEqual(peer.recv(100), b"two")

    def test_banner_under_connections_that_come_and_go(self):
        """For a sanitizer: what a handler reads, or has not sent yet, is not freed."""
        texts = ["a" * 65_536, "b" * 65_536]
        address = self.admin.create(
            "web", ADDRESS, service="banner", banner={"text": "a", "close": True}
        ).effective_address
        slow = [self.connect(address, receive_buffer=4096) for _ in range(2)]
        for i in range(30):
            text = texts[i % 2][: 1000 + 2000 * i]
            self.update(["banner.text"], banner={"text": text})
            slow.append(self.connect(address, receive_buffer=4096))
        for peer in slow:
            self.assertIn(len(set(peers.receive_all(peer))), (0, 1))

    def test_of_another_service(self):
        self.create()
        with self.nothing_changes():
            self.assert_fails(
                "FIELD_INVALID", self.update, banner={"text": "x"}, fields=["listener.banner"]
            )

    def test_guard_of_datagrams(self):
        address = self.create("udp://127.0.0.1:0").effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        self.update(["udp_guard.reply_rate"], udp_guard={"reply_rate": 1})
        for _ in range(10):
            peer.send(b"x")
        self.eventually(lambda: self.get().counters.dropped_over_rate > 0, True)

    def test_upstreams_of_new_connections(self):
        first, second = (
            self.admin.create(name, ADDRESS, service="banner", banner={"text": name})
            for name in ("first", "second")
        )
        # Another daemon forwards: of itself it is refused.
        other = self.start(folder=self.subfolder("other"))
        target = {"upstreams": [first.effective_address]}
        address = other.admin.create(
            "web", ADDRESS, service="forward", forward=target
        ).effective_address
        old = self.connect(address)
        self.assertEqual(peers.receive(old, 5), b"first")
        mine, self.admin = self.admin, other.admin
        try:
            self.update(["forward.upstreams"], forward={"upstreams": [second.effective_address]})
            self.assertEqual(peers.receive(self.connect(address), 6), b"second")
            # A change of something else leaves the route alone.
            self.update(max_connections=5)
            self.assertEqual(peers.receive(self.connect(address), 6), b"second")
        finally:
            self.admin = mine
        self.assertEqual(self.admin.get_listener("first").counters.active_connections, 1)

    def test_flows_of_datagrams_outlast_other_changes(self):
        echo = self.admin.create("echo", "udp://127.0.0.1:0").effective_address
        other = self.start(folder=self.subfolder("other"))
        address = other.admin.create(
            "web", "udp://127.0.0.1:0", service="forward", forward={"upstreams": [echo]}
        ).effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        (flow,) = other.admin.sockets("role = UPSTREAM")
        other.admin.call(
            "UpdateListener",
            admin_pb2.UpdateListenerRequest(
                listener=Listener(name="listeners/web", display_name="x", receive_buffer_bytes=20000)
            ),
        )
        self.assert_echo(peer)
        self.assertEqual([s.name for s in other.admin.sockets("role = UPSTREAM")], [flow.name])

    def test_forward_loop(self):
        target = self.create().effective_address
        free = f"tcp://127.0.0.1:{free_port()}"
        for name, upstream in (("one", "tcp://192.0.2.1:9"), ("two", free)):
            self.admin.create(name, ADDRESS, service="forward", forward={"upstreams": [upstream]})
        # To one of this host, to itself, and into the way of another one.
        for fields, field in (
            ({"forward": {"upstreams": [target]}}, "listener.forward.upstreams[0]"),
            (
                {"forward": {"upstreams": [free]}, "address": free},
                "listener.forward.upstreams[0]",
            ),
            ({"address": free}, "listener.address"),
        ):
            with self.subTest(fields), self.nothing_changes():
                self.assert_fails(
                    "FORWARD_LOOP", self.update, name="listeners/one", fields=[field], **fields
                )

    def subfolder(self, name):
        path = f"{self.folder}/{name}"
        os.mkdir(path)
        return path


class UnderLoadTest(LifeTestCase):
    """Clients come and go while the listener changes."""

    def test_no_connection_is_lost_while_it_moves(self):
        address = self.create().effective_address
        lasting = [self.connect(address) for _ in range(50)]
        addresses = [address]
        failures = []
        done = threading.Event()

        def knock():
            """Whoever is told the address in time is served."""
            while not done.is_set():
                try:
                    with peers.connect(addresses[-1]) as peer:
                        peers.echo(peer, b"x")
                except OSError as error:
                    failures.append(error)

        clients = [threading.Thread(target=knock) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for i in range(20):
                self.update(max_connections=1000 + i, idle_timeout=admin.duration(60 + i))
            # No address has changed so far: nobody may have failed.
            self.assertEqual(failures, [])
            for i in range(10):
                moved = self.update(address=f"tcp://127.0.0.{2 + i % 2}:0")
                addresses.append(moved.effective_address)
            for peer in lasting:
                self.assert_echo(peer)
        finally:
            done.set()
            for client in clients:
                client.join()
        # Those that were in the old queue, or on the way to it.
        for failure in failures:
            self.assertIsInstance(failure, (ConnectionRefusedError, ConnectionResetError))
        self.assert_echo(self.connect(addresses[-1]))
        self.assertEqual(len(self.admin.sockets("role = LISTENING")), 1)


class ValidateOnlyTest(LifeTestCase):
    def test_create(self):
        listener = Listener(service="echo", address=ADDRESS, max_connections=3)
        request = admin_pb2.CreateListenerRequest(
            listener_id="web", listener=listener, validate_only=True
        )
        with self.nothing_changes():
            answer = self.admin.call("CreateListener", request)
        self.assertEqual((answer.name, answer.max_connections), ("listeners/web", 3))
        self.assertEqual(answer.state, Listener.ACTIVE)
        # They would be others.
        self.assertEqual((answer.uid, answer.etag), ("", ""))
        self.assertFalse(answer.HasField("create_time") or answer.HasField("update_time"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            request.listener.address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
            self.assert_fails(
                "ADDRESS_IN_USE",
                self.admin.call,
                "CreateListener",
                request,
                fields=["listener.address"],
            )

    def test_update(self):
        created = self.create()
        other = self.admin.create("other", ADDRESS)
        with self.nothing_changes():
            answer = self.update(validate_only=True, max_connections=3)
            self.assertEqual(answer.max_connections, 3)
            self.assertEqual(answer.effective_address, created.effective_address)
            self.assertEqual((answer.uid, answer.etag), (created.uid, ""))
            self.assertFalse(answer.HasField("update_time"))
            answer = self.update(validate_only=True, address="tcp://127.0.0.2:0")
            self.assertEqual(
                (answer.address, answer.effective_address, answer.state),
                ("tcp://127.0.0.2:0", "", Listener.ACTIVE),
            )
            answer = self.update(validate_only=True, enabled=False)
            self.assertEqual((answer.state, answer.effective_address), (Listener.DISABLED, ""))
            self.assert_fails(
                "ADDRESS_IN_USE",
                self.update,
                validate_only=True,
                address=other.effective_address,
                fields=["listener.address"],
            )

    def test_enable(self):
        self.create(enabled=False)
        with self.nothing_changes():
            answer = self.update(validate_only=True, enabled=True)
        self.assertEqual((answer.state, answer.effective_address), (Listener.ACTIVE, ""))

    def test_update_of_a_drained_listener_opens_nothing(self):
        self.create()
        other = self.admin.create("other", ADDRESS)
        self.drain()
        answer = self.update(validate_only=True, address=other.effective_address)
        self.assertEqual(answer.state, Listener.DRAINING)
        self.assertEqual(self.update(address=other.effective_address).state, Listener.DRAINING)

    def test_delete(self):
        created = self.create()
        with self.nothing_changes():
            self.admin.delete("web", validate_only=True)
        self.assert_echo(self.connect(created.effective_address))
        self.assert_fails("LISTENER_BUSY", self.admin.delete, "web", validate_only=True)
        self.admin.delete("web", validate_only=True, force=True)
        self.assertEqual(self.get().state, Listener.ACTIVE)


class RequestIdTest(LifeTestCase):
    def create_once(self, request_id, validate_only=False, **fields):
        listener = Listener(service="echo", address=ADDRESS, **fields)
        return self.admin.call(
            "CreateListener",
            admin_pb2.CreateListenerRequest(
                listener_id="web",
                listener=listener,
                validate_only=validate_only,
                request_id=request_id,
            ),
        )

    def test_repeated_create_gets_the_first_answer(self):
        labels = {f"l{i}": "v" for i in range(20)}
        first = self.create_once("r-1", labels=labels)
        self.assertEqual(self.create_once("r-1", labels=labels), first)
        # Also when there is no such listener any more.
        self.admin.delete("web")
        self.assertEqual(self.create_once("r-1", labels=labels), first)
        self.assertEqual(self.admin.listeners(), [])

    def test_repeated_update_gets_the_first_answer(self):
        self.create()
        first = self.update(max_connections=1, request_id="r-1")
        self.update(max_connections=2)
        self.assertEqual(self.update(max_connections=1, request_id="r-1"), first)
        self.assertEqual(self.get().max_connections, 2)

    def test_repeated_delete_is_done_once(self):
        self.create()
        self.admin.delete("web", request_id="r-1")
        self.create()
        self.admin.delete("web", request_id="r-1")
        self.assertEqual(self.get().state, Listener.ACTIVE)

    def test_error_is_not_remembered(self):
        self.assert_fails("LISTENER_NOT_FOUND", self.admin.delete, "web", request_id="r-1",
                          fields=["name"])
        self.create()
        self.admin.delete("web", request_id="r-1")
        self.assertEqual(self.admin.listeners(), [])

    def test_another_request_with_the_same_id_is_refused(self):
        self.create_once("r-1")
        with self.nothing_changes():
            self.assert_fails(
                "REQUEST_ID_REUSED",
                self.create_once,
                "r-1",
                max_connections=1,
                fields=["request_id"],
            )
            self.assert_fails(
                "REQUEST_ID_REUSED",
                self.update,
                max_connections=1,
                request_id="r-1",
                fields=["request_id"],
            )

    def test_validate_only_answers_what_the_call_would_give(self):
        first = self.create_once("r-1")
        self.assertEqual(self.create_once("r-1", validate_only=True), first)
        updated = self.update(max_connections=1, request_id="r-2")
        self.update(max_connections=2)
        self.assertEqual(
            self.update(max_connections=1, request_id="r-2", validate_only=True), updated
        )
        for reason, request_id in (("REQUEST_ID_INVALID", "a b"), ("REQUEST_ID_REUSED", "r-1")):
            options = {"request_id": request_id, "validate_only": True}
            for call in (
                lambda **options: self.create_once(**options, max_connections=3),
                lambda **options: self.update(**options, max_connections=3),
                lambda **options: self.admin.delete("web", **options),
            ):
                with self.nothing_changes():
                    self.assert_fails(reason, call, fields=["request_id"], **options)
        # It is not remembered itself.
        self.update(max_connections=3, request_id="r-3", validate_only=True)
        self.assertEqual(self.update(max_connections=4, request_id="r-3").max_connections, 4)
        self.admin.delete("web", request_id="r-4")
        self.admin.delete("web", request_id="r-4", validate_only=True)

    def test_form(self):
        for request_id in ("a b", "x" * 65, "\u00e4"):
            self.assert_fails(
                "REQUEST_ID_INVALID", self.create_once, request_id, fields=["request_id"]
            )
        self.create_once("x" * 64)


def free_port():
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
