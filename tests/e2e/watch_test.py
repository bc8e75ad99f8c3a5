"""WatchSockets: what WatchSocketsResponse guarantees, by the numbers that it has there.

1  OnceTest, StreamTest.test_sequence_sync_and_instance, UpdatesOnlyTest
2  StreamTest.test_sequence_sync_and_instance, HeartbeatTest
3  StreamTest.test_counters_are_absolute_and_reach_what_was_sent
4  StreamTest.test_new_socket_appears_and_is_removed_once, FilterTest
5  OnChangeTest, ManyWatchesTest.test_samples_come_at_the_interval_however_often_others_come_and_go
6  LargeSampleTest.test_slow_reader_slows_nobody_and_learns_what_it_missed; stalled_readers_test:
   NotReadingTest
7  LargeSampleTest.test_is_split
8  stalled_readers_test: StoppedProcessesTest; tests/bench/watch_cost.py
"""

import itertools
import unittest

import grpc
from google.protobuf import field_mask_pb2
from sockhost.v1 import socket_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase

ONCE = admin.Mode.Value("ONCE")
STREAM = admin.Mode.Value("STREAM")
ON_CHANGE = admin.Trigger.Value("ON_CHANGE")
MESSAGE_LIMIT = 256 * 1024
CONNECTION = socket_pb2.Socket.CONNECTION


def mask(*paths):
    return field_mask_pb2.FieldMask(paths=paths)


def until(stream, is_last):
    """The messages of `stream` up to the first that is wanted."""
    messages = []
    for message in stream:
        messages.append(message)
        if is_last(message):
            return messages
    raise AssertionError(f"the stream ended after {len(messages)} messages")


def samples(stream):
    """The messages of `stream`, grouped by sample."""
    while True:
        yield until(stream, lambda message: not message.more)


def sockets_of(messages):
    return [shown for message in messages for shown in message.sockets]


def names_of(messages):
    return [shown.name for shown in sockets_of(messages)]


class WatchTestCase(DaemonTestCase):
    def watch(self, **fields):
        stream = self.admin.watch(**fields)
        self.addCleanup(stream.cancel)
        return stream

    def create_echo(self, listener_id="web"):
        return self.admin.create(listener_id, "tcp://127.0.0.1:0").effective_address

    def talk(self, address, count=1, message=b"hello"):
        """Connections that have been served once, so that the daemon knows them."""
        connections = [self.connect(address) for _ in range(count)]
        for peer in connections:
            self.assert_echo(peer, message)
        return connections


class OnceTest(WatchTestCase):
    def test_initial_set_then_sync_then_the_end(self):
        self.talk(self.create_echo(), count=3)
        self.settle()
        messages = list(self.watch(mode=ONCE))
        self.assertEqual(sockets_of(messages), self.admin.sockets())
        self.assertEqual([message.sync for message in messages], [True])
        self.assertEqual([message.sequence for message in messages], [1])
        self.assertEqual(messages[0].instance_id, self.admin.host().instance_id)
        self.assertFalse(messages[0].HasField("lag"))
        self.assertFalse(messages[0].more)

    def test_no_sockets(self):
        (message,) = self.watch(mode=ONCE)
        self.assertEqual((message.sync, message.sequence, len(message.sockets)), (True, 1, 0))

    def test_interval_is_not_waited_for(self):
        (message,) = self.watch(mode=ONCE, interval_s=3600)
        self.assertTrue(message.sync)


