"""sockctl against a real daemon: what people see, and what scripts rely on."""

import json
import os
import signal
import subprocess
import unittest

from google.protobuf import json_format
from sockhost.v1 import host_pb2, watch_pb2

import admin
import daemon
from daemon_test_case import REASONS, DaemonTestCase

BINARY = os.environ["SOCKCTL_BINARY"]
OTHER_ERROR = 1
USAGE_ERROR = 2
RPC_ERROR = 64


def exit_code_of(reason):
    return RPC_ERROR + REASONS[reason].value[0]


def canonical(message):
    """The proto's JSON mapping, as another implementation than sockctl's has it."""
    return json_format.MessageToDict(message, including_default_value_fields=True)


class SockctlTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.variables = {"SOCKCTL_HOST": self.daemon.address}

    def start_sockctl(self, *arguments, **options):
        return subprocess.Popen(
            [BINARY, *arguments],
            env=daemon.environment(**self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run_sockctl(self, *arguments):
        with self.start_sockctl(*arguments) as process:
            output, errors = process.communicate(timeout=daemon.DEADLINE_S)
            return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def sockctl(self, *arguments):
        """What it prints; it must succeed and have no complaints."""
        done = self.run_sockctl(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.sockctl("-o", "json", *arguments))

    def names(self, *arguments):
        return self.sockctl("-o", "name", *arguments).splitlines()

    def create(self, name="web", address="tcp://127.0.0.1:0", *flags):
        return self.json(
            "listener", "create", name, "--service", "echo", "--address", address, *flags
        )

    def refused(self, exit_code, *arguments):
        """What it says on standard error, and only there."""
        done = self.run_sockctl(*arguments)
        self.assertEqual((done.returncode, done.stdout), (exit_code, ""), done)
        self.assertTrue(done.stderr.startswith("sockctl: "), done.stderr)
        return done.stderr


class ListenerTest(SockctlTestCase):
    def test_create(self):
        created = self.create(
            "web",
            "tcp://127.0.0.1:0",
            *("--label", "env=test", "--label", "tier=a=b", "--display-name", "Für alle"),
            *("--backlog", "9", "--max-connections", "3"),
        )
        self.assertEqual(created, canonical(self.admin.get_listener("web")))
        self.assertEqual(created["labels"], {"env": "test", "tier": "a=b"})
        self.assertEqual(created["displayName"], "Für alle")
        self.assertEqual((created["backlog"], created["maxConnections"]), (9, 3))
        self.assert_echo(self.connect(created["effectiveAddress"]))

    def test_keys_that_scripts_rely_on(self):
        wanted = {"name", "uid", "service", "address", "effectiveAddress", "state", "stateReason"}
        wanted |= {"labels", "etag", "createTime", "counters"}
        self.assertEqual(wanted - self.create().keys(), set())

    def test_list(self):
        self.assertEqual(self.json("listener", "list"), {"listeners": [], "nextPageToken": ""})
        for name in ("b", "a"):
            self.create(name)
        listed = self.json("listener", "list")
        self.assertEqual(listed["listeners"], [canonical(l) for l in self.admin.listeners()])
        self.assertEqual(listed["nextPageToken"], "")
        self.assertEqual(self.names("listener", "list"), ["listeners/a", "listeners/b"])
        header, *rows = self.sockctl("listener", "list").splitlines()
        self.assertTrue(header.startswith("NAME "))
        self.assertEqual([row.split()[0] for row in rows], ["a", "b"])

    def test_list_has_more_than_one_page(self):
        for number in range(1100):
            self.admin.create(f"l-{number:04}", "udp://127.0.0.1:0")
        self.assertEqual(len(self.json("listener", "list")["listeners"]), 1100)
        self.assertEqual(len(self.names("listener", "list")), 1100)

    def test_get(self):
        created = self.create()
        for name in ("web", "listeners/web"):
            self.assertEqual(self.json("listener", "get", name), created)
        self.assertIn(created["effectiveAddress"], self.sockctl("listener", "get", "web"))
        self.assertEqual(self.names("listener", "get", "web"), ["listeners/web"])

    def test_update(self):
        created = self.create("web", "tcp://127.0.0.1:0", "--max-connections", "3", "--backlog", "7")
        updated = self.json(
            *("listener", "update", "web", "--max-connections", "0", "--idle-timeout", "1m30s"),
            *("--keepalive", "--keepalive-idle", "5s", "--label", "a=b", "--etag", created["etag"]),
        )
        self.assertEqual(updated, canonical(self.admin.get_listener("web")))
        self.assertEqual((updated["maxConnections"], updated["backlog"]), (0, 7))
        self.assertEqual(updated["idleTimeout"], "90s")
        self.assertEqual(updated["tcpKeepalive"]["idle"], "5s")
        self.assertEqual(updated["labels"], {"a": "b"})
        cleared = self.json("listener", "update", "web", "--keepalive=false", "--idle-timeout=0s")
        self.assertNotIn("tcpKeepalive", cleared)
        self.assertEqual(cleared["idleTimeout"], "0s")
        self.refused(
            exit_code_of("ETAG_MISMATCH"),
            *("listener", "update", "web", "--backlog", "1", "--etag", created["etag"]),
        )

    def test_update_of_service_parameters(self):
        banner = ("--service", "banner", "--banner-text", "one", "--banner-close")
        self.json("listener", "create", "hello", "--address", "tcp://127.0.0.1:0", *banner)
        updated = self.json("listener", "update", "hello", "--banner-text", "two")
        self.assertEqual(updated["banner"], {"text": "two", "close": True, "file": ""})
        upstream = ("--upstream", "tcp://192.0.2.1:9", "--connect-timeout", "2s")
        self.json(
            *("listener", "create", "fwd", "--address", "tcp://127.0.0.1:0"),
            *("--service", "forward", *upstream),
        )
        updated = self.json("listener", "update", "fwd", "--policy", "least-connections")
        self.assertEqual(updated["forward"]["policy"], "LEAST_CONNECTIONS")
        self.assertEqual(updated["forward"]["upstreams"], ["tcp://192.0.2.1:9"])
        self.assertEqual(updated["forward"]["connectTimeout"], "2s")

    def test_pause_resume_drain_disable(self):
        self.create()
        for arguments, state in (
            (("pause", "web"), "PAUSED"),
            (("resume", "listeners/web"), "ACTIVE"),
            (("drain", "web", "--drain-timeout", "0s"), "DRAINING"),
            (("resume", "web"), "ACTIVE"),
            (("update", "web", "--enabled=false"), "DISABLED"),
            (("update", "web", "--enabled"), "ACTIVE"),
        ):
            self.assertEqual(self.json("listener", *arguments)["state"], state)
        self.admin.delete("web")
        self.refused(exit_code_of("LISTENER_NOT_FOUND"), "listener", "pause", "web")

    def test_dry_runs_and_repeated_requests(self):
        self.create("web", "tcp://127.0.0.1:0", "--validate-only")
        self.assertEqual(self.admin.listeners(), [])
        first = self.create("web", "tcp://127.0.0.1:0", "--request-id", "r-1")
        self.assertEqual(self.create("web", "tcp://127.0.0.1:0", "--request-id", "r-1"), first)
        self.assertIn("can be deleted", self.sockctl("listener", "delete", "web", "--validate-only"))
        self.assertEqual(len(self.admin.listeners()), 1)

    def test_unix_socket(self):
        path = f"{self.folder}/echo.sock"
        created = self.create("web", f"unix://{path}", "--unix-mode", "0600")
        self.assertEqual(created["unixAccess"]["mode"], "0600")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_update_of_one_unix_flag_leaves_the_others(self):
        path = f"{self.folder}/echo.sock"
        self.create("web", f"unix://{path}", "--unix-mode", "0600", "--enabled=false")
        updated = self.json("listener", "update", "web", "--unix-group", "0", "--enabled")
        self.assertEqual(updated["unixAccess"], {"mode": "0600", "owner": "", "group": "0"})
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_update_of_one_keepalive_flag_leaves_the_others(self):
        self.create("web", "tcp://127.0.0.1:0", "--keepalive-idle", "9s", "--keepalive-count", "3")
        for flag, count in (("--keepalive-count=4", 4), ("--keepalive", 4)):
            updated = self.json("listener", "update", "web", flag)
            self.assertEqual(updated["tcpKeepalive"], {"idle": "9s", "count": count})
        updated = self.json("listener", "update", "web", "--keepalive=false")
        self.assertNotIn("tcpKeepalive", updated)

    def test_empty_label_removes_all(self):
        self.create("web", "tcp://127.0.0.1:0", "--label", "a=b")
        self.assertEqual(self.json("listener", "update", "web", "--label", "")["labels"], {})

    def test_delete(self):
        for name in ("a", "b", "c"):
            self.create(name)
        self.assertEqual(self.json("listener", "delete", "a"), {})
        self.sockctl("listener", "delete", "listeners/b", "c")
        self.assertEqual(self.admin.listeners(), [])
        self.sockctl("listener", "delete", "a", "--allow-missing")

    def test_delete_with_etag_and_force(self):
        created = self.create()
        self.assert_echo(self.connect(created["effectiveAddress"]))
        self.refused(exit_code_of("ETAG_MISMATCH"), "listener", "delete", "web", "--etag", "old")
        self.refused(exit_code_of("LISTENER_BUSY"), "listener", "delete", "web")
        self.sockctl("listener", "delete", "web", "--force", "--etag", created["etag"])
        self.assertEqual(self.admin.listeners(), [])


class OtherResourcesTest(SockctlTestCase):
    def setUp(self):
        super().setUp()
        self.peer = self.connect(self.create()["effectiveAddress"])
        self.assert_echo(self.peer)
        self.settle()

    def test_socket_list(self):
        listed = self.json("socket", "list")
        self.assertEqual(listed["sockets"], [canonical(s) for s in self.admin.sockets()])
        counters = listed["sockets"][1]["counters"]
        # An int64 is a string in canonical JSON.
        self.assertEqual((counters["receiveBytes"], counters["transmitMessages"]), ("5", "1"))
        self.assertEqual(self.names("socket", "list"), [s["name"] for s in listed["sockets"]])
        self.assertEqual(len(self.sockctl("socket", "list").splitlines()), 3)
        self.assertEqual(len(self.sockctl("socket", "list", "--no-headers").splitlines()), 2)

    def test_socket_list_with_a_filter(self):
        listed = self.json("socket", "list", "--filter", "role = CONNECTION AND listener = web")
        self.assertEqual([s["role"] for s in listed["sockets"]], ["CONNECTION"])

    def test_socket_get(self):
        name = self.names("socket", "list")[1]
        shown = canonical(self.admin.get_socket(name))
        for form in (name, name.removeprefix("sockets/")):
            self.assertEqual(self.json("socket", "get", form), shown)
        self.assertIn(shown["remoteAddress"], self.sockctl("socket", "get", name))

    def test_service(self):
        listed = self.json("service", "list")
        self.assertEqual(listed["services"], [canonical(s) for s in self.admin.services()])
        self.assertEqual(self.names("service", "list"), admin.BUILT_IN_SERVICES)
        echo = canonical(self.admin.get_service("services/echo"))
        self.assertEqual(self.json("service", "get", "echo"), echo)

    def test_host(self):
        shown = json_format.ParseDict(self.json("host"), host_pb2.Host())
        host = self.admin.host()
        self.assertEqual((shown.instance_id, shown.pid), (host.instance_id, host.pid))
        self.assertEqual((shown.sockets, shown.listeners), (host.sockets, host.listeners))
        self.assertIn(host.instance_id, self.sockctl("host"))

    def test_health(self):
        self.assertEqual(self.sockctl("health"), "SERVING\n")
        self.assertEqual(self.sockctl("health", "sockhost.v1.AdminService"), "SERVING\n")
        self.assertEqual(self.json("health"), {"status": "SERVING"})

    def test_version(self):
        version = self.admin.host().version
        self.assertEqual(self.json("version"), {"client": version, "server": version})
        self.assertEqual(self.sockctl("version").count(version), 2)

    def test_help_and_completion(self):
        for verb in ("", "listener create", "watch"):
            self.assertIn(f"usage: sockctl {verb}".strip(), self.sockctl("help", *verb.split()))
        script = self.sockctl("completion", "bash")
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


class WatchTest(SockctlTestCase):
    def setUp(self):
        super().setUp()
        self.peer = self.connect(self.create()["effectiveAddress"])
        self.assert_echo(self.peer)
        self.settle()

    def messages(self, lines):
        return [json_format.Parse(line, watch_pb2.WatchSocketsResponse()) for line in lines]

    def watch(self, *flags):
        process = self.start_sockctl("watch", "-o", "json", "--interval", "100ms", *flags)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_once(self):
        (message,) = self.messages(self.sockctl("watch", "--once", "-o", "json").splitlines())
        self.assertTrue(message.sync)
        self.assertEqual(list(message.sockets), self.admin.sockets())

    def test_once_as_table(self):
        self.assertIn("web", self.sockctl("watch", "--once"))

    def test_count(self):
        lines = self.sockctl("watch", "-o", "json", "--interval", "100ms", "--count", "3")
        messages = self.messages(lines.splitlines())
        self.assertEqual([message.sequence for message in messages], [1, 2, 3])
        self.assertEqual([message.sync for message in messages], [True, False, False])

    def test_count_ends_without_changes(self):
        for flag in ("--suppress", "--on-change"):
            lines = self.sockctl("watch", "-o", "json", flag, "--count", "2").splitlines()
            self.assertEqual(self.messages(lines)[-1].HasField("heartbeat"), True)

    def test_filter(self):
        lines = self.sockctl("watch", "--once", "-o", "json", "--filter", "role = CONNECTION")
        (message,) = self.messages(lines.splitlines())
        self.assertEqual(list(message.sockets), self.admin.sockets("role = CONNECTION"))

    def test_each_line_comes_at_once_and_a_signal_ends_it_well(self):
        process = self.watch()
        for sequence in (1, 2, 3):
            (message,) = self.messages([process.stdout.readline()])
            self.assertEqual(message.sequence, sequence)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(daemon.DEADLINE_S), 0)

    def test_reader_that_goes_away_ends_it_well(self):
        process = self.watch()
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(daemon.DEADLINE_S), 0)
        process.stdout = None

    def test_end_of_the_daemon_is_an_error(self):
        process = self.watch()
        process.stdout.readline()
        self.peer.close()
        self.daemon.stop()
        _, errors = process.communicate(timeout=daemon.DEADLINE_S)
        self.assertEqual(process.returncode, exit_code_of("SHUTTING_DOWN"), errors)
        self.assertIn("SHUTTING_DOWN", errors)


