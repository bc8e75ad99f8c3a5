"""WatchEvents: what WatchEventsResponse guarantees, by the numbers that it has there.

1  FirstMessageTest
2  LifeTest, FilterTest, ManyEventsTest
3  ResumeTest
4  ShortHistoryTest.test_old_token_is_out_of_range, TokenTest
5  ShortHistoryTest.test_reader_that_is_too_slow_is_told
6  stalled_readers_test: NotReadingTest.test_of_events_are_cut_off
7  ManyEventsTest, LargeEventsTest
8  HostStopTest
9  HistoryTest, OnceTest
"""

import base64
import itertools
import json
import os
import signal
import subprocess
import threading
import unittest

import grpc
from google.protobuf import field_mask_pb2
from sockhost.v1 import (
    admin_pb2,
    event_pb2,
    listener_pb2,
    service_parameters_pb2,
    socket_pb2,
)

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase

Event = event_pb2.Event
Kind = event_pb2.Event.Kind
Mode = event_pb2.WatchEventsRequest.Mode
Reason = socket_pb2.Socket.CloseReason
MESSAGE_LIMIT = 256 * 1024


def kinds_of(events):
    return [Kind.Name(event.kind) for event in events]


def sequences_of(events):
    return [event.sequence for event in events]


class EventsTestCase(DaemonTestCase):
    def watch(self, client=None, **fields):
        stream = (client or self.admin).watch_events(**fields)
        self.addCleanup(stream.cancel)
        return stream

    def now(self):
        """A token for this moment."""
        stream = self.admin.watch_events()
        token = next(stream).resume_token
        stream.cancel()
        return token

    def read(self, stream, is_last):
        """The events of `stream` up to the first that is wanted."""
        events = []
        for message in stream:
            for event in message.events:
                events.append(event)
                if is_last(event):
                    return events
        raise AssertionError(f"the stream ended after {kinds_of(events)}")

    def read_until(self, stream, kind):
        return self.read(stream, lambda event: event.kind == Kind.Value(kind))

    def since(self, token):
        """All events behind a token up to the deletion of a listener that is made for that."""
        self.admin.create("last", "udp://127.0.0.1:0", service="discard")
        self.admin.delete("last")
        stream = self.watch(resume_token=token)
        return self.read(stream, lambda e: e.kind == Kind.LISTENER_DELETED and e.listener.name == "listeners/last")


class FirstMessageTest(EventsTestCase):
    def test_comes_at_once_with_the_token_of_that_moment(self):
        self.admin.create("before", "tcp://127.0.0.1:0")
        first = next(self.watch())
        self.assertEqual((first.sequence, len(first.events)), (1, 0))
        self.assertEqual(first.instance_id, self.admin.host().instance_id)
        self.admin.create("after", "tcp://127.0.0.1:0")
        created = [e for e in self.since(first.resume_token) if e.kind == Kind.LISTENER_CREATED]
        self.assertEqual(created[0].listener.name, "listeners/after")