class StreamTest(WatchTestCase):
    def test_sequence_sync_and_instance(self):
        self.talk(self.create_echo(), count=2)
        messages = list(itertools.islice(self.watch(), 5))
        self.assertEqual([message.sequence for message in messages], [1, 2, 3, 4, 5])
        self.assertEqual([message.sync for message in messages], [True] + [False] * 4)
        self.assertEqual(
            {message.instance_id for message in messages}, {self.admin.host().instance_id}
        )
        times = [message.sample_time.ToNanoseconds() for message in messages]
        self.assertEqual(times, sorted(set(times)))
        for message in messages:
            self.assertEqual(names_of([message]), [s.name for s in self.admin.sockets()])

    def test_mode_stream_is_the_default(self):
        for fields in ({}, {"mode": STREAM}):
            messages = list(itertools.islice(self.watch(**fields), 2))
            self.assertEqual([message.sync for message in messages], [True, False])

    def test_every_interval_in_range_is_taken(self):
        for interval_s in (0, 0.1, 1, 3600):
            self.assertTrue(next(self.watch(interval_s=interval_s)).sync)

    def test_counters_are_absolute_and_reach_what_was_sent(self):
        address = self.create_echo()
        (peer,) = self.talk(address, message=b"12345")
        self.settle()
        stream = self.watch(filter="role = CONNECTION")
        (first,) = next(stream).sockets
        self.assertEqual(first.counters.receive_bytes, 5)
        for _ in range(10):
            self.assert_echo(peer, b"x" * 100)
        seen = until(stream, lambda message: message.sockets[0].counters.receive_bytes >= 1005)
        counted = [message.sockets[0].counters for message in seen]
        self.assertEqual(counted[-1].receive_bytes, 1005)
        self.assertEqual(counted[-1].transmit_bytes, 1005)
        self.assertEqual(counted[-1].receive_messages, 11)
        self.assertEqual([c.receive_bytes for c in counted], sorted(c.receive_bytes for c in counted))

    def test_new_socket_appears_and_is_removed_once(self):
        address = self.create_echo()
        stream = self.watch()
        next(stream)
        (peer,) = self.talk(address)
        appeared = until(stream, lambda message: len(message.sockets) == 2)[-1]
        (name,) = [s.name for s in appeared.sockets if s.role == CONNECTION]
        peer.close()
        messages = until(stream, lambda message: message.removed)
        messages += itertools.islice(stream, 3)
        self.assertEqual([n for message in messages for n in message.removed], [name])
        gone = [bool(message.removed) for message in messages].index(True)
        self.assertNotIn(name, names_of(messages[gone:]))
        self.assertTrue(self.admin.get_socket(name).HasField("close_time"))

    def test_deleted_listener_is_removed_with_its_connections(self):
        self.talk(self.create_echo(), count=3)
        stream = self.watch()
        shown = names_of([next(stream)])
        self.admin.delete("web", force=True)
        messages = until(stream, lambda message: message.removed and not message.sockets)
        self.assertEqual(sorted(n for m in messages for n in m.removed), sorted(shown))


class FilterTest(WatchTestCase):
    def test_only_what_matches_is_shown_and_removed(self):
        ours = self.talk(self.create_echo("ours"))
        theirs = self.talk(self.create_echo("theirs"))
        stream = self.watch(filter="listener = ours AND role = CONNECTION")
        (name,) = names_of([next(stream)])
        self.assertEqual(self.admin.get_socket(name).listener, "listeners/ours")
        theirs[0].close()
        self.eventually(lambda: len(self.admin.sockets("role = CONNECTION")), 1)
        ours[0].close()
        removed = until(stream, lambda message: message.removed)[-1]
        self.assertEqual(list(removed.removed), [name])

    def test_what_matches_no_more_is_removed_once(self):
        (peer,) = self.talk(self.create_echo(), message=b"1")
        stream = self.watch(filter="role = CONNECTION AND counters.receive_bytes < 5")
        (name,) = names_of([next(stream)])
        self.assert_echo(peer, b"2345678")
        messages = until(stream, lambda message: message.removed)
        messages += itertools.islice(stream, 3)
        self.assertEqual([n for message in messages for n in message.removed], [name])
        self.assertEqual(self.admin.get_socket(name).counters.receive_bytes, 8)

    def test_socket_that_never_matched_is_never_named(self):
        address = self.create_echo()
        stream = self.watch(filter="role = DATAGRAM")
        next(stream)
        (peer,) = self.talk(address)
        next(stream)
        peer.close()
        self.eventually(lambda: self.admin.host().sockets.used, 1)
        for message in itertools.islice(stream, 3):
            self.assertEqual((names_of([message]), list(message.removed)), ([], []))


class SuppressRedundantTest(WatchTestCase):
    def test_only_what_changed_is_sent_again(self):
        busy, idle = self.talk(self.create_echo(), count=2)
        self.settle()
        stream = self.watch(suppress_redundant=True)
        first = next(stream)
        self.assertEqual(len(first.sockets), 3)
        self.assert_echo(busy, b"more")
        messages = until(stream, lambda m: m.sockets and m.sockets[0].counters.receive_bytes == 9)
        self.assertEqual(len(set(names_of(messages))), 1)
        changed = messages[-1]
        remote = peers.address_of(busy, busy.getsockname())
        self.assertEqual([s.remote_address for s in changed.sockets], [remote])
        self.assertEqual(changed.sockets[0].counters.receive_bytes, 9)
        idle.close()
        removed = until(stream, lambda message: message.removed)[-1]
        self.assertEqual(len(removed.removed), 1)


