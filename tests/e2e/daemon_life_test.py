"""sockhostd from its first word to its last: flags, admin addresses, signals."""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import unittest

import admin
import daemon
import peers
from daemon_test_case import DaemonTestCase

USAGE_ERROR = 2
FAILURE = 1
ENDED_AT_ONCE = 128 + signal.SIGTERM


class FlagsTest(unittest.TestCase):
    def test_version(self):
        shown = daemon.run("--version")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertRegex(shown.stdout, r"^sockhostd [0-9]+\.[0-9]+\.[0-9]+\n$")

    def test_help_names_the_variable_of_every_flag(self):
        shown = daemon.run("--help")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        flags = re.findall(r"^ +--([a-z-]+)(.*)$", shown.stdout, re.MULTILINE)
        self.assertIn("admin", [name for name, _ in flags])
        for name, rest in flags:
            if name not in ("version", "print-config"):
                self.assertRegex(rest, r"\(Env:SOCKHOST_[A-Z_]+\)", name)

    def test_wrong_flags_are_explained(self):
        for flags, named in (
            (["--no-such-flag"], "--no-such-flag"),
            (["argument"], "argument"),
            (["--admin"], "--admin"),
            (["--admin", "nonsense"], "nonsense"),
            (["--admin", "udp://127.0.0.1:0"], "udp://127.0.0.1:0"),
            (["--admin", "unix:relative.sock"], "unix:relative.sock"),
            (["--admin", "unix:/" + "x" * 200], "unix:/xxxx"),
            (["--admin", "tcp://localhost:1"], "tcp://localhost:1"),
            (["--max-sockets", "-1"], "--max-sockets"),
            (["--max-sockets", "many"], "many"),
            (["--max-sockets", "1048577"], "1048577"),
            (["--max-listeners", "0"], "--max-listeners"),
            (["--max-watches", "0"], "--max-watches"),
            (["--drain-timeout", "5"], "--drain-timeout"),
            (["--drain-timeout", "-1s"], "-1s"),
            (["--drain-timeout", "61m"], "61m"),
            (["--log-level", "loud"], "loud"),
            (["--admin", "tls://127.0.0.1:0"], "--tls-cert"),
            (["--tls-cert", "/c", "--tls-key", "/k", "--tls-client-ca", "/a"], "tls://"),
            (["--audit-fail-closed"], "--audit-log"),
            (["--adopt", "a"], "NAME=SERVICE"),
            # TCP without TLS has no access control: it must be asked for.
            (["--admin", "tcp://127.0.0.1:0"], "--insecure-tcp"),
            (["--admin", "tcp://0.0.0.0:0"], "--insecure-tcp"),
            (["--admin", "tcp://0.0.0.0:0", "--insecure-tcp"], "--insecure-tcp-any-address"),
            (["--admin", "tcp://[::]:0", "--insecure-tcp"], "--insecure-tcp-any-address"),
            (["--admin", "tcp://192.0.2.1:0", "--insecure-tcp"], "tcp://192.0.2.1:0"),
        ):
            with self.subTest(" ".join(flags)[:80]):
                refused = daemon.run(*flags)
                self.assertEqual(refused.returncode, USAGE_ERROR, refused.stderr)
                self.assertIn(named, refused.stderr)
                self.assertEqual(refused.stdout, "")

    def test_last_word_is_a_line_of_the_log_where_that_is_json(self):
        for flags, code, named in (
            (["--no-such-flag"], USAGE_ERROR, "--no-such-flag"),
            (["--max-watches", "0"], USAGE_ERROR, "--max-watches"),
            (["--config", "/no/such/file"], USAGE_ERROR, "ENOENT"),
            (["--admin", "unix:/no/such/folder/admin.sock"], FAILURE, "/no/such/folder"),
            (["--audit-log", "/no/such/folder/audit"], FAILURE, "ENOENT"),
            (["--roles", "/no/such/file"], FAILURE, "ENOENT"),
        ):
            with self.subTest(" ".join(flags)):
                refused = daemon.run(*flags, "--log-format", "json")
                self.assertEqual(refused.returncode, code, refused.stderr)
                *_, last = map(json.loads, refused.stderr.splitlines())
                self.assertEqual(list(last), ["time", "level", "message", "error"])
                self.assertEqual(last["level"], "error")
                self.assertIn(named, last["error"])

    def test_wrong_variable_is_explained(self):
        refused = daemon.run(SOCKHOST_LOG_LEVEL="loud")
        self.assertEqual(refused.returncode, USAGE_ERROR)
        self.assertIn("loud", refused.stderr)


