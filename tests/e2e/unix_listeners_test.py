"""Listeners on unix sockets: files that come and go, who may connect, names without a file."""

import os
import pathlib
import socket
import stat
import unittest

from google.protobuf import field_mask_pb2
from sockhost.v1 import admin_pb2, listener_pb2, socket_pb2

import admin
import peers
from daemon_test_case import DaemonTestCase


class UnixTestCase(DaemonTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.folder) / "echo.sock"

    def addresses(self):
        name = f"sockhost-test-{os.getpid()}"
        return (
            f"unix://{self.path}",
            f"unixgram://{self.path}",
            f"unix:@{name}",
            f"unixgram:@{name}",
        )

    def mode(self):
        return stat.S_IMODE(self.path.stat().st_mode)


class ExchangeTest(UnixTestCase):
    def test_echo(self):
        for address in self.addresses():
            with self.subTest(address):
                created = self.admin.create("web", address)
                self.assertEqual(created.address, address)
                self.assertEqual(created.effective_address, address)
                peer = self.connect(address)
                self.assert_echo(peer)
                self.assert_echo(peer, peers.random_bytes(50_000))
                self.settle()
                counters = self.admin.get_listener("web").counters
                self.assertEqual((counters.receive_bytes, counters.transmit_bytes), (50_005,) * 2)
                self.admin.delete("web", force=True)
                self.assertFalse(self.path.exists())

    def test_sockets_are_shown(self):
        created = self.admin.create("web", f"unix://{self.path}")
        self.assert_echo(self.connect(created.effective_address))
        listening, connection = self.admin.sockets()
        for shown in (listening, connection):
            self.assertEqual(shown.protocol, socket_pb2.Socket.UNIX_STREAM)
            self.assertEqual(shown.local_address, created.effective_address)
            self.assertEqual(shown.remote_address, "")
        self.assertEqual(
            len(self.admin.sockets(f'local_address = "{created.effective_address}"')), 2
        )

    def test_short_form(self):
        created = self.admin.create("web", f"unix:{self.path}")
        self.assertEqual(created.address, f"unix://{self.path}")

    def test_bad_addresses(self):
        for address in ("unix:", "unix:@", "unix:relative", "unix://relative", "unix:///" + "x" * 107,
                        "unix:///a\nb", "unixgram:"):
            with self.subTest(address), self.nothing_changes():
                self.assert_fails(
                    "ADDRESS_INVALID", self.admin.create, "web", address,
                    fields=["listener.address"],
                )


