"""Who may do what: roles, certificates, the audit log, and an admin API that nobody can block."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

import daemon
import peers
from daemon_test_case import DaemonTestCase
from sockhost.v1 import forward_pb2

SOCKCTL = os.environ["SOCKCTL_BINARY"]
MAKE_CERTIFICATES = (
    pathlib.Path(os.environ["ADMIN_PROTO"]).parents[3] / "docker" / "make_certificates.sh"
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SOMEBODY = 54321


class AccessTestCase(DaemonTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        self.certificates = pathlib.Path(self.folder) / "certificates"
        self.roles = pathlib.Path(self.folder) / "roles"
        self.audit = pathlib.Path(self.folder) / "audit.log"

    def make_certificates(self, folder=None):
        folder = folder or self.certificates
        subprocess.run([MAKE_CERTIFICATES, folder], check=True)
        return folder

    def tls_flags(self):
        folder = self.certificates
        return [
            *("--admin", "tls://127.0.0.1:0", "--tls-cert", folder / "server.crt"),
            *("--tls-key", folder / "server.key", "--tls-client-ca", folder / "ca.crt"),
        ]

    def start_with_tls(self, *flags):
        self.make_certificates()
        self.daemon = self.start(*self.tls_flags(), "--roles", self.certificates / "roles", *flags)
        self.address = next(a for a in self.addresses() if a.startswith("tls://"))

    def addresses(self):
        return self.daemon.admin.host().admin_addresses

    def run_sockctl(self, *arguments, prefix=(), **variables):
        return subprocess.run(
            [*prefix, SOCKCTL, *arguments],
            env=daemon.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=daemon.DEADLINE_S,
            check=False,
        )

    def run_as(self, name, *arguments, address=None, folder=None):
        """sockctl over TLS with the certificate of `name`."""
        folder = folder or self.certificates
        return self.run_sockctl(
            *arguments,
            SOCKCTL_HOST=address or self.address,
            SOCKCTL_TLS_CERT=str(folder / f"{name}.crt"),
            SOCKCTL_TLS_KEY=str(folder / f"{name}.key"),
            SOCKCTL_TLS_CA=str(self.certificates / "ca.crt"),
        )

    def assert_done(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)

    def assert_denied(self, done):
        self.assertEqual(done.returncode, 64 + 7, done)
        self.assertIn("(ROLE_REQUIRED)", done.stderr)
        self.assertIn("hint: ", done.stderr)

    def log_says(self, pattern):
        self.eventually(lambda: bool(re.search(pattern, self.daemon.log())), True)


CREATE = ("listener", "create", "web", "--service", "echo", "--address", "tcp://127.0.0.1:0")


class TlsTest(AccessTestCase):
    def test_roles_come_from_the_certificate(self):
        self.start_with_tls()
        self.assert_denied(self.run_as("viewer", *CREATE))
        self.assert_done(self.run_as("viewer", "listener", "list"))
        self.assert_done(self.run_as("operator", *CREATE))
        self.assert_done(self.run_as("admin", "listener", "delete", "web"))

    def test_without_roles_file_certificates_have_none(self):
        self.make_certificates()
        self.daemon = self.start(*self.tls_flags())
        self.address = self.addresses()[-1]
        self.assert_denied(self.run_as("admin", "host"))
        self.assertEqual(self.daemon.admin.host().pid, self.daemon.pid)

    def test_sockctl_says_what_is_wrong(self):
        self.start_with_tls()
        stranger = self.make_certificates(pathlib.Path(self.folder) / "stranger")
        unavailable = 64 + 14
        refused = self.run_as("viewer", "host", folder=stranger)
        self.assertEqual(refused.returncode, unavailable, refused)
        self.assertIn("--tls-client-ca", refused.stderr)
        refused = self.run_sockctl(
            "host",
            SOCKCTL_HOST=self.address,
            SOCKCTL_TLS_CERT=str(self.certificates / "viewer.crt"),
            SOCKCTL_TLS_KEY=str(self.certificates / "viewer.key"),
            SOCKCTL_TLS_CA=str(stranger / "ca.crt"),
        )
        self.assertEqual(refused.returncode, unavailable, refused)
        self.assertIn("--tls-ca", refused.stderr)
        refused = self.run_sockctl("--host", self.address.replace("tls:", "tcp:"), "host")
        self.assertEqual(refused.returncode, unavailable, refused)
        self.assertIn("tls://", refused.stderr)
        missing = self.run_sockctl("--host", self.address, "host")
        self.assertEqual(missing.returncode, 1, missing)
        self.assertIn("--tls-cert", missing.stderr)
        self.assertIn("no-such.crt", self.run_sockctl(
            *("--host", self.address, "--tls-cert", "/no-such.crt", "--tls-key", "/k"),
            *("--tls-ca", "/c", "host"),
        ).stderr)

    def test_bad_files_end_the_start(self):
        self.make_certificates()
        flags = [str(flag) for flag in self.tls_flags()]
        admin = self.certificates / "admin.key"
        for wrong, named in (
            (["--tls-key", str(admin)], "admin.key"),
            (["--tls-cert", "/no-such.crt"], "/no-such.crt"),
            (["--tls-client-ca", "/dev/null"], "/dev/null"),
        ):
            refused = daemon.run("--admin", f"unix:{self.folder}/x.sock", *self.replaced(flags, wrong))
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(named, refused.stderr)

    def replaced(self, flags, pair):
        where = flags.index(pair[0])
        return [*flags[:where], *pair, *flags[where + 2 :]]

    def test_new_pair_is_taken_and_a_bad_one_is_not(self):
        self.start_with_tls()
        key = self.certificates / "server.key"
        good = key.read_text()
        key.write_text((self.certificates / "admin.key").read_text())
        self.log_says(r"error files .* the old stay in force .*what=certificates .*server\.key: ")
        self.assert_done(self.run_as("viewer", "host"))
        key.write_text(good)
        self.log_says(r"info files .* are read again what=certificates")
        self.assert_done(self.run_as("viewer", "host"))

    def test_stopped_reader_does_not_hold_up_the_end(self):
        self.start_with_tls("--drain-timeout", "0s")
        reader = subprocess.Popen(
            [SOCKCTL, "-o", "json", "watch", "--interval", "100ms"],
            env=daemon.environment(
                SOCKCTL_HOST=self.address,
                SOCKCTL_TLS_CERT=str(self.certificates / "viewer.crt"),
                SOCKCTL_TLS_KEY=str(self.certificates / "viewer.key"),
                SOCKCTL_TLS_CA=str(self.certificates / "ca.crt"),
            ),
            stdout=subprocess.PIPE,
        )
        try:
            self.assertTrue(reader.stdout.readline())
            reader.send_signal(signal.SIGSTOP)
            self.daemon.stop()
        finally:
            reader.kill()
            reader.communicate()


class RolesTest(AccessTestCase):
    def start_with_roles(self, text):
        self.roles.write_text(text)
        self.daemon = self.start("--roles", self.roles)

    def run_somebody(self, *arguments):
        """sockctl as a user whom the roles file can name."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.chmod(self.folder, 0o755)
        os.chmod(self.daemon.socket_path, 0o666)
        user = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
        return self.run_sockctl("--host", self.daemon.address, *arguments, prefix=user)

    def test_roles_come_from_the_user(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\nuid:{SOMEBODY} viewer\n")
        self.assert_done(self.run_somebody("listener", "list"))
        self.assert_denied(self.run_somebody(*CREATE))
        self.assert_done(self.run_somebody("health"))
        self.daemon.admin.create("web", "tcp://127.0.0.1:0")

    def test_user_without_rule_is_denied(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\n")
        denied = self.run_somebody("host")
        self.assert_denied(denied)
        self.assertIn(f"uid {SOMEBODY}", denied.stderr)

    def test_file_is_read_again_and_a_bad_one_is_not_taken(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\n")
        self.roles.write_text(f"uid:{os.getuid()} admin\nuid:{SOMEBODY} boss\n")
        self.log_says(r"error files .* the old stay in force .*what=roles .*roles: line 2: ")
        self.daemon.admin.create("web", "tcp://127.0.0.1:0")
        replacement = self.roles.with_suffix(".new")
        replacement.write_text(f"uid:{os.getuid()} viewer\n")
        replacement.rename(self.roles)
        # The connection has been open all the time.
        self.log_says(r"info files .* are read again what=roles")
        self.assert_fails("ROLE_REQUIRED", self.daemon.admin.delete, "web")
        self.assertEqual(len(self.daemon.admin.listeners()), 1)

    def test_file_that_cannot_be_read_for_a_while_is_read_later(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\n")
        self.daemon.use_up_fds()
        self.roles.write_text(f"uid:{os.getuid()} viewer\n")
        self.log_says(r"error files .* the old stay in force .*what=roles .*cannot read ")
        self.daemon.restore_fds()
        self.log_says(r"info files .* are read again what=roles")
        self.assert_fails("ROLE_REQUIRED", self.daemon.admin.delete, "web")

    def test_bad_file_ends_the_start(self):
        self.roles.write_text("uid:0 king\n")
        refused = daemon.run("--admin", f"unix:{self.folder}/x.sock", "--roles", self.roles)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("line 1", refused.stderr)


    def test_streams_end_with_the_role(self):
        self.start_with_roles(f"uid:{os.getuid()} viewer\n")
        client = self.daemon.admin
        streams = [client.watch(), client.watch_events()]
        for stream in streams:
            next(stream)
        self.roles.write_text(f"uid:{SOMEBODY} admin\n")
        for stream in streams:
            self.assert_fails("ROLE_REQUIRED", lambda stream=stream: list(stream))
        self.log_says(r"warning streams end: .* streams=2")

    def create_escape(self, upstream):
        return self.run_somebody(
            *("listener", "create", "escape", "--service", "forward"),
            *("--address", "tcp://127.0.0.1:0", "--upstream", upstream, "-o", "json"),
        )

    def test_operator_does_not_reach_the_admin_api_through_a_listener(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\nuid:{SOMEBODY} operator\n")
        link, hard_link = (f"{self.folder}/{name}" for name in ("link", "hard-link"))
        os.symlink(self.daemon.socket_path, link)
        os.link(self.daemon.socket_path, hard_link)
        for path in (self.daemon.socket_path, f"{self.folder}/./admin.sock", link, hard_link):
            with self.subTest(path):
                refused = self.create_escape(f"unix://{path}")
                self.assertEqual(refused.returncode, 64 + 9, refused)
                self.assertIn("(FORWARD_LOOP)", refused.stderr)
        self.assertEqual(self.daemon.admin.listeners(), [])

    def test_link_that_leads_to_the_admin_api_later_leads_nobody_there(self):
        self.start_with_roles(f"uid:{os.getuid()} admin\nuid:{SOMEBODY} operator\n")
        path = f"{self.folder}/later"
        created = self.create_escape(f"unix://{path}")
        self.assert_done(created)
        os.symlink(self.daemon.socket_path, path)
        address = json.loads(created.stdout)["effectiveAddress"]
        refused = self.run_sockctl("--host", address, "listener", "delete", "escape")
        self.assertEqual(refused.returncode, 64 + 14, refused)
        [escape] = self.daemon.admin.listeners()
        self.assertGreater(escape.counters.connect_failures, 0)

    def test_nobody_is_forwarded_to_tcp_admin_addresses(self):
        self.roles.write_text("unix:* admin\ntcp:* admin\n")
        self.daemon = self.start(
            *("--roles", self.roles, "--admin", "tcp://127.0.0.1:0", "--insecure-tcp")
        )
        port = self.addresses()[-1].rpartition(":")[2]
        for host in ("127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"):
            with self.subTest(host):
                self.assert_fails(
                    "FORWARD_LOOP", self.forward_to, f"tcp://{host}:{port}",
                    fields=["listener.forward.upstreams[0]"],
                )
        address = self.forward_to(f"tcp://localhost:{port}")
        peer = self.connect(address)
        peer.sendall(PREFACE)
        # Without an answer.
        self.assert_closed(peer)
        [escape] = self.daemon.admin.listeners()
        self.assertGreater(escape.counters.connect_failures, 0)

    def forward_to(self, upstream):
        forward = forward_pb2.ForwardParameters(upstreams=[upstream])
        return self.daemon.admin.create(
            "escape", "tcp://127.0.0.1:0", service="forward", forward=forward
        ).effective_address


class AuditTest(AccessTestCase):
    def lines(self, path=None):
        return [json.loads(line) for line in (path or self.audit).read_text().splitlines()]

    def test_line_is_there_when_the_answer_is(self):
        self.daemon = self.start("--audit-log", self.audit)
        self.daemon.admin.create("web", "tcp://127.0.0.1:0")
        self.daemon.kill()
        opened, call = self.lines()
        self.assertEqual(opened["event"], "opened")
        self.assertEqual(opened["daemon_pid"], self.daemon.pid)
        del call["time"]
        wanted = {
            "event": "call",
            "transport": "unix",
            "uid": os.getuid(),
            "gid": os.getgid(),
            "pid": os.getpid(),
            "role": "admin",
            "method": "sockhost.v1.AdminService/CreateListener",
            "resource": "listeners/web",
            "code": "OK",
        }
        self.assertEqual(call, wanted)

    def test_denials_name_the_certificate(self):
        self.start_with_tls("--audit-log", self.audit)
        self.assert_denied(self.run_as("viewer", *CREATE))
        denied = self.lines()[-1]
        self.assertEqual(denied["event"], "denied")
        self.assertEqual(denied["names"], ["dns:viewer.sockhost.test"])
        self.assertEqual((denied["role"], denied["reason"]), ("viewer", "ROLE_REQUIRED"))

    def test_renamed_file_is_begun_anew(self):
        self.daemon = self.start("--audit-log", self.audit)
        self.daemon.admin.create("web", "tcp://127.0.0.1:0")
        old = self.audit.rename(self.audit.with_suffix(".1"))
        self.daemon.admin.delete("web")
        self.assertEqual(len(self.lines(old)), 2)
        self.assertEqual(len(self.lines()), 1)

    def test_failing_closed_refuses_changes(self):
        self.daemon = self.start("--audit-log", self.audit, "--audit-fail-closed")
        self.daemon.admin.create("web", "tcp://127.0.0.1:0")
        self.audit.unlink()
        self.audit.symlink_to("/dev/full")
        # That nothing can be written shows at the first line.
        self.assert_fails("AUDIT_UNAVAILABLE", self.daemon.admin.create, "a", "tcp://127.0.0.1:0")
        with self.nothing_changes_in(self.daemon):
            for _ in range(3):
                self.assert_fails("AUDIT_UNAVAILABLE", self.daemon.admin.delete, "web")
        self.audit.unlink()
        self.daemon.admin.delete("web")
        self.log_says("calls are no longer refused")
        self.assertEqual(self.daemon.log().count("are refused error="), 1)

    def nothing_changes_in(self, started):
        self.admin = started.admin
        return self.nothing_changes()


class NeverDeafTest(AccessTestCase):
    def connect_silent(self):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.connect(str(self.daemon.socket_path))
        return peer

    def test_silent_connections_do_not_lock_out(self):
        self.daemon = self.start()
        crowd = [self.connect_silent() for _ in range(300)]
        for _ in range(20):
            self.assert_done(self.run_sockctl("--host", self.daemon.address, "host"))
        # Each is closed in the end, although it says nothing.
        for peer in crowd:
            peer.settimeout(daemon.DEADLINE_S)
            self.assert_closed(peer)

    def test_another_language_is_not_waited_for(self):
        self.daemon = self.start()
        for text in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\n"):
            peer = self.connect_silent()
            peer.settimeout(daemon.DEADLINE_S)
            peer.sendall(text)
            self.assert_closed(peer)
        self.assertEqual(self.daemon.admin.host().pid, self.daemon.pid)

    def test_tls_address_waits_for_nobody(self):
        self.start_with_tls()
        silent = peers.connect(self.address.replace("tls:", "tcp:"))
        self.addCleanup(silent.close)
        plaintext = peers.connect(self.address.replace("tls:", "tcp:"))
        self.addCleanup(plaintext.close)
        plaintext.sendall(PREFACE)
        for peer in (plaintext, silent):
            peer.settimeout(daemon.DEADLINE_S)
            self.assert_ended(peer)
        self.assert_done(self.run_as("viewer", "host"))

    def assert_ended(self, peer):
        """As assert_closed, but an alert of TLS may come before."""
        try:
            while peer.recv(1000):
                pass
        except ConnectionResetError:
            pass

    def test_tcp_cannot_take_the_places_of_the_unix_socket(self):
        self.daemon = self.start("--admin", "tcp://127.0.0.1:0", "--insecure-tcp")
        address = self.addresses()[-1]
        for _ in range(300):
            peer = peers.connect(address)
            self.addCleanup(peer.close)
            try:
                peer.sendall(PREFACE)
            except ConnectionError:
                pass  # no place was left for it
        for _ in range(20):
            self.assert_done(self.run_sockctl("--host", self.daemon.address, "host"))


if __name__ == "__main__":
    unittest.main()