class VariablesTest(DaemonTestCase):
    flags = None

    def test_variable_counts_and_command_line_wins(self):
        variables = {"SOCKHOST_MAX_LISTENERS": "7", "SOCKHOST_MAX_WATCHES": "8"}
        host = self.start("--max-watches", "9", variables=variables).admin.host()
        self.assertEqual((host.listeners.limit, host.watches.limit), (7, 9))


class ConfigFileTest(DaemonTestCase):
    flags = None

    def write(self, text):
        path = pathlib.Path(self.folder) / "sockhostd.yaml"
        path.write_text(text)
        return str(path)

    def test_file_counts_and_flag_wins(self):
        path = self.write("max-listeners: 7\nmax-watches: 8\n")
        host = self.start("--config", path, "--max-watches", "9").admin.host()
        self.assertEqual((host.listeners.limit, host.watches.limit), (7, 9))

    def test_json_counts(self):
        path = self.write(json.dumps({"max-listeners": 7, "log-level": "debug"}, indent="\t"))
        self.assertEqual(self.start("--config", path).admin.host().listeners.limit, 7)

    def test_what_is_printed_can_be_loaded(self):
        printed = daemon.run("--max-listeners", "7", "--print-config")
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        host = self.start("--config", self.write(printed.stdout)).admin.host()
        self.assertEqual(host.listeners.limit, 7)

    def test_signal_ends_it_where_nobody_writes_the_file(self):
        path = f"{self.folder}/fifo"
        os.mkfifo(path)
        starting = self.enterContext(daemon.Starting(self.folder, "--config", path))
        # Refused until somebody reads.
        writer = self.eventually_open(path, os.O_WRONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, writer)
        starting.signal()
        code, (last,) = starting.end()
        self.assertEqual(code, ENDED_AT_ONCE)
        self.assertIn("a signal", last)

    def eventually_open(self, path, flags):
        def try_to():
            with contextlib.suppress(OSError):
                return os.open(path, flags)

        return daemon.eventually(try_to, lambda fd: fd is not None, f"a reader of {path}")

    def test_nobody_to_drive_it_is_refused(self):
        refused = daemon.run("--config", self.write("admin: []\n"))
        self.assertEqual(refused.returncode, USAGE_ERROR)
        self.assertIn("admin: the list is empty", refused.stderr)

    def test_wrong_key_is_explained(self):
        path = self.write("log-level: info\nmax-listner: 7\n")
        refused = daemon.run("--config", path)
        self.assertEqual(refused.returncode, USAGE_ERROR)
        self.assertIn(f"{path}:2:1: ", refused.stderr)
        self.assertIn("max-listeners", refused.stderr)