class OnChangeTest(WatchTestCase):
    """Sockets are sent when they changed, and only then."""

    def test_change_new_and_gone_are_told_once_each(self):
        address = self.create_echo()
        busy, _ = self.talk(address, count=2)
        self.settle()
        stream = self.watch(trigger=ON_CHANGE, interval_s=0)
        first = next(stream)
        self.assertEqual((len(first.sockets), first.sync), (3, True))
        self.assert_echo(busy, b"more")
        self.settle()
        seen = self.read_until_quiet(stream, busy)
        self.assertEqual({s.remote_address for s in seen}, {peers.address_of(busy, busy.getsockname())})
        self.assertEqual(seen[-1].counters.receive_bytes, 9)
        (new,) = self.talk(address)
        shown = until(stream, lambda message: len(message.sockets) > 0)[-1]
        self.assertIn(CONNECTION, {s.role for s in shown.sockets})
        new.close()
        self.assertEqual(len(until(stream, lambda message: message.removed)[-1].removed), 1)

    def read_until_quiet(self, stream, busy):
        """The sockets that are sent until the counters of a connection are the last."""
        remote = peers.address_of(busy, busy.getsockname())
        (last,) = self.admin.sockets(f'remote_address = "{remote}"')
        messages = until(stream, lambda message: last in message.sockets)
        return sockets_of(messages)

    def test_nothing_that_the_mask_hides_is_a_change(self):
        (peer,) = self.talk(self.create_echo())
        self.settle()
        stream = self.watch(
            trigger=ON_CHANGE, read_mask=mask("poll_events"), heartbeat_interval=admin.duration(0.1)
        )
        next(stream)
        self.assert_echo(peer, b"counted, not shown")
        for message in itertools.islice(stream, 3):
            self.assertTrue(message.HasField("heartbeat"), message)


class ReadMaskTest(WatchTestCase):
    def test_only_what_is_asked_for_is_sent(self):
        self.talk(self.create_echo())
        self.settle()
        (message,) = self.watch(mode=ONCE, read_mask=mask("counters.receive_bytes", "fd"))
        whole = {shown.name: shown for shown in self.admin.sockets()}
        self.assertEqual(len(message.sockets), 2)
        for shown in message.sockets:
            wanted = socket_pb2.Socket(name=shown.name, fd=whole[shown.name].fd)
            received = whole[shown.name].counters.receive_bytes
            wanted.counters.receive_bytes = received
            shown.counters.SetInParent()
            self.assertEqual(shown, wanted)

    def test_star_is_everything(self):
        self.talk(self.create_echo())
        self.settle()
        (message,) = self.watch(mode=ONCE, read_mask=mask("*"))
        self.assertEqual(list(message.sockets), self.admin.sockets())

    def test_unknown_field_is_refused(self):
        for path in ("no_such_field", "counters.no_such_field", "fd.x", ""):
            with self.subTest(path):
                self.assert_fails(
                    "MASK_INVALID", list, self.watch(read_mask=mask(path)), fields=["read_mask"]
                )


class HeartbeatTest(WatchTestCase):
    def test_comes_when_nothing_else_does(self):
        (peer,) = self.talk(self.create_echo())
        self.settle()
        stream = self.watch(trigger=ON_CHANGE, heartbeat_interval=admin.duration(0.2))
        self.assertTrue(next(stream).sync)
        beats = list(itertools.islice(stream, 3))
        self.assertEqual([m.heartbeat.sequence for m in beats], [1, 1, 1])
        self.assertEqual([m.sequence for m in beats], [2, 3, 4])
        times = [m.sample_time.ToNanoseconds() for m in beats]
        self.assertEqual(times, sorted(times))
        self.assert_echo(peer)
        news = until(stream, lambda message: message.sockets)[-1]
        beat = until(stream, lambda message: message.HasField("heartbeat"))[-1]
        self.assertGreaterEqual(beat.heartbeat.sequence, news.sequence)
        self.assertLess(beat.heartbeat.sequence, beat.sequence)

    def test_none_while_samples_come(self):
        stream = self.watch(heartbeat_interval=admin.duration(3600))
        for message in itertools.islice(stream, 5):
            self.assertFalse(message.HasField("heartbeat"))

    def test_interval_out_of_range_is_refused(self):
        for seconds in (-1, 0.099, 3601):
            with self.subTest(seconds):
                stream = self.watch(heartbeat_interval=admin.duration(seconds))
                self.assert_fails("INTERVAL_INVALID", list, stream, fields=["heartbeat_interval"])


