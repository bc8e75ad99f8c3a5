"""Who changed what, in the daemon's log: one line for each change, one for who may not."""

import json
import os
import pathlib
import time
import unittest

from sockhost.v1 import admin_pb2

import admin
from daemon_test_case import DaemonTestCase

METHODS = [
    method.name
    for method in admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods
    if not method.name.startswith(("Get", "List", "Watch"))
]


class LogTestCase(DaemonTestCase):
    flags = None

    def lines(self, message="changed by a call"):
        """They are written a moment after the answer; the last one may be half there."""
        whole = self.daemon.log().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["message"] == message]


class ChangeLogTest(LogTestCase):
    flags = ("--log-format", "json")

    def changes(self):
        return [
            (line["method"].removeprefix("sockhost.v1.AdminService/"), line["resource"])
            for line in self.lines()
        ]

    def change_all(self):
        """Calls each method that changes something; returns what must have been logged."""
        web = admin.Listener(name="listeners/web", max_connections=7)
        address = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.assert_echo(self.connect(address))
        [socket] = self.admin.sockets("role = CONNECTION")
        self.admin.close_socket(socket.name)
        name = {"name": "listeners/web"}
        self.admin.call("UpdateListener", admin_pb2.UpdateListenerRequest(listener=web))
        self.admin.call("PauseListener", admin_pb2.PauseListenerRequest(**name))
        self.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(**name))
        self.admin.call("DrainListener", admin_pb2.DrainListenerRequest(**name))
        self.admin.delete("web")
        verbs = ("Create", "Update", "Pause", "Resume", "Drain", "Delete")
        wanted = [(f"{verb}Listener", "listeners/web") for verb in verbs]
        wanted.insert(1, ("CloseSocket", socket.name))
        self.assertEqual(sorted(method for method, _ in wanted), sorted(METHODS))
        return wanted

    def test_each_change_has_a_line(self):
        wanted = self.change_all()
        self.eventually(self.changes, wanted)
        for line in self.lines():
            known = {key: line[key] for key in ("level", "transport", "uid", "gid", "role", "code")}
            self.assertEqual(known, {
                "level": "info", "transport": "unix", "uid": os.getuid(), "gid": os.getgid(),
                "role": "admin", "code": "OK",
            })
            self.assertEqual(line["pid"], os.getpid())

    def test_what_changes_nothing_has_none(self):
        new = admin.Listener(service="echo", address="tcp://127.0.0.1:0")
        create = admin_pb2.CreateListenerRequest(listener_id="web", listener=new)
        create.validate_only = True
        self.admin.call("CreateListener", create)
        self.assert_fails("SERVICE_INVALID", self.admin.call, "CreateListener",
                          admin_pb2.CreateListenerRequest(listener_id="web"),
                          fields=["listener.service", "listener.address"])
        self.assert_fails("LISTENER_NOT_FOUND", self.admin.delete, "web", fields=["name"])
        self.admin.call("DeleteListener", admin_pb2.DeleteListenerRequest(
            name="listeners/web", allow_missing=True))
        self.assert_fails("SOCKET_NOT_FOUND", self.admin.close_socket, "sockets/999",
                          fields=["name"])
        self.admin.host()
        create.validate_only = False
        create.request_id = "r-1"
        self.admin.call("CreateListener", create)
        # The same request once more.
        self.admin.call("CreateListener", create)
        self.admin.call("UpdateListener", admin_pb2.UpdateListenerRequest(
            listener=admin.Listener(name="listeners/web", service="echo")))
        name = {"name": "listeners/web"}
        self.admin.call("ResumeListener", admin_pb2.ResumeListenerRequest(**name))
        for _ in range(2):
            self.admin.call("PauseListener", admin_pb2.PauseListenerRequest(**name))
        self.admin.delete("web")
        self.eventually(self.changes, [("CreateListener", "listeners/web"),
                                       ("PauseListener", "listeners/web"),
                                       ("DeleteListener", "listeners/web")])

    def test_lines_are_a_hundred_a_second_and_the_rest_is_counted(self):
        begin = time.monotonic()
        calls = 0
        while calls < 1000 and time.monotonic() < begin + 20:
            self.admin.create("web", "tcp://127.0.0.1:0")
            self.admin.delete("web")
            calls += 2
        # In the next second there is room again; it says how many had none.
        summaries = lambda: self.lines("more calls have changed something than are logged")
        while not summaries() and time.monotonic() < begin + 40:
            self.admin.create("web", "tcp://127.0.0.1:0")
            self.admin.delete("web")
            calls += 2
        self.daemon.stop()
        self.assertLessEqual(len(self.changes()), 100 * (int(time.monotonic() - begin) + 2))
        suppressed = sum(line["suppressed"] for line in summaries())
        self.assertGreater(suppressed, 0)
        self.assertLessEqual(suppressed + len(self.changes()), calls)

    def test_no_line_below_its_level(self):
        self.daemon.stop()
        self.daemon = self.start("--log-level", "warning")
        self.admin = self.daemon.admin
        self.change_all()
        # It writes all that it has to say.
        self.daemon.stop()
        self.assertNotIn("changed by a call", self.daemon.log())


class DenialTest(LogTestCase):
    def test_denials_have_at_most_a_line_a_second(self):
        roles = pathlib.Path(self.folder) / "roles"
        roles.write_text("unix:* viewer\n")
        self.daemon = self.start("--log-format", "json", "--roles", roles)
        self.admin = self.daemon.admin
        begin = time.monotonic()
        for _ in range(20):
            self.assert_fails("ROLE_REQUIRED", self.admin.delete, "web")
        seconds = time.monotonic() - begin
        # It writes all that it has to say.
        self.daemon.stop()
        self.assertLessEqual(len(self.lines("a call was denied")), 1 + seconds)
        first = self.lines("a call was denied")[0]
        self.assertEqual(first["level"], "warning")
        self.assertEqual(first["method"], "sockhost.v1.AdminService/DeleteListener")
        self.assertEqual((first["uid"], first["role"]), (os.getuid(), "viewer"))
        self.assertEqual(first["reason"], "ROLE_REQUIRED")
        self.assertEqual(first["suppressed"], 0)
        self.assertEqual(self.lines(), [])


if __name__ == "__main__":
    unittest.main()