class ReloadTest(DaemonTestCase):
    """SIGHUP, with a file that changes."""

    flags = None

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.folder) / "sockhostd.yaml"
        self.path.write_text("log-level: info\n")
        self.daemon = self.start("--config", str(self.path))

    def reload(self, text):
        self.path.write_text(text)
        self.daemon.signal(signal.SIGHUP)

    def log_has(self, text):
        self.eventually(lambda: text in self.daemon.log(), True)

    def test_log_level_changes_and_what_cannot_is_named(self):
        self.reload("log-level: debug\nmax-listeners: 7\n")
        self.log_has("setting=log-level")
        self.log_has("setting=max-listeners")
        self.assertNotEqual(self.daemon.admin.host().listeners.limit, 7)
        self.reload("log-level: error\n")
        self.eventually(lambda: self.daemon.log().count("setting=log-level"), 2)
        self.daemon.stop()
        self.assertNotIn("stopping", self.daemon.log())

    def test_wrong_file_changes_nothing(self):
        before = self.daemon.admin.host()
        self.reload("{")
        self.log_has("the old one stays")
        self.path.unlink()
        self.daemon.signal(signal.SIGHUP)
        self.log_has("ENOENT")
        self.assertEqual(self.daemon.admin.host().instance_id, before.instance_id)

    def test_file_that_could_be_waited_for_is_not_read_again(self):
        self.path.unlink()
        os.mkfifo(self.path)
        self.daemon.signal(signal.SIGHUP)
        self.log_has("it is no regular file")
        self.daemon.signal()
        self.assertEqual(self.daemon.wait(), 0)

    def test_hangup_during_a_drain_is_no_second_signal(self):
        address = self.daemon.admin.create("web", "tcp://127.0.0.1:0").effective_address
        peer = self.connect(address)
        self.assert_echo(peer)
        self.daemon.signal()
        self.eventually(self.daemon.admin.health, "NOT_SERVING")
        self.daemon.signal(signal.SIGHUP)
        self.assert_echo(peer, b"still here")
        peer.close()
        self.assertEqual(self.daemon.wait(), 0)


class JsonLogTest(DaemonTestCase):
    flags = ("--log-format", "json")

    def test_every_line_is_an_object_with_fields(self):
        pid = self.daemon.pid
        self.daemon.stop()
        lines = [json.loads(line) for line in self.daemon.log().splitlines()]
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
        self.assertEqual(lines[0]["admin"], self.daemon.address)
        self.assertEqual(lines[0]["pid"], pid)
        self.assertEqual([line["message"] for line in lines[1:]], ["stopping", "stopped"])
        self.assertEqual(lines[1]["draining"], 0)


class StartTest(DaemonTestCase):
    def test_one_line_says_what_serves(self):
        host = self.admin.host()
        # A thread of its own writes the log.
        self.eventually(lambda: self.daemon.log().count(" serves "), 1)
        [line] = [line for line in self.daemon.log().splitlines() if " serves " in line]
        self.assertIn(f"sockhostd {host.version} ", line)
        shown = dict(word.split("=", 1) for word in line.split() if "=" in word)
        wanted = {
            "admin": self.daemon.address,
            "instance": host.instance_id,
            "open_files": str(host.file_descriptors.limit),
            "max_sockets": str(host.sockets.limit),
            "max_listeners": str(host.listeners.limit),
            "max_watches": str(host.watches.limit),
            "pid": str(self.daemon.pid),
        }
        self.assertEqual(shown, wanted)

    def test_second_daemon_on_the_same_socket_is_refused(self):
        refused = daemon.run("--admin", self.daemon.address)
        self.assertEqual(refused.returncode, FAILURE)
        self.assertIn(self.daemon.address, refused.stderr)
        self.assertEqual(self.admin.host().pid, self.daemon.pid)
        # New connections still reach the first.
        client = admin.AdminClient(self.daemon.address)
        self.assertEqual(client.host().pid, self.daemon.pid)
        client.close()

    def test_socket_of_a_dead_daemon_is_replaced(self):
        self.daemon.kill()
        self.assertTrue(self.daemon.socket_path.exists())
        self.assertNotEqual(self.start().admin.host().pid, self.daemon.pid)

    def test_socket_file_goes_with_the_daemon(self):
        self.daemon.stop()
        self.assertFalse(self.daemon.socket_path.exists())


class AdminSocketTest(DaemonTestCase):
    flags = None

    def test_mode_is_0660_whatever_the_umask(self):
        for umask in (0, 0o077):
            folder = pathlib.Path(self.folder) / oct(umask)
            folder.mkdir()
            path = self.start(folder=folder, umask=umask).socket_path
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)

    def test_missing_folder_is_named_and_not_made(self):
        folder = pathlib.Path(self.folder) / "run"
        refused = daemon.run("--admin", f"unix:{folder}/admin.sock")
        self.assertEqual(refused.returncode, FAILURE)
        self.assertIn(f"there is no folder {folder}: ", refused.stderr)
        self.assertFalse(folder.exists())

    def test_file_that_is_no_socket_is_left_alone(self):
        path = pathlib.Path(self.folder) / "precious"
        path.write_text("data")
        refused = daemon.run("--admin", f"unix:{path}")
        self.assertEqual(refused.returncode, FAILURE)
        self.assertIn(str(path), refused.stderr)
        self.assertEqual(path.read_text(), "data")

    def test_folder_that_cannot_be_made(self):
        address = f"unix:{self.folder}/no/such/admin.sock"
        refused = daemon.run("--admin", address)
        self.assertEqual(refused.returncode, FAILURE)
        self.assertIn(address, refused.stderr)