class LifeTest(EventsTestCase):
    def test_of_a_listener_and_its_connection(self):
        stream = self.watch()
        next(stream)
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        peer = self.connect(address)
        self.assert_echo(peer, b"12345")
        remote = peers.address_of(peer, peer.getsockname())
        peer.close()
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
        self.admin.delete("web")
        events = self.read_until(stream, "LISTENER_DELETED")
        self.assertEqual(
            kinds_of(events),
            [
                "SOCKET_OPENED",
                "LISTENER_CREATED",
                "SOCKET_OPENED",
                "SOCKET_CLOSED",
                "SOCKET_CLOSED",
                "LISTENER_DELETED",
            ],
        )
        first = events[0].sequence
        self.assertEqual(sequences_of(events), list(range(first, first + len(events))))
        times = [event.time.ToNanoseconds() for event in events]
        self.assertEqual(times, sorted(times))

        _, created, opened, closed, listening, deleted = events
        self.assertEqual(created.listener.effective_address, address)
        self.assertEqual(opened.socket.role, socket_pb2.Socket.CONNECTION)
        self.assertEqual(opened.socket.listener, "listeners/web")
        self.assertEqual(opened.socket.service, "services/echo")
        self.assertEqual(opened.socket.remote_address, remote)
        self.assertFalse(opened.socket.HasField("counters"))
        self.assertEqual(closed.socket.name, opened.socket.name)
        self.assertEqual(closed.socket.close_reason, Reason.PEER_CLOSED)
        self.assertEqual(closed.socket.counters.receive_bytes, 5)
        self.assertEqual(closed.socket.counters.transmit_bytes, 5)
        self.assertEqual(listening.socket.close_reason, Reason.LISTENER_DELETED)
        self.assertEqual(deleted.listener.name, "listeners/web")
        self.assertEqual(deleted.listener.counters.receive_bytes, 5)

    def test_reset_connection_failed(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        token = self.now()
        peer = self.connect(address)
        self.assert_echo(peer)
        peers.reset(peer)
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
        (closed,) = [e for e in self.since(token) if e.socket.close_reason not in (0, Reason.LISTENER_DELETED)]
        self.assertEqual(closed.socket.close_reason, Reason.FAILED)

    def test_of_a_listener_that_is_changed(self):
        self.admin.create("web", "tcp://127.0.0.1:0")
        token = self.now()
        name = "listeners/web"

        def update(**fields):
            listener = admin.Listener(name=name, **fields)
            self.admin.call("UpdateListener", admin_pb2.UpdateListenerRequest(listener=listener))

        update(max_connections=5)
        update(address="tcp://127.0.0.2:0")
        self.admin.call("PauseListener", admin_pb2.PauseListenerRequest(name=name))
        self.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(name=name))
        self.admin.call("DrainListener", admin_pb2.DrainListenerRequest(name=name))
        self.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(name=name))
        update(enabled=False)
        self.admin.delete("web")
        told = [event for event in self.since(token) if event.listener.name == name]
        states = [
            f"{Kind.Name(event.kind)} {admin.Listener.State.Name(event.listener.state)}"
            for event in told
        ]
        self.assertEqual(
            states,
            [
                "LISTENER_UPDATED ACTIVE",
                "LISTENER_UPDATED ACTIVE",
                "LISTENER_STATE_CHANGED PAUSED",
                "LISTENER_STATE_CHANGED ACTIVE",
                "LISTENER_STATE_CHANGED DRAINING",
                "LISTENER_STATE_CHANGED STARTING",
                "LISTENER_STATE_CHANGED ACTIVE",
                "LISTENER_UPDATED ACTIVE",
                "LISTENER_STATE_CHANGED DISABLED",
                "LISTENER_DELETED DRAINING",
            ],
        )
        self.assertEqual(told[0].listener.max_connections, 5)
        self.assertNotEqual(told[0].listener.etag, told[1].listener.etag)
        self.assertEqual(told[2].listener.state_reason, "paused by a call")
        sockets = [event for event in self.since(token) if event.socket.listener == name]
        self.assertEqual(
            [event.socket.close_reason for event in sockets if event.kind == Kind.SOCKET_CLOSED],
            [Reason.LISTENER_STOPPED] * 3,
        )

    def test_of_connections_that_are_closed_by_limits(self):
        for limit, reason in (
            ({"idle_timeout": admin.duration(0.1)}, Reason.IDLE_TIMEOUT),
            ({"max_lifetime": admin.duration(0.1)}, Reason.MAX_LIFETIME),
            ({}, Reason.DRAIN_TIMEOUT),
        ):
            with self.subTest(Reason.Name(reason)):
                address = self.admin.create("web", "tcp://127.0.0.1:0", **limit).effective_address
                token = self.now()
                peer = self.connect(address)
                if not limit:
                    self.assert_echo(peer)
                    request = admin_pb2.DrainListenerRequest(name="listeners/web")
                    request.drain_timeout.CopyFrom(admin.duration(0))
                    self.admin.call("DrainListener", request)
                self.assert_closed(peer)
                self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
                (closed,) = [
                    event.socket
                    for event in self.since(token)
                    if event.kind == Kind.SOCKET_CLOSED
                    and event.socket.role == socket_pb2.Socket.CONNECTION
                ]
                self.assertEqual(closed.close_reason, reason)
                shown = self.admin.get_socket(closed.name)
                self.assertEqual(shown.close_reason, reason)
                self.admin.delete("web")

    def test_of_a_listener_that_is_out_of_fds(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        stream = self.watch(filter="kind = LISTENER_STATE_CHANGED")
        next(stream)
        self.daemon.use_up_fds()
        peer = self.connect(address)
        paused = self.read_until(stream, "LISTENER_STATE_CHANGED")[-1]
        self.assertEqual(paused.listener.state, admin.Listener.PAUSED)
        self.assertIn("EMFILE", paused.listener.state_reason)
        self.daemon.restore_fds()
        self.assert_echo(peer)
        back = self.read(stream, lambda event: event.listener.state == admin.Listener.ACTIVE)[-1]
        self.assertEqual(back.listener.name, "listeners/web")


class FullHostTest(EventsTestCase):
    """At the socket limit listeners try to accept again and again: the history is not theirs."""

    LISTENERS = 4
    # Two connections for each listener.
    flags = ("--max-sockets", str(3 * LISTENERS))

    def test_pause_is_told_once_and_its_end_once(self):
        names = [f"web-{number}" for number in range(self.LISTENERS)]
        addresses = [self.admin.create(name, "tcp://127.0.0.1:0").effective_address for name in names]
        token = self.now()
        served = [self.connect(addresses[0]) for _ in range(2 * self.LISTENERS)]
        for peer in served:
            self.assert_echo(peer)
        waiting = [self.connect(address) for address in addresses for _ in range(2)]
        for peer in waiting:
            peer.sendall(b"later")
        for name in names:
            self.eventually(lambda: self.admin.get_listener(name).counters.accept_pauses > 5, True)
            self.assertEqual(self.admin.get_listener(name).state, admin.Listener.PAUSED)
        served.pop().close()
        # One of them is served, the others wait.
        self.eventually(lambda: self.accepted(names), len(served) + 2)
        for name in names:
            before = self.admin.get_listener(name).counters.accept_pauses
            self.eventually(lambda: self.admin.get_listener(name).counters.accept_pauses > before + 2, True)
        for peer in served:
            peer.close()
        for peer in waiting:
            self.assertEqual(peers.receive(peer, 5), b"later")
            peer.close()
        for name in names:
            self.eventually(lambda: self.admin.get_listener(name).state, admin.Listener.ACTIVE)
        self.eventually(lambda: self.admin.host().sockets.used, self.LISTENERS)
        told = [e.listener for e in self.since(token) if e.kind == Kind.LISTENER_STATE_CHANGED]
        for name in names:
            states = [told_one.state for told_one in told if told_one.name == f"listeners/{name}"]
            self.assertEqual(states, [admin.Listener.PAUSED, admin.Listener.ACTIVE], name)
        pauses = [line for line in self.daemon.log().splitlines() if "pauses accepting" in line]
        self.assertEqual(len(pauses), self.LISTENERS)

    def accepted(self, names):
        return sum(self.admin.get_listener(name).counters.accepted_connections for name in names)


class HostStopTest(EventsTestCase):
    """Who watches is told of the end of every connection before the stream ends."""

    flags = None

    def test_connections_that_are_closed_by_force_are_told(self):
        for timeout in ("0s", "1s"):
            with self.subTest(timeout):
                self.daemon = self.start("--drain-timeout", timeout)
                self.admin = self.daemon.admin
                address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
                (listening,) = self.admin.sockets()
                stream = self.watch(filter="kind = SOCKET_CLOSED")
                next(stream)
                sent = [1, 20, 300]
                for size in sent:
                    self.assert_echo(self.connect(address), b"x" * size)
                self.daemon.signal()
                events = []
                with self.assertRaises(grpc.RpcError) as raised:
                    for message in stream:
                        events += message.events
                self.assertEqual(admin.failure_of(raised.exception).reason, "SHUTTING_DOWN")
                self.assertEqual(events[0].socket.name, listening.name)
                self.assertEqual(events[0].socket.close_reason, Reason.LISTENER_STOPPED)
                connections = [event.socket for event in events[1:]]
                self.assertEqual(
                    {socket.close_reason for socket in connections}, {Reason.DRAIN_TIMEOUT}
                )
                received = sorted(socket.counters.receive_bytes for socket in connections)
                self.assertEqual(received, sent)
                self.assertEqual(self.daemon.wait(), 0)

    def test_reader_that_does_not_read_does_not_delay_it(self):
        self.daemon = self.start("--drain-timeout", "0s")
        self.admin = self.daemon.admin
        stream = self.watch()
        next(stream)
        labels = {f"label-{number}": "x" * 256 for number in range(64)}
        for _ in range(20):
            self.admin.create("web", "tcp://127.0.0.1:0", labels=labels)
            self.admin.delete("web")
        self.daemon.signal()
        # 1 else: the daemon's own limit would have ended it.
        self.assertEqual(self.daemon.wait(), 0)


class FilterTest(EventsTestCase):
    def test_only_what_matches_is_sent(self):
        token = self.now()
        for listener_id in ("ours", "theirs"):
            address = self.admin.create(listener_id, "tcp://127.0.0.1:0").effective_address
            self.assert_echo(self.connect(address))
            self.admin.delete(listener_id, force=True)
        stream = self.watch(resume_token=token, filter="listener = ours")
        events = self.read_until(stream, "LISTENER_DELETED")
        self.assertEqual(len(events), 6)
        self.assertEqual({e.socket.listener or e.listener.name for e in events}, {"listeners/ours"})
        stream = self.watch(
            resume_token=token,
            filter="kind = SOCKET_CLOSED AND close_reason = LISTENER_DELETED AND listener = theirs",
        )
        closed = list(itertools.islice((e for message in stream for e in message.events), 2))
        self.assertEqual({e.socket.listener for e in closed}, {"listeners/theirs"})

    def test_wrong_filter_is_refused(self):
        for text in ("fd = 3", "kind = NO_SUCH_KIND", "kind"):
            with self.subTest(text):
                self.assert_fails("FILTER_INVALID", list, self.watch(filter=text), fields=["filter"])


class Churn:
    """Connections that come and go, until it is stopped."""

    def __init__(self, address, count):
        self._address = address
        self._count = count
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        for _ in range(self._count):
            with peers.connect(self._address) as peer:
                peers.echo(peer, b"x")

    def is_running(self):
        return any(thread.is_alive() for thread in self._threads)

    def join(self):
        for thread in self._threads:
            thread.join()


class ResumeTest(EventsTestCase):
    """A client that dies and comes back loses no event and sees none twice."""

    CONNECTIONS = 300

    def test_after_each_few_messages_under_churn(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        token = start = self.now()
        churn = Churn(address, self.CONNECTIONS)
        seen = []
        while churn.is_running():
            client = admin.AdminClient(self.daemon.address)
            # Heartbeats: the last messages come even if there is nothing left to tell.
            stream = client.watch_events(
                resume_token=token, heartbeat_interval=admin.duration(0.1)
            )
            for message in itertools.islice(stream, 3):
                seen += message.events
                token = message.resume_token
            client.close()
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
        seen += self.since(token)
        everything = self.since(start)
        # `since` made a listener of its own twice.
        self.assertEqual(seen, everything[: len(seen)])
        opened = [e.socket.name for e in seen if e.socket.role == socket_pb2.Socket.CONNECTION]
        self.assertEqual(len(opened), 2 * 2 * self.CONNECTIONS)

    def test_of_a_reader_that_stops_and_is_killed(self):
        """sockctl that is stopped in the middle, killed, and started again with its last token."""
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        start = self.now()
        command = [os.environ["SOCKCTL_BINARY"], "--host", self.daemon.address, "events"]
        command += ["-o", "json", "--heartbeat", "100ms"]
        token, seen = start, []
        churn = Churn(address, self.CONNECTIONS)
        while churn.is_running():
            reader = subprocess.Popen(command + ["--resume", token], stdout=subprocess.PIPE, text=True)
            for line in itertools.islice(reader.stdout, 2):
                token = self.take(line, seen, token)
            reader.send_signal(signal.SIGSTOP)
            for _ in range(20):
                self.assert_echo(self.connect(address))
            reader.kill()
            # What it had written before belongs to what was taken; a torn line does not.
            for line in reader.stdout.read().splitlines(keepends=True):
                token = self.take(line, seen, token)
            reader.stdout.close()
            reader.wait()
        churn.join()
        seen += sequences_of(self.since(token))
        self.assertEqual(seen, list(range(seen[0], seen[0] + len(seen))))
        self.assertEqual(seen[0], self.since(start)[0].sequence)

    def take(self, line, seen, token):
        if not line.endswith("\n"):
            return token
        message = json.loads(line)
        seen += [int(event["sequence"]) for event in message["events"]]
        return message["resumeToken"]


class HistoryTest(EventsTestCase):
    def test_begins_with_the_oldest_event(self):
        self.admin.create("before", "tcp://127.0.0.1:0")
        stream = self.watch(include_history=True)
        messages = []
        for message in stream:
            messages.append(message)
            if message.sync:
                break
        self.assertEqual(sequences_of(e for m in messages for e in m.events), [1, 2])
        self.admin.create("after", "tcp://127.0.0.1:0")
        message = next(stream)
        self.assertEqual(message.events[0].sequence, 3)
        self.assertFalse(message.sync)

    def test_request_with_a_token_goes_on_behind_it(self):
        self.admin.create("before", "tcp://127.0.0.1:0")
        token = self.now()
        self.admin.create("after", "tcp://127.0.0.1:0")
        first = next(self.watch(include_history=True, resume_token=token))
        self.assertEqual({e.listener.name for e in first.events if e.HasField("listener")}, {"listeners/after"})


class OnceTest(EventsTestCase):
    def once(self, **fields):
        """The messages of a stream that ends by itself."""
        messages = list(self.watch(mode=Mode.ONCE, **fields))
        self.assertEqual([m.sync for m in messages], [False] * (len(messages) - 1) + [True])
        return messages

    def test_has_the_events_that_there_were(self):
        self.admin.create("web", "tcp://127.0.0.1:0")
        (message,) = self.once(include_history=True)
        self.assertEqual(kinds_of(message.events), ["SOCKET_OPENED", "LISTENER_CREATED"])
        self.admin.delete("web")
        (message,) = self.once(resume_token=message.resume_token)
        self.assertEqual(kinds_of(message.events), ["SOCKET_CLOSED", "LISTENER_DELETED"])

    def test_without_a_beginning_has_a_token_only(self):
        self.admin.create("before", "tcp://127.0.0.1:0")
        (message,) = self.once()
        self.assertEqual(len(message.events), 0)
        self.admin.create("after", "tcp://127.0.0.1:0")
        self.assertEqual(self.since(message.resume_token)[0].socket.listener, "listeners/after")

    def test_ends_behind_many_events_of_which_none_matches(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        Churn(address, 1500).join()
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
        messages = self.once(include_history=True, filter="kind = SERVICE_STALLED")
        self.assertEqual([len(m.events) for m in messages], [0] * len(messages))
        # Behind the last one, which was not sent.
        (rest,) = self.once(resume_token=messages[-1].resume_token)
        self.assertEqual(len(rest.events), 0)

    def test_mode_that_is_none_is_refused(self):
        failure = self.assert_fails("FIELD_INVALID", list, self.watch(mode=9), fields=["mode"])
        self.assertEqual(failure.metadata["value"], "9")

    def test_by_sockctl(self):
        self.admin.create("web", "tcp://127.0.0.1:0")
        lines = self.lines_of_sockctl("--once")
        self.assertEqual(len(lines), 2)
        self.assertIn("LISTENER_CREATED", lines[1])
        shown = self.lines_of_sockctl("--history", "--count", "2", "-o", "name")
        self.assertEqual(shown[1:], ["listeners/web"])

    def lines_of_sockctl(self, *flags):
        command = [os.environ["SOCKCTL_BINARY"], "--host", self.daemon.address, "events", *flags]
        return subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=daemon.DEADLINE_S, check=True
        ).stdout.splitlines()


class ReadMaskTest(EventsTestCase):
    def test_shows_these_fields_only(self):
        self.admin.create("web", "tcp://127.0.0.1:0")
        mask = field_mask_pb2.FieldMask(paths=["kind", "socket.name", "listener.address"])
        (message,) = self.watch(
            mode=Mode.ONCE,
            include_history=True,
            filter="sequence <= 2 AND listener = web",
            read_mask=mask,
        )
        opened, created = message.events
        self.assertEqual(
            opened, Event(kind=Kind.SOCKET_OPENED, socket=socket_pb2.Socket(name=opened.socket.name))
        )
        self.assertTrue(opened.socket.name.startswith("sockets/"))
        address = listener_pb2.Listener(address="tcp://127.0.0.1:0")
        self.assertEqual(created, Event(kind=Kind.LISTENER_CREATED, listener=address))

    def test_unknown_field_is_refused(self):
        mask = field_mask_pb2.FieldMask(paths=["socket.nmae"])
        failure = self.assert_fails(
            "MASK_INVALID", list, self.watch(read_mask=mask), fields=["read_mask"]
        )
        self.assertEqual(failure.metadata["path"], "socket.nmae")


class ShortHistoryTest(EventsTestCase):
    """Events that are no longer kept."""

    HISTORY = 10
    flags = ("--event-history", str(HISTORY))

    def make_events(self):
        for _ in range(self.HISTORY):
            self.admin.create("web", "tcp://127.0.0.1:0")
            self.admin.delete("web")

    def test_old_token_is_out_of_range(self):
        token = self.now()
        self.make_events()
        failure = self.assert_fails(
            "SEQUENCE_EXPIRED", list, self.watch(resume_token=token), fields=["resume_token"]
        )
        self.assertEqual(failure.metadata["lost"], str(4 * self.HISTORY - self.HISTORY))
        rest = next(m for m in self.watch(resume_token=failure.metadata["resume_token"]) if m.events)
        self.assertEqual(len(rest.events), self.HISTORY)

    def test_events_that_go_while_the_oldest_is_sought_are_not_lost(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        churn = Churn(address, 300)
        histories = 0
        while churn.is_running():
            first, *_ = self.watch(mode=Mode.ONCE, include_history=True)
            self.assertLessEqual(len(first.events), self.HISTORY)
            histories += 1
        self.assertGreater(histories, 0)

    def test_reader_that_is_too_slow_is_told(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        for _ in range(5 * self.HISTORY):
            self.assert_echo(self.connect(address))
        stream = self.watch()
        next(stream)
        # In one moment more events than are kept.
        self.admin.delete("web", force=True)
        failure = self.assert_fails("EVENTS_LOST", list, stream)
        self.assertGreater(int(failure.metadata["lost"]), 0)
        stream = self.watch(resume_token=failure.metadata["resume_token"])
        events = self.read_until(stream, "LISTENER_DELETED")
        self.assertEqual(len(events), self.HISTORY)


class TokenTest(EventsTestCase):
    def test_of_another_instance(self):
        token = self.now()
        self.daemon.stop()
        self.daemon = self.start()
        self.admin = self.daemon.admin
        failure = self.assert_fails(
            "INSTANCE_CHANGED", list, self.watch(resume_token=token), fields=["resume_token"]
        )
        self.assertEqual(failure.metadata["instance_id"], self.admin.host().instance_id)

    def test_that_is_none(self):
        ours = self.now()
        instance = self.admin.host().instance_id
        made_up = [
            base64.urlsafe_b64encode(text.encode()).decode()
            for text in (f"events/{instance}/1000000", f"events/{instance}/-1", "events/", "x/y/1")
        ]
        for token in ("x", "====", ours[:-1], ours + "A", "A" * 5000, *made_up):
            with self.subTest(token[:100]):
                self.assert_fails(
                    "RESUME_TOKEN_INVALID",
                    list,
                    self.watch(resume_token=token),
                    fields=["resume_token"],
                )


class HeartbeatTest(EventsTestCase):
    def test_keeps_the_token_new(self):
        stream = self.watch(
            filter="kind = SERVICE_STALLED", heartbeat_interval=admin.duration(0.1)
        )
        first = next(stream)
        self.admin.create("web", "tcp://127.0.0.1:0")
        beats = list(itertools.islice(stream, 3))
        self.assertEqual([len(beat.events) for beat in beats], [0, 0, 0])
        self.assertEqual([beat.sequence for beat in beats], [2, 3, 4])
        self.assertNotEqual(beats[-1].resume_token, first.resume_token)

    def test_interval_out_of_range_is_refused(self):
        stream = self.watch(heartbeat_interval=admin.duration(0.05))
        self.assert_fails("INTERVAL_INVALID", list, stream, fields=["heartbeat_interval"])


class ManyEventsTest(EventsTestCase):
    def test_messages_are_small_and_nothing_is_missing(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        token = self.now()
        churn = Churn(address, 1000)
        churn.join()
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 0)
        stream = self.watch(resume_token=token)
        events, sizes = [], []
        for message in stream:
            sizes.append(message.ByteSize())
            events += message.events
            if len(events) >= 4000:
                break
        self.assertLessEqual(max(sizes), MESSAGE_LIMIT)
        self.assertEqual(sequences_of(events), list(range(events[0].sequence, events[0].sequence + 4000)))


class LargeEventsTest(EventsTestCase):
    def test_message_ends_before_an_event_that_does_not_fit(self):
        labels = {f"k{number:02}" + "x" * 59 + "y": "v" * 256 for number in range(64)}
        banner = service_parameters_pb2.BannerParameters(text="t" * 65536)
        for name, fields in (("large", {"service": "banner", "banner": banner}), ("small", {})):
            self.admin.create(name, "tcp://127.0.0.1:0", labels=labels, **fields)
        token = self.now()
        # What is before the last one leaves less room than that takes.
        for number, name in enumerate(("large", "large", "small", "large")):
            listener = admin.Listener(name=f"listeners/{name}", display_name=f"{number}" * 256)
            request = admin_pb2.UpdateListenerRequest(listener=listener)
            self.admin.call("UpdateListener", request)
        messages = []
        for message in self.watch(resume_token=token):
            messages.append(message)
            if sum(len(m.events) for m in messages) >= 4:
                break
        self.assertEqual([len(message.events) for message in messages], [3, 1])
        self.assertLessEqual(max(message.ByteSize() for message in messages), MESSAGE_LIMIT)
        sequences = sequences_of(event for message in messages for event in message.events)
        self.assertEqual(sequences, list(range(sequences[0], sequences[0] + 4)))


class LimitTest(EventsTestCase):
    flags = ("--max-watches", "2")

    def test_counts_watches_of_both_kinds(self):
        stream = self.watch()
        next(stream)
        sockets = self.admin.watch()
        self.addCleanup(sockets.cancel)
        next(sockets)
        failure = self.assert_fails("WATCH_LIMIT", list, self.watch())
        self.assertEqual(failure.metadata, {"limit": "2", "used": "2", "setting": "--max-watches"})
        self.assert_fails("WATCH_LIMIT", list, self.admin.watch())
        stream.cancel()
        self.eventually(lambda: self.admin.host().watches.used, 1)
        next(self.watch())


class EndTest(EventsTestCase):
    def test_stop_of_the_host_is_told(self):
        streams = [self.watch() for _ in range(5)]
        for stream in streams:
            next(stream)
        self.daemon.signal()
        for stream in streams:
            self.assert_fails("SHUTTING_DOWN", list, stream)
        self.assertEqual(self.daemon.wait(), 0)

    def test_lost_client_is_forgotten(self):
        client = admin.AdminClient(self.daemon.address)
        next(client.watch_events())
        client.close()
        self.eventually(lambda: self.admin.host().watches.used, 0)


if __name__ == "__main__":
    unittest.main()