class UpdatesOnlyTest(WatchTestCase):
    def test_sync_comes_without_the_initial_set_and_changes_follow(self):
        busy, idle = self.talk(self.create_echo(), count=2)
        self.settle()
        stream = self.watch(updates_only=True, trigger=ON_CHANGE)
        first = next(stream)
        self.assertEqual((first.sync, len(first.sockets)), (True, 0))
        self.assert_echo(busy)
        remote = peers.address_of(busy, busy.getsockname())
        changed = next(stream)
        self.assertEqual([s.remote_address for s in changed.sockets], [remote])
        idle.close()
        # As if it had been sent.
        self.assertEqual(len(until(stream, lambda message: message.removed)[-1].removed), 1)

    def test_once_is_sync_and_the_end(self):
        self.create_echo()
        (message,) = self.watch(updates_only=True, mode=ONCE)
        self.assertEqual((message.sync, len(message.sockets)), (True, 0))


class LargeSampleTest(WatchTestCase):
    COUNT = 2000

    def setUp(self):
        super().setUp()
        self.talk(self.create_echo(), count=self.COUNT)

    def test_is_split(self):
        initial, second = itertools.islice(samples(self.watch()), 2)
        for messages in (initial, second):
            self.assertGreater(len(messages), 1)
            self.assertEqual(len({m.sample_time.ToNanoseconds() for m in messages}), 1)
            self.assertEqual([m.more for m in messages], [True] * (len(messages) - 1) + [False])
            self.assertLessEqual(max(m.ByteSize() for m in messages), MESSAGE_LIMIT)
            names = names_of(messages)
            self.assertEqual((len(names), len(set(names))), (self.COUNT + 1, self.COUNT + 1))
        self.assertEqual([m.sync for m in initial], [False] * (len(initial) - 1) + [True])
        self.assertFalse(any(m.sync for m in second))

    def test_slow_reader_slows_nobody_and_learns_what_it_missed(self):
        slow = self.watch()
        taken = [next(slow)]
        healthy = samples(self.watch())
        for index, messages in enumerate(itertools.islice(healthy, 32)):
            self.assertEqual(len(sockets_of(messages)), self.COUNT + 1)
            # Now and then: who reads nothing for long is cut off.
            if index % 8 == 0:
                taken.append(next(slow))
        taken += until(slow, lambda message: message.HasField("lag") and not message.more)
        self.assertGreater(max(message.lag.coalesced for message in taken), 0)
        # The next sample is whole again.
        self.assertEqual(len(sockets_of(until(slow, lambda m: not m.more))), self.COUNT + 1)
        sequence = [message.sequence for message in taken]
        self.assertEqual(sequence, list(range(1, len(taken) + 1)))


class ManyWatchesTest(WatchTestCase):
    def test_one_that_ends_leaves_the_others(self):
        self.create_echo()
        streams = [self.watch() for _ in range(20)]
        for stream in streams:
            next(stream)
        for stream in streams[::2]:
            stream.cancel()
        for stream in streams[1::2]:
            self.assertEqual([m.sequence for m in itertools.islice(stream, 3)], [2, 3, 4])

    def test_samples_come_at_the_interval_however_often_others_come_and_go(self):
        interval_s = 0.5
        for _ in range(10):
            stream = self.admin.watch(interval_s=interval_s)
            next(stream)
            stream.cancel()
            self.eventually(lambda: self.admin.host().watches.used, 0)
        stream = self.watch(interval_s=interval_s)
        next(stream)  # the initial set comes at once
        times = [m.sample_time.ToNanoseconds() for m in itertools.islice(stream, 6)]
        # A loaded machine can only be late: five intervals are never shorter than four.
        self.assertGreater(times[-1] - times[0], 4 * interval_s * 1e9)


class EndTest(WatchTestCase):
    def test_cancelled_watch_is_forgotten(self):
        stream = self.admin.watch()
        next(stream)
        self.assertEqual(self.admin.host().watches.used, 1)
        stream.cancel()
        with self.assertRaises(grpc.RpcError):
            until(stream, lambda message: False)
        self.eventually(lambda: self.admin.host().watches.used, 0)

    def test_lost_client_is_forgotten(self):
        client = admin.AdminClient(self.daemon.address)
        next(client.watch())
        client.close()
        self.eventually(lambda: self.admin.host().watches.used, 0)

    def test_stop_of_the_host_is_told(self):
        streams = [self.watch() for _ in range(10)]
        for stream in streams:
            next(stream)
        self.daemon.signal()
        for stream in streams:
            self.assert_fails("SHUTTING_DOWN", list, stream)
        self.assertEqual(self.daemon.wait(), 0)


if __name__ == "__main__":
    unittest.main()
