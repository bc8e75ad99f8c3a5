"""WatchSockets: the promises of WatchSocketsResponse, one by one."""

import itertools
import unittest

import grpc
from sockhost.v1 import socket_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase

ONCE = admin.Mode.Value("ONCE")
STREAM = admin.Mode.Value("STREAM")
MESSAGE_LIMIT = 256 * 1024
CONNECTION = socket_pb2.Socket.CONNECTION


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
        self.assertEqual((messages[0].coalesced, messages[0].more), (0, False))

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
        self.assert_fails("SOCKET_NOT_FOUND", self.admin.get_socket, name, fields=["name"])

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
        for message in itertools.islice(stream, 3):
            self.assertEqual((names_of([message]), list(message.removed)), ([], []))
        self.assert_echo(busy, b"more")
        changed = until(stream, lambda message: message.sockets)[-1]
        remote = peers.address_of(busy, busy.getsockname())
        self.assertEqual([s.remote_address for s in changed.sockets], [remote])
        self.assertEqual(changed.sockets[0].counters.receive_bytes, 9)
        idle.close()
        removed = until(stream, lambda message: message.removed)[-1]
        self.assertEqual(len(removed.removed), 1)


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
        slow = samples(self.watch())
        next(slow)
        healthy = samples(self.watch())
        for messages in itertools.islice(healthy, 30):
            self.assertEqual(messages[-1].coalesced, 0)
            self.assertEqual(len(sockets_of(messages)), self.COUNT + 1)
        last = next(messages for messages in slow if messages[-1].coalesced > 0)
        self.assertEqual(len(names_of(last)), self.COUNT + 1)


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
