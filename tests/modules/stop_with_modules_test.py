"""A daemon that is told to stop while hosted code does not return, or goes on."""

import json
import os
import pathlib
import signal
import unittest

import daemon
from daemon_test_case import DaemonTestCase

MODULES = pathlib.Path(os.environ["MODULES"])
FAILURE = 1
ENDED_AT_ONCE = 128 + signal.SIGTERM


class StartingTest(DaemonTestCase):
    """It does not serve yet: one signal is enough."""

    flags = None

    def starting(self, *modules, flags=()):
        modules = [text for name in modules for text in ("--module", str(MODULES / f"{name}.so"))]
        path = f"unix:{self.folder}/admin.sock"
        return self.enterContext(daemon.Starting(self.folder, "--admin", path, *modules, *flags))

    def log_has(self, starting, text):
        self.eventually(lambda: text in starting.log(), True)

    def test_init_function_that_waits_is_not_waited_for(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                starting = self.starting("init_Wait")
                self.log_has(starting, "waits for ever")
                starting.signal(number)
                code, (*_, last) = starting.end()
                self.assertEqual(code, ENDED_AT_ONCE)
                self.assertRegex(last, rf"^sockhostd: a signal, from process {os.getpid()}: .*")

    def test_start_that_has_failed_says_why_and_waits_for_handlers(self):
        starting = self.starting("stuck_handler", "init_Fail", flags=("--drain-timeout", "1h"))
        self.log_has(starting, "init_Fail.so is refused")
        starting.signal()
        code, _ = starting.end()
        self.assertEqual(code, ENDED_AT_ONCE)

    def test_start_that_has_failed_ends(self):
        starting = self.starting("stuck_handler", "init_Fail", flags=("--drain-timeout", "0s"))
        code, (*_, why, last) = starting.end()
        self.assertEqual(code, FAILURE)
        self.assertIn("init_Fail.so is refused", why)
        self.assertIn("could not stop in time", last)

    def test_last_words_are_lines_of_the_log(self):
        flags = ("--log-format", "json", "--drain-timeout", "0s")
        code, lines = self.starting("stuck_handler", "init_Fail", flags=flags).end()
        self.assertEqual(code, FAILURE)
        *_, why, last = map(json.loads, lines)
        self.assertEqual((why["level"], last["level"]), ("error", "error"))
        self.assertIn("init_Fail.so is refused", why["error"])
        self.assertIn("could not stop in time", last["error"])


class ServingTest(DaemonTestCase):
    flags = None

    def test_thread_of_a_module_goes_on_to_the_end(self):
        serving = self.start("--module", str(MODULES / "running_thread.so"))
        serving.signal()
        self.assertEqual(serving.wait(), 0)

    def test_second_signal_ends_it_where_a_handler_never_returns(self):
        flags = ("--module", str(MODULES / "stuck_handler.so"), "--drain-timeout", "1h")
        serving = self.start(*flags)
        serving.signal()
        self.eventually(lambda: "stopping" in serving.log(), True)
        serving.signal(signal.SIGINT)
        self.assertEqual(serving.wait(), ENDED_AT_ONCE)
        self.assertIn(f"second signal, from process {os.getpid()}", serving.log())


if __name__ == "__main__":
    unittest.main()
