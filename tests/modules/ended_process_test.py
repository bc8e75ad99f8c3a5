"""Hosted code that ends the process, or one that it has forked: the log says who it was."""

import json
import os
import pathlib
import re
import signal
import socket
import unittest

import daemon
from daemon_test_case import DaemonTestCase

MODULES = pathlib.Path(os.environ["MODULES"])
OWNER = r"\S*/ending_handler\.cc:\d+"
LINES = 500  # of "last words" in the module


class EndedProcessTest(DaemonTestCase):
    flags = ("--module", str(MODULES / "ending_handler.so"))

    def setUp(self):
        super().setUp()
        created = self.admin.create("end", "udp://127.0.0.1:0", service="ender")
        self.peer = self.connect(created.effective_address)

    def ask(self, request):
        self.peer.send(request.encode())
        return self.peer.recv(100).decode()

    def end(self, request):
        """Ends the daemon; returns its exit code and the lines of its log."""
        self.peer.send(request.encode())
        code = self.daemon.wait()
        lines = self.daemon.log().splitlines()
        self.assertEqual(sum("last words" in line for line in lines), LINES)
        return code, lines

    # ---- Signals -------------------------------------------------------------

    def assert_crash_is_told(self, request, number):
        code, (*_, last) = self.end(request)
        self.assertEqual(code, -number)
        self.assertRegex(
            last,
            rf"^\S+Z error a handler has crashed: the process ends signal={number.name} "
            rf"service=ender owner={OWNER} fd=\d+ thread=service backtrace=\".*ending_handler\.so",
        )

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_crash_names_service_and_frames(self):
        self.assert_crash_is_told("crash", signal.SIGSEGV)

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_abort_too(self):
        self.assert_crash_is_told("abort", signal.SIGABRT)

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_handler_that_runs_out_of_stack_too(self):
        self.assert_crash_is_told("overflow", signal.SIGSEGV)

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_signal_from_outside_names_no_service(self):
        self.daemon.signal(signal.SIGBUS)
        self.assertEqual(self.daemon.wait(), -signal.SIGBUS)
        last = self.daemon.log().splitlines()[-1]
        self.assertIn(" error crashed: the process ends signal=SIGBUS thread=", last)
        self.assertNotIn("service=", last)

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_thread_of_a_module_that_runs_out_of_stack_is_told_too(self):
        code, (*_, last) = self.end("overflow_elsewhere")
        self.assertEqual(code, -signal.SIGSEGV)
        self.assertRegex(
            last,
            r"error crashed: the process ends signal=SIGSEGV thread=deep "
            r'backtrace="\S*ending_handler\.so',
        )

    def test_thread_that_is_ended_by_its_handler(self):
        code, (*_, last) = self.end("pthread_exit")
        self.assertEqual(code, -signal.SIGABRT)
        self.assertRegex(
            last, rf"error a handler ends the service thread, .* service=ender owner={OWNER} fd=\d+$"
        )

    # ---- exit(3) -------------------------------------------------------------

    def test_exit_is_told_with_its_code(self):
        code, (*_, last) = self.end("exit 7")
        self.assertEqual(code, 7)
        self.assertRegex(
            last,
            rf"error a handler has called exit\(3\): the process ends service=ender owner={OWNER} "
            r"fd=\d+ code=7$",
        )

    def test_exit_with_success_is_told_too(self):
        code, (*_, last) = self.end("exit 0")
        self.assertEqual(code, 0)
        self.assertRegex(last, r"a handler has called exit\(3\).* code=0$")

    def test_end_of_the_daemon_itself_is_not_told(self):
        self.daemon.stop()
        self.assertNotIn("exit(3)", self.daemon.log())

    # ---- fork(2) -------------------------------------------------------------

    def fork(self, how):
        """What becomes of the child."""
        child = re.fullmatch(r"child (\d+)", self.ask(f"fork {how}"))[1]
        return daemon.eventually(
            lambda: self.ask(f"reap {child}"), lambda end: end != "running", "the child's end"
        )

    def test_child_that_exits_ends_and_the_daemon_goes_on(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.assert_echo(self.connect(address))
        self.assertEqual(self.fork("exit 7"), "exited 7")
        self.assert_echo(self.connect(address))
        self.admin.delete("web", force=True)
        port = int(address.rpartition(":")[2])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            # Refused while the child has the socket.
            probe.listen()
        self.assertEqual(self.daemon.log().count("written by the child"), 1)
        self.assertNotIn("exit(3)", self.daemon.log())

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_child_that_crashes_is_no_crash_of_the_daemon(self):
        self.assertEqual(self.fork("crash"), f"signal {signal.SIGSEGV}")
        self.assertNotIn("crashed", self.daemon.log())

    def test_child_ends_by_a_signal_that_the_daemon_takes(self):
        self.assertEqual(self.fork("terminate"), f"signal {signal.SIGTERM}")
        self.assertEqual(self.admin.health(), "SERVING")

    # ---- Other programs ------------------------------------------------------

    def test_programs_that_a_handler_starts_can_be_ended_by_ordinary_signals(self):
        file = pathlib.Path(self.folder) / "status"
        for how in ("exec", "spawn", "system", "popen"):
            with self.subTest(how):
                self.assertEqual(self.ask(f"start {how} {file}"), "ended with 0")
                status = dict(re.findall(r"(\w+):\s+(\w+)", file.read_text()))
                for kind in ("SigBlk", "SigIgn"):
                    mask = int(status[kind], 16)
                    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                        self.assertEqual(mask >> (number - 1) & 1, 0, f"{kind} {number.name}")
                file.unlink()


class JsonTest(DaemonTestCase):
    flags = ("--module", str(MODULES / "ending_handler.so"), "--log-format", "json")

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_report_of_a_crash_is_a_line_as_others_are(self):
        created = self.admin.create("end", "udp://127.0.0.1:0", service="ender")
        self.connect(created.effective_address).send(b"crash")
        self.assertEqual(self.daemon.wait(), -signal.SIGSEGV)
        *_, before, last = map(json.loads, self.daemon.log().splitlines())
        self.assertEqual(list(last)[:3], list(before)[:3])
        self.assertEqual((last["level"], last["signal"]), ("error", "SIGSEGV"))
        self.assertEqual((last["service"], type(last["fd"])), ("ender", int))
        self.assertRegex(last["owner"], OWNER)
        self.assertIn("ending_handler.so", last["backtrace"])


class InitialisedModuleTest(DaemonTestCase):
    """Modules that end the process, or have nothing, when they are loaded."""

    flags = None

    def test_exit_in_an_init_function_is_told(self):
        file = MODULES / "init_Exit.so"
        ended = daemon.run("--admin", f"unix:{self.folder}/admin.sock", "--module", str(file))
        self.assertEqual(ended.returncode, 7)
        # The service thread goes on meanwhile: a line of its own can just have been on its way.
        self.assertRegex(
            ended.stderr, rf"error a module has called exit\(3\) .* file={file} code=7\n"
        )

    def last_line_with(self, module, number):
        ended = daemon.run(
            "--admin", f"unix:{self.folder}/admin.sock", "--module", str(MODULES / f"{module}.so")
        )
        self.assertEqual(ended.returncode, -number, ended.stderr)
        return ended.stderr.splitlines()[-1]

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_crash_of_another_thread_is_not_the_module_that_is_initialised(self):
        self.assertRegex(
            self.last_line_with("init_CrashInAHandler", signal.SIGSEGV),
            r"error a handler has crashed: .* signal=SIGSEGV service=half-done owner=\S+ fd=\d+ "
            r'thread=service backtrace="\S*init_CrashInAHandler\.so',
        )
        self.assertRegex(
            self.last_line_with("init_AbortOnAThread", signal.SIGABRT),
            r"error crashed: the process ends signal=SIGABRT thread=\S+ backtrace=",
        )

    def test_module_that_registers_nothing_is_warned_of(self):
        file = MODULES / "only_main.so"
        self.start("--module", str(file)).stop()
        self.assertRegex(
            (pathlib.Path(self.folder) / "sockhostd.log").read_text(),
            rf"warning a module registers nothing: .*main\(\) .*use SYS_INIT file={file}\n",
        )

    def test_module_with_anything_is_not(self):
        files = [MODULES / f"{name}.so" for name in ("only_init", "shout", "throwing_handler")]
        started = self.start(*(flag for file in files for flag in ("--module", str(file))))
        self.assertNotIn("registers nothing", started.log())


if __name__ == "__main__":
    unittest.main()
