"""A handler that does not return: health and the service manager hear of it."""

import itertools
import os
import pathlib
import signal
import socket

from sockhost.v1 import event_pb2

import admin
from daemon_test_case import DaemonTestCase

Kind = event_pb2.Event.Kind
MODULE = pathlib.Path(os.environ["MODULES"]) / "blocking_handler.so"
# Short, so that many pings would come while the handler blocks.
WATCHDOG_USEC = 200_000
# A handler call that lasts so long is a stall.
STALL_NANOS = 25_000_000


class StalledServiceTest(DaemonTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        notify = f"{self.folder}/notify"
        self.manager = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.manager.bind(notify)
        self.manager.settimeout(admin.CALL_TIMEOUT_S)
        variables = {"NOTIFY_SOCKET": notify, "WATCHDOG_USEC": str(WATCHDOG_USEC)}
        self.daemon = self.start("--module", str(MODULE), variables=variables)
        self.admin = self.daemon.admin
        self.fifo = f"{self.folder}/fifo"
        os.mkfifo(self.fifo)

    def ask_blocker(self, text):
        created = self.admin.create("held", "udp://127.0.0.1:0", service="blocker")
        self.connect(created.effective_address).send(text.encode())

    def hold_service_thread(self, how="open"):
        self.ask_blocker(f"{how} {self.fifo}")

    def release_service_thread(self):
        # Waits until the handler has the other end.
        os.close(os.open(self.fifo, os.O_WRONLY))

    def told_until(self, wanted):
        """What the service manager is told, up to the first message that holds `wanted`."""
        messages = []
        while not messages or wanted not in messages[-1]:
            messages.append(self.manager.recv(4096).decode())
        return messages

    def test_health_is_not_serving_until_the_handler_returns(self):
        streams = [self.admin.watch_health(name) for name in ("", admin.SERVICE)]
        self.assertEqual([next(stream) for stream in streams], ["SERVING"] * 2)
        self.hold_service_thread()
        self.assertEqual([next(stream) for stream in streams], ["NOT_SERVING"] * 2)
        self.assertEqual(self.admin.health(), "NOT_SERVING")
        self.assertEqual(self.admin.host().stalled_service, "services/blocker")
        self.release_service_thread()
        self.assertEqual([next(stream) for stream in streams], ["SERVING"] * 2)
        self.assertEqual(self.admin.health(admin.SERVICE), "SERVING")
        self.assertEqual(self.admin.host().stalled_service, "")

    def test_stall_is_the_services_and_its_owner_is_named(self):
        for stalls, how in enumerate(("open", "lock"), start=1):
            with self.subTest(how=how):
                self.hold_service_thread(how)
                self.eventually(self.admin.health, "NOT_SERVING")
                # While it lasts: the admin API waits for no handler.
                service = self.admin.get_service("services/blocker")
                self.assertEqual(service.stalls, stalls)
                self.assertGreaterEqual(service.max_stall_nanos, STALL_NANOS)
                self.assertEqual(service.counters.slow_handler_calls, stalls - 1)
                self.assertEqual(self.admin.get_service("services/echo").stalls, 0)
                self.assertEqual(self.admin.host().loop.stalls, stalls)
                self.release_service_thread()
                self.eventually(
                    lambda: self.admin.get_service("services/blocker").counters.slow_handler_calls, stalls
                )
                self.eventually(self.admin.health, "SERVING")
                self.admin.delete("held")
        log = self.daemon.log()
        self.assertRegex(log, r"every other service waits service=blocker owner=\S*/blocking_handler\.cc:\d+ ")
        self.assertRegex(log, r"NOT_SERVING service=blocker owner=\S*/blocking_handler\.cc:\d+\n")
        self.assertRegex(log, r"backtrace=.*blocking_handler\.so")

    def test_calls_that_do_not_wait_for_it_name_it(self):
        created = self.admin.create("web", "tcp://127.0.0.1:0")
        self.assert_echo(self.connect(created.effective_address))
        (connection,) = self.admin.sockets("role = CONNECTION")
        self.hold_service_thread()
        self.eventually(self.admin.health, "NOT_SERVING")
        for resource, name, call in (
            ("socket", connection.name, lambda: self.admin.close_socket(connection.name)),
            ("listener", created.name, lambda: self.admin.delete("web", force=True)),
        ):
            failure = self.assert_fails("SERVICE_THREAD_STALLED", call)
            self.assertEqual(failure.metadata, {resource: name, "service": "services/blocker"})
        self.release_service_thread()
        self.eventually(self.admin.health, "SERVING")

    def test_begin_and_end_are_events_for_those_who_watch_and_those_who_resume(self):
        kinds = "(kind = SERVICE_STALLED OR kind = SERVICE_RECOVERED)"
        stream = self.admin.watch_events(filter=f"service = blocker AND {kinds}")
        events = (event for message in stream for event in message.events)
        token = next(stream).resume_token
        self.hold_service_thread()
        stalled = next(events)
        # Told while it lasts.
        self.assertEqual((stalled.kind, stalled.service), (Kind.SERVICE_STALLED, "services/blocker"))
        self.eventually(self.admin.health, "NOT_SERVING")
        self.release_service_thread()
        recovered = next(events)
        self.assertEqual(recovered.kind, Kind.SERVICE_RECOVERED)
        self.assertEqual(recovered.service, "services/blocker")
        self.assertGreater(recovered.sequence, stalled.sequence)
        self.assertGreaterEqual(recovered.time.ToNanoseconds(), stalled.time.ToNanoseconds())
        stream.cancel()
        again = self.admin.watch_events(filter=kinds, resume_token=token)
        self.addCleanup(again.cancel)
        resumed = itertools.islice((event for message in again for event in message.events), 2)
        self.assertEqual(list(resumed), [stalled, recovered])

    def test_watchdog_of_the_service_manager_hears_nothing_meanwhile(self):
        self.assertEqual(self.told_until("READY=1"), ["READY=1\nSTATUS=serving"])
        self.told_until("WATCHDOG=1")
        self.hold_service_thread()
        *_, status = self.told_until("holds the service thread")
        self.assertIn("blocker", status)
        # Time for ten pings passes.
        stream = self.admin.watch(interval_s=0.1)
        for _ in itertools.islice(stream, 10):
            pass
        stream.cancel()
        self.release_service_thread()
        self.assertEqual(self.told_until("STATUS=serving"), ["STATUS=serving"])
        self.told_until("WATCHDOG=1")

    def test_stop_is_told(self):
        self.daemon.stop()
        self.told_until("STOPPING=1")

    def test_other_services_of_the_host_go_on_afterwards(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.hold_service_thread()
        self.eventually(self.admin.health, "NOT_SERVING")
        peer = self.connect(address)
        peer.sendall(b"early")
        self.release_service_thread()
        self.assertEqual(peer.recv(5), b"early")


class AbortOnStallTest(DaemonTestCase):
    """A handler that computes for ever, and a supervisor that starts the daemon anew."""

    flags = ("--module", str(MODULE), "--abort-on-stall")

    def test_handler_that_computes_for_ever_ends_the_process(self):
        blocker = self.admin.create("held", "udp://127.0.0.1:0", service="blocker")
        self.connect(blocker.effective_address).send(b"compute")
        self.assertEqual(self.daemon.wait(), -signal.SIGABRT)
        self.assertRegex(
            self.daemon.log().splitlines()[-1],
            r"too much CPU time; aborting.* service=blocker owner=\S*/blocking_handler\.cc:\d+ ",
        )

    def test_handler_that_waits_does_not(self):
        fifo = f"{self.folder}/fifo"
        os.mkfifo(fifo)
        blocker = self.admin.create("held", "udp://127.0.0.1:0", service="blocker")
        peer = self.connect(blocker.effective_address)
        peer.send(f"open {fifo}".encode())
        # Longer than the CPU time that a handler may use.
        self.eventually(
            lambda: self.admin.get_service("services/blocker").max_stall_nanos >= 2_500_000_000, True
        )
        os.close(os.open(fifo, os.O_WRONLY))
        self.eventually(self.admin.health, "SERVING")
