"""The audit log: each call that may change something has its line before its answer."""

import json
import pathlib
import resource
import time
import unittest

import grpc
from google.protobuf import duration_pb2
from sockhost.v1 import admin_pb2, listener_pb2

import admin
import daemon
from daemon_test_case import DaemonTestCase

METHODS = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods_by_name
READS = ("Get", "List", "Watch")
WEB = "listeners/web"


def requests(socket):
    """{method: (a request that is carried out, one that is refused, the reason)}, in order."""
    web = listener_pb2.Listener(name=WEB, max_connections=7)
    missing = listener_pb2.Listener(name="listeners/missing")
    negative = duration_pb2.Duration(seconds=-1)
    return {
        "CreateListener": (
            admin_pb2.CreateListenerRequest(
                listener_id="more",
                listener=listener_pb2.Listener(service="echo", address="udp://127.0.0.1:0"),
            ),
            admin_pb2.CreateListenerRequest(listener_id="Bad Id"),
            "SERVICE_INVALID",
        ),
        "UpdateListener": (
            admin_pb2.UpdateListenerRequest(listener=web, request_id="r-1"),
            admin_pb2.UpdateListenerRequest(listener=missing, request_id="r-2"),
            "LISTENER_NOT_FOUND",
        ),
        "PauseListener": (
            admin_pb2.PauseListenerRequest(name=WEB),
            admin_pb2.PauseListenerRequest(name=WEB, etag="old"),
            "ETAG_MISMATCH",
        ),
        "ResumeListener": (
            admin_pb2.ResumeListenerRequest(name=WEB),
            admin_pb2.ResumeListenerRequest(name="no name"),
            "NAME_INVALID",
        ),
        "DrainListener": (
            admin_pb2.DrainListenerRequest(name=WEB),
            admin_pb2.DrainListenerRequest(name=WEB, drain_timeout=negative),
            "FIELD_INVALID",
        ),
        "CloseSocket": (
            admin_pb2.CloseSocketRequest(name=socket),
            admin_pb2.CloseSocketRequest(name="sockets/9999"),
            "SOCKET_NOT_FOUND",
        ),
        "DeleteListener": (
            admin_pb2.DeleteListenerRequest(name=WEB, force=True),
            admin_pb2.DeleteListenerRequest(name="listeners/missing"),
            "LISTENER_NOT_FOUND",
        ),
    }


def resource_of(request):
    """What the line has to name."""
    if hasattr(request, "listener_id"):
        return f"listeners/{request.listener_id}"
    return request.listener.name if hasattr(request, "listener") else request.name