class AdminTcpTest(DaemonTestCase):
    flags = ("--admin", "tcp://127.0.0.1:0", "--insecure-tcp")

    def test_both_addresses_serve(self):
        unix, tcp = self.admin.host().admin_addresses
        self.assertEqual(unix, self.daemon.address)
        client = admin.AdminClient(tcp)
        self.addCleanup(client.close)
        created = client.create("web", "tcp://127.0.0.1:0")
        self.assertEqual(self.admin.get_listener("web"), created)
        (message,) = client.watch(mode="ONCE")
        self.assertTrue(message.sync)
        self.assert_fails("LISTENER_EXISTS", client.create, "web", "tcp://127.0.0.1:0")

    def test_port_is_not_shared_with_a_second_daemon(self):
        tcp = self.admin.host().admin_addresses[1]
        refused = daemon.run("--admin", tcp, "--insecure-tcp")
        self.assertEqual(refused.returncode, FAILURE)
        self.assertIn(tcp, refused.stderr)

    def test_port_is_no_listener_of_ours(self):
        tcp = self.admin.host().admin_addresses[1]
        failure = self.assert_fails(
            "ADDRESS_IN_USE", self.admin.create, "web", tcp, fields=["listener.address"]
        )
        self.assertNotIn("listener", failure.metadata)


class AdminTcpAnyAddressTest(DaemonTestCase):
    flags = ("--admin", "tcp://0.0.0.0:0", "--insecure-tcp-any-address")

    def test_serves(self):
        port = peers.port_of(self.admin.host().admin_addresses[1])
        client = admin.AdminClient(f"tcp://127.0.0.1:{port}")
        self.assertEqual(client.host().pid, self.daemon.pid)
        client.close()