class FileTest(UnixTestCase):
    def test_mode_is_exact_whatever_the_umask(self):
        self.admin.create("web", f"unix://{self.path}")
        self.assertEqual(self.mode(), 0o660)
        self.admin.delete("web")
        self.admin.create(
            "web", f"unix://{self.path}", unix_access=listener_pb2.UnixAccess(mode="0606")
        )
        self.assertEqual(self.mode(), 0o606)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_owner_and_group(self):
        access = listener_pb2.UnixAccess(owner="nobody", group="12345")
        self.admin.create("web", f"unix://{self.path}", unix_access=access)
        status = self.path.stat()
        self.assertNotEqual(status.st_uid, 0)
        self.assertEqual(status.st_gid, 12345)

    def test_bad_access(self):
        for field, value in (("mode", "0888"), ("mode", "7777"), ("mode", "rw"),
                             ("owner", "no such user"), ("group", "no such group")):
            with self.subTest(field):
                self.assert_fails(
                    "FIELD_INVALID", self.admin.create, "web", f"unix://{self.path}",
                    unix_access=listener_pb2.UnixAccess(**{field: value}),
                    fields=[f"listener.unix_access.{field}"],
                )
        self.assert_fails(
            "FIELD_INVALID", self.admin.create, "web", "tcp://127.0.0.1:0",
            unix_access=listener_pb2.UnixAccess(mode="0600"), fields=["listener.unix_access"],
        )
        self.assertFalse(self.path.exists())

    def test_stale_socket_is_replaced(self):
        for kind, scheme in ((socket.SOCK_STREAM, "unix"), (socket.SOCK_DGRAM, "unixgram")):
            with socket.socket(socket.AF_UNIX, kind) as left_behind:
                left_behind.bind(str(self.path))
            self.assertTrue(self.path.exists())
            created = self.admin.create("web", f"{scheme}://{self.path}")
            self.assert_echo(self.connect(created.effective_address))
            self.admin.delete("web", force=True)

    def test_socket_that_answers_is_not_replaced(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.path))
            other.listen()
            inode = self.path.stat().st_ino
            for scheme in ("unix", "unixgram"):
                failure = self.assert_fails(
                    "ADDRESS_IN_USE", self.admin.create, "web", f"{scheme}://{self.path}",
                    fields=["listener.address"],
                )
                self.assertNotIn("listener", failure.metadata)
            self.assertEqual(self.path.stat().st_ino, inode)

    def test_own_listener_is_named(self):
        self.admin.create("first", f"unix://{self.path}")
        failure = self.assert_fails(
            "ADDRESS_IN_USE", self.admin.create, "web", f"unix://{self.path}",
            fields=["listener.address"],
        )
        self.assertEqual(failure.metadata["listener"], "listeners/first")

    def test_own_listener_is_named_whatever_the_spelling(self):
        self.admin.create("first", f"unix://{self.path}")
        for scheme in ("unix", "unixgram"):
            failure = self.assert_fails(
                "ADDRESS_IN_USE", self.admin.create, "web",
                f"{scheme}://{self.folder}/./{self.path.name}", fields=["listener.address"],
            )
            self.assertEqual(failure.metadata["listener"], "listeners/first")

    def test_file_that_is_no_socket_stays(self):
        self.path.write_text("precious")
        self.assert_fails(
            "ADDRESS_IN_USE", self.admin.create, "web", f"unix://{self.path}",
            fields=["listener.address"],
        )
        self.assertEqual(self.path.read_text(), "precious")

    def test_missing_folder(self):
        self.assert_fails(
            "ADDRESS_NOT_AVAILABLE", self.admin.create, "web", f"unix://{self.folder}/no/x.sock",
            fields=["listener.address"],
        )

    def test_file_of_somebody_else_is_not_removed(self):
        self.admin.create("web", f"unix://{self.path}")
        self.path.unlink()
        self.path.write_text("precious")
        self.admin.delete("web")
        self.assertEqual(self.path.read_text(), "precious")

    def test_file_comes_and_goes_with_the_socket(self):
        self.admin.create("web", f"unix://{self.path}")
        listener = admin.Listener(name="listeners/web", enabled=False)
        self.admin.call("UpdateListener", admin_pb2.UpdateListenerRequest(listener=listener))
        self.assertFalse(self.path.exists())
        listener.enabled = True
        self.admin.call("UpdateListener", admin_pb2.UpdateListenerRequest(listener=listener))
        self.assert_echo(self.connect(f"unix://{self.path}"))
        moved = f"{self.path}.moved"
        self.admin.call(
            "UpdateListener",
            admin_pb2.UpdateListenerRequest(
                listener=admin.Listener(name="listeners/web", address=f"unix://{moved}"),
                update_mask=field_mask_pb2.FieldMask(paths=["address"]),
            ),
        )
        self.assertFalse(self.path.exists())
        self.assert_echo(self.connect(f"unix://{moved}"))
        self.daemon.stop()
        self.assertFalse(pathlib.Path(moved).exists())

    def dry_run(self, path=None, scheme="unix", **fields):
        address = f"{scheme}://{path or self.path}"
        return self.admin.call(
            "CreateListener",
            admin_pb2.CreateListenerRequest(
                listener_id="web",
                listener=admin.Listener(service="echo", address=address, **fields),
                validate_only=True,
            ),
        )

    def leave_stale_socket(self, path, kind=socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as left_behind:
            left_behind.bind(str(path))

    def test_dry_run_leaves_no_file(self):
        self.dry_run()
        self.assertFalse(self.path.exists())

    def test_dry_run_leaves_a_stale_socket(self):
        folder = pathlib.Path(self.folder) / "stale"
        folder.mkdir()
        # As long as a path can be.
        path = folder / ("x" * (107 - len(f"{folder}/")))
        for kind, scheme in ((socket.SOCK_STREAM, "unix"), (socket.SOCK_DGRAM, "unixgram")):
            with self.subTest(scheme):
                self.leave_stale_socket(path, kind)
                before = path.stat()
                answer = self.dry_run(path, scheme, unix_access={"mode": "0606"})
                self.assertEqual(answer.state, admin.Listener.ACTIVE)
                self.assertEqual(answer.effective_address, "")
                self.assertEqual(path.stat(), before)
                self.assertEqual(list(folder.iterdir()), [path])
                self.admin.create("web", f"{scheme}://{path}")
                self.admin.delete("web")

    @unittest.skipUnless(os.geteuid() == 0, "only root has capabilities to lose")
    def test_dry_run_foretells_that_a_stale_socket_cannot_be_replaced(self):
        self.daemon.stop()
        self.daemon = self.start(without_capability="fowner")
        self.admin = self.daemon.admin
        folder = pathlib.Path(self.folder) / "sticky"
        folder.mkdir()
        path = folder / "x.sock"
        self.leave_stale_socket(path)
        for file in (folder, path):
            os.chown(file, 12345, 12345)
        folder.chmod(0o1777)
        for call in (lambda: self.dry_run(path), lambda: self.admin.create("web", f"unix://{path}")):
            self.assert_fails("BIND_NOT_PERMITTED", call, fields=["listener.address"])
        self.assertEqual(list(folder.iterdir()), [path])

    @unittest.skipUnless(os.geteuid() == 0, "only root has capabilities to lose")
    def test_giving_it_away_needs_a_capability(self):
        self.daemon.stop()
        self.daemon = self.start(without_capability="chown")
        self.admin = self.daemon.admin
        stale = pathlib.Path(self.folder) / "stale.sock"
        self.leave_stale_socket(stale)
        for field in ("owner", "group"):
            access = listener_pb2.UnixAccess(**{field: "12345"})
            for call in (
                lambda: self.admin.create("web", f"unix://{self.path}", unix_access=access),
                lambda: self.dry_run(unix_access=access),
                lambda: self.dry_run(stale, unix_access=access),
            ):
                failure = self.assert_fails(
                    "BIND_NOT_PERMITTED", call, fields=[f"listener.unix_access.{field}"]
                )
                self.assertEqual(failure.metadata["capability"], "CAP_CHOWN")
            self.assertFalse(self.path.exists())
        # What it is already, anybody may ask for.
        access = listener_pb2.UnixAccess(owner=str(os.geteuid()), group=str(os.getegid()))
        self.admin.create("web", f"unix://{self.path}", unix_access=access)

    def test_daemon_that_was_killed_leaves_a_file_that_is_replaced(self):
        self.admin.create("web", f"unix://{self.path}")
        self.daemon.kill()
        self.assertTrue(self.path.exists())
        again = self.start()
        again.admin.create("web", f"unix://{self.path}")
        self.assert_echo(self.connect(f"unix://{self.path}"))


if __name__ == "__main__":
    unittest.main()
