"""The audit log: each call that may change something has its line before its answer."""

import json
import pathlib
import unittest

import grpc
from google.protobuf import duration_pb2
from sockhost.v1 import admin_pb2, listener_pb2

import admin
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


if __name__ == "__main__":
    unittest.main()