class AuditTest(DaemonTestCase):
    flags = None

    def setUp(self):
        super().setUp()
        self.audit = pathlib.Path(self.folder) / "audit.log"
        self.roles = pathlib.Path(self.folder) / "roles"

    def start_as(self, role):
        self.roles.write_text(f"unix:* {role}\n")
        self.daemon = self.start("--audit-log", self.audit, "--roles", self.roles)
        self.admin = self.daemon.admin

    def lines(self):
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def call(self, method, request):
        """The code of the answer, and the one line that the call has added when it is there."""
        before = len(self.lines())
        code = "OK"
        try:
            self.admin.call(method, request)
        except grpc.RpcError as error:
            code = error.code().name
        added = self.lines()[before:]
        self.assertEqual(len(added), 1, f"{method}: {added}")
        line = added[0]
        self.assertEqual(line["method"], f"{admin.SERVICE}/{method}")
        self.assertEqual(line["code"], code)
        self.assertEqual(line["resource"], resource_of(request))
        self.assertEqual(line.get("request_id", ""), getattr(request, "request_id", ""))
        return code, line

    def test_no_method_is_left_out(self):
        mutating = {name for name in METHODS if not name.startswith(READS)}
        self.assertEqual(set(requests("sockets/1")), mutating)

    def test_what_is_done_and_what_is_refused(self):
        self.start_as("admin")
        listening = self.admin.create("web", "tcp://127.0.0.1:0").effective_address
        self.assert_echo(self.connect(listening))
        (socket,) = self.admin.sockets("role = CONNECTION")
        for method, (good, bad, reason) in requests(socket.name).items():
            with self.subTest(method):
                code, line = self.call(method, bad)
                self.assertNotEqual(code, "OK")
                self.assertEqual((line["event"], line["reason"]), ("call", reason))
                code, line = self.call(method, good)
                self.assertEqual((code, line["event"], line["role"]), ("OK", "call", "admin"))
                self.assertNotIn("reason", line)

    def test_dry_runs_are_marked(self):
        self.start_as("admin")
        request, _, _ = requests("sockets/1")["CreateListener"]
        request.validate_only = True
        code, line = self.call("CreateListener", request)
        self.assertEqual((code, line["validate_only"]), ("OK", True))
        request.validate_only = False
        code, line = self.call("CreateListener", request)
        self.assertEqual(code, "OK")
        self.assertNotIn("validate_only", line)

    def test_what_is_no_request(self):
        self.start_as("admin")
        call = self.admin.channel.unary_unary(
            f"/{admin.SERVICE}/DeleteListener", request_serializer=bytes
        )
        before = len(self.lines())
        with self.assertRaises(grpc.RpcError):
            call(b"\n\x02\xff\xfe", timeout=admin.CALL_TIMEOUT_S)
        (line,) = self.lines()[before:]
        self.assertEqual((line["code"], line["reason"]), ("INVALID_ARGUMENT", "REQUEST_INVALID"))
        self.assertNotIn("resource", line)

    def test_what_is_denied(self):
        self.start_as("viewer")
        for method, (request, _, _) in requests("sockets/1").items():
            with self.subTest(method):
                code, line = self.call(method, request)
                self.assertEqual(code, "PERMISSION_DENIED")
                self.assertEqual((line["event"], line["role"]), ("denied", "viewer"))
                self.assertEqual(line["reason"], "ROLE_REQUIRED")

    def start_as_nobody(self):
        """On a connection that had a role when the daemon started."""
        self.start_as("viewer")
        self.roles.write_text("uid:54321 admin\n")
        daemon.eventually(lambda: self.code_of("GetHost"), "PERMISSION_DENIED".__eq__, "a denial")

    def code_of(self, method, request=b""):
        """Of a call with any bytes, of any method."""
        call = self.admin.channel.unary_unary(f"/{admin.SERVICE}/{method}")
        try:
            call(request, timeout=admin.CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def test_streams_that_are_denied(self):
        self.start_as_nobody()
        for method, open_stream in (
            ("WatchSockets", self.admin.watch),
            ("WatchEvents", self.admin.watch_events),
        ):
            with self.subTest(method):
                self.assert_fails("ROLE_REQUIRED", lambda stream=open_stream(): next(stream))
                line = self.lines()[-1]
                self.assertEqual(line["method"], f"{admin.SERVICE}/{method}")
                self.assertEqual((line["event"], line["role"]), ("denied", "none"))
        self.assertEqual(self.admin.health(), "SERVING")

    def test_stranger_does_not_fill_the_disk(self):
        self.start_as_nobody()
        calls = 100
        for method, request in (("Zap", b""), ("DeleteListener", b"\n\x02\xff\xfe")):
            with self.subTest(method):
                before = len(self.lines())
                begin = time.monotonic()
                for _ in range(calls):
                    self.assertEqual(self.code_of(method, request), "PERMISSION_DENIED")
                added = self.lines()[before:]
                # Ten in each second that the calls have touched.
                self.assertLessEqual(len(added), 10 * (time.monotonic() - begin + 2))
                self.assertNotIn("call", [line["event"] for line in added])

    def test_method_of_any_bytes_is_denied_as_others(self):
        self.start_as_nobody()
        # Each has its line: so few suppress none.
        for method in (b"/x\xff\xfe/y", b"/grpc.health.v1.Health/\xc3", b'/a"b\\c'):
            with self.subTest(method):
                before = len(self.audit.read_bytes().splitlines())
                with self.assertRaises(grpc.RpcError) as raised:
                    self.admin.channel.unary_unary(method)(b"", timeout=admin.CALL_TIMEOUT_S)
                self.assertEqual(raised.exception.code().name, "PERMISSION_DENIED")
                [line] = self.audit.read_bytes().splitlines()[before:]
                line = json.loads(line.decode())
                self.assertEqual((line["event"], line["reason"]), ("denied", "ROLE_REQUIRED"))

    def test_limit_of_file_sizes_does_not_end_the_daemon(self):
        self.audit.write_text(json.dumps({"event": "x" * 100_000}) + "\n")
        self.start_as("admin")
        _, hard = resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE)
        size = self.audit.stat().st_size
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (size, hard))
        self.admin.create("web", "tcp://127.0.0.1:0")
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
        self.admin.delete("web")
        resumed, call = self.lines()[2:]
        self.assertEqual((resumed["event"], resumed["lost_lines"]), ("resumed", 1))
        self.assertEqual(call["method"], f"{admin.SERVICE}/DeleteListener")

    def test_what_does_not_exist_changes_nothing(self):
        self.start_as("viewer")
        before = self.lines()
        self.assertEqual(self.code_of("Zap"), "UNIMPLEMENTED")
        self.assertEqual(self.lines(), before)


if __name__ == "__main__":
    unittest.main()