class StopTest(DaemonTestCase):
    flags = ()

    def test_either_signal_ends_it_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                self.daemon.signal(number)
                self.assertEqual(self.daemon.wait(), 0)
                self.daemon = self.start()

    def test_again_and_again(self):
        # Each with calls just before, so that gRPC is still busy with them.
        for _ in range(12):
            self.daemon.admin.create("web", "tcp://127.0.0.1:0")
            self.daemon.admin.delete("web")
            self.daemon.stop()
            self.daemon = self.start()

    def test_health_changes_first(self):
        stream = self.admin.watch_health()
        self.assertEqual(next(stream), "SERVING")
        peer = self.connect(self.admin.create("web", "tcp://127.0.0.1:0").effective_address)
        self.assert_echo(peer)
        self.daemon.signal()
        self.assertEqual(next(stream), "NOT_SERVING")
        self.assertEqual(self.admin.health(), "NOT_SERVING")
        self.assertEqual(self.admin.health(admin.SERVICE), "NOT_SERVING")
        peer.close()
        self.assertEqual(self.daemon.wait(), 0)

    def test_lost_peers_and_a_lost_log_do_not_end_it(self):
        reader, writer = os.pipe()
        folder = pathlib.Path(self.folder) / "lost"
        folder.mkdir()
        lost = self.start(folder=folder, stderr=writer)
        os.close(writer)
        # Lines cannot be written from now on: EPIPE, and no SIGPIPE.
        os.close(reader)
        address = lost.admin.create("web", "tcp://127.0.0.1:0").effective_address
        for _ in range(20):
            peer = self.connect(address)
            peer.sendall(b"x" * 65536)
            # With what was echoed unread: RST, and the echo goes nowhere.
            peer.close()
        lost.signal(signal.SIGHUP)
        lost.signal(signal.SIGPIPE)
        self.assert_echo(self.connect(address))
        lost.admin.delete("web", force=True)
        lost.signal()
        self.assertEqual(lost.wait(), 0)

    def test_nobody_reads_the_log(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x" * 4096):
                pass
        fcntl.fcntl(writer, fcntl.F_SETFL, 0)
        folder = pathlib.Path(self.folder) / "silent"
        folder.mkdir()
        silent = self.start(folder=folder, stderr=writer)
        os.close(writer)
        self.assert_echo(
            self.connect(silent.admin.create("web", "udp://127.0.0.1:0").effective_address)
        )
        silent.signal()
        self.assertEqual(silent.wait(), 0)


class DrainTest(DaemonTestCase):
    flags = ("--drain-timeout", "1h")

    def setUp(self):
        super().setUp()
        self.address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.peer = self.connect(self.address)
        self.assert_echo(self.peer)

    def begin_drain(self):
        self.daemon.signal()
        self.eventually(self.admin.health, "NOT_SERVING")

    def test_connections_go_on_and_the_last_one_ends_it(self):
        self.begin_drain()
        self.assert_echo(self.peer, b"still here")
        with self.assertRaises(ConnectionRefusedError):
            self.connect(self.address)
        self.assertEqual(self.admin.host().sockets.used, 1)
        self.assert_fails("SHUTTING_DOWN", self.admin.create, "new", "tcp://127.0.0.1:0")
        self.assert_echo(self.peer, b"and here")
        self.peer.close()
        self.assertEqual(self.daemon.wait(), 0)

    def test_watch_goes_on_until_the_end(self):
        stream = self.admin.watch()
        next(stream)
        self.begin_drain()
        for message in itertools.islice(stream, 3):
            self.assertFalse(message.sync)
        self.peer.close()
        self.assert_fails("SHUTTING_DOWN", list, stream)
        self.assertEqual(self.daemon.wait(), 0)

    def test_second_signal_ends_it_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                if self.daemon.process.poll() is not None:
                    self.setUp()
                self.begin_drain()
                self.daemon.signal(number)
                self.assertEqual(self.daemon.wait(), ENDED_AT_ONCE)

    def test_second_signal_needs_no_fd(self):
        self.daemon.use_up_fds()
        self.begin_drain()
        self.daemon.signal()
        self.assertEqual(self.daemon.wait(), ENDED_AT_ONCE)


class DrainTimeoutTest(DaemonTestCase):
    flags = ("--drain-timeout", "500ms")

    def test_connections_that_stay_are_closed(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        connections = [self.connect(address) for _ in range(50)]
        for peer in connections:
            self.assert_echo(peer)
        self.daemon.signal()
        self.assertEqual(self.daemon.wait(), 0)
        for peer in connections:
            self.assert_closed(peer)


class StoppedReaderTest(DaemonTestCase):
    SOCKETS = 2000

    def test_reader_that_has_stopped_holds_nothing_up(self):
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        connections = [self.connect(address) for _ in range(self.SOCKETS)]
        self.eventually(lambda: self.admin.host().sockets.used, self.SOCKETS + 1)
        readers = [self.start_reader() for _ in range(3)]
        for reader in readers:
            reader.send_signal(signal.SIGSTOP)
        # More than all buffers on the way to the readers can hold.
        stream = self.admin.watch()
        for _ in itertools.islice((m for m in stream if not m.more), 30):
            pass
        stream.cancel()
        for peer in connections:
            peer.close()
        self.daemon.signal()
        self.assertEqual(self.daemon.wait(), 0)

    def start_reader(self):
        """A process of its own that reads a watch, and has begun to."""
        program = (
            "import sys, admin\n"
            "for message in admin.AdminClient(sys.argv[1]).watch(): print(message.sequence)"
        )
        reader = subprocess.Popen(
            [sys.executable, "-u", "-c", program, self.daemon.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.assertEqual(reader.stdout.readline(), b"1\n")
        return reader


if __name__ == "__main__":
    unittest.main()