class ErrorTest(SockctlTestCase):
    def test_usage(self):
        for arguments in (
            ["no-such-verb"],
            ["listener", "no-such-verb"],
            ["listener", "create", "web"],
            ["listener", "create", "web", "--service", "echo"],
            ["listener", "list", "--no-such-flag"],
            ["listener", "list", "-o", "xml"],
            ["listener", "get"],
            ["watch", "--count", "0"],
            ["watch", "--interval", "soon"],
            ["--host", "nonsense", "host"],
            ["--timeout", "-1s", "host"],
        ):
            with self.subTest(" ".join(arguments)):
                self.refused(USAGE_ERROR, *arguments)

    def test_no_verb_shows_the_usage(self):
        done = self.run_sockctl()
        self.assertEqual((done.returncode, done.stdout), (USAGE_ERROR, ""))
        self.assertIn("usage: sockctl", done.stderr)

    def test_errors_of_calls(self):
        taken = self.create("taken")["effectiveAddress"]
        create = ["listener", "create", "new", "--service", "echo", "--address"]
        for reason, arguments, named in (
            ("ADDRESS_INVALID", [*create, "nonsense"], "nonsense"),
            ("ADDRESS_IN_USE", [*create, taken], "listeners/taken"),
            ("ADDRESS_NOT_AVAILABLE", [*create, "tcp://203.0.113.77:0"], "203.0.113.77"),
            ("LISTENER_NOT_FOUND", ["listener", "get", "none"], "none"),
            ("LISTENER_NOT_FOUND", ["listener", "delete", "none"], "none"),
            ("SOCKET_NOT_FOUND", ["socket", "get", "4711"], "4711"),
            ("SERVICE_NOT_FOUND", ["service", "get", "none"], "none"),
            ("NAME_INVALID", ["socket", "get", "one"], "one"),
            ("FILTER_INVALID", ["socket", "list", "--filter", "size = 1"], "size"),
            ("FILTER_INVALID", ["watch", "--filter", "size = 1"], "size"),
            ("INTERVAL_INVALID", ["watch", "--interval", "1ms"], "1ms"),
        ):
            with self.subTest(" ".join(arguments)):
                text = self.refused(exit_code_of(reason), *arguments)
                self.assertIn(reason, text)
                self.assertIn(named, text)
        for listener_id, service, reason in (
            ("taken", "echo", "LISTENER_EXISTS"),
            ("Not_An_Id", "echo", "LISTENER_ID_INVALID"),
            ("new", "none", "SERVICE_NOT_FOUND"),
        ):
            flags = ["--service", service, "--address", "tcp://127.0.0.1:0"]
            text = self.refused(
                exit_code_of(reason), "listener", "create", listener_id, *flags
            )
            self.assertIn(reason, text)

    def test_one_of_several_deletions(self):
        self.create("here")
        self.create("here-too")
        code = exit_code_of("LISTENER_NOT_FOUND")
        done = self.run_sockctl("listener", "delete", "here", "none", "here-too")
        self.assertEqual(done.returncode, code)
        self.assertIn("none", done.stderr)
        self.assertEqual(self.admin.listeners(), [])

    def test_nobody_listens(self):
        self.daemon.stop()
        text = self.refused(RPC_ERROR + 14, "host")
        self.assertIn(self.daemon.address, text)

    def test_host_flag_wins_over_the_variable(self):
        self.variables = {"SOCKCTL_HOST": "unix:/no/such/socket"}
        self.sockctl("--host", self.daemon.address, "health")
        self.refused(RPC_ERROR + 14, "health")


class TcpTest(SockctlTestCase):
    flags = ("--admin", "tcp://127.0.0.1:0", "--insecure-tcp")

    def test_drives_it_over_tcp(self):
        self.variables = {"SOCKCTL_HOST": self.admin.host().admin_addresses[1]}
        created = self.create()
        self.assertEqual(self.json("listener", "list")["listeners"], [created])


class DrainTest(SockctlTestCase):
    flags = ("--drain-timeout", "1h")

    def test_health_tells_that_it_stops(self):
        peer = self.connect(self.create()["effectiveAddress"])
        self.assert_echo(peer)
        self.daemon.signal()
        self.eventually(self.admin.health, "NOT_SERVING")
        done = self.run_sockctl("health")
        self.assertEqual((done.returncode, done.stdout), (OTHER_ERROR, "NOT_SERVING\n"))
        self.assertIn("NOT_SERVING", done.stderr)
        peer.close()
        self.assertEqual(self.daemon.wait(), 0)


if __name__ == "__main__":
    unittest.main()
