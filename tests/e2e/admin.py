"""The admin API as any program sees it that has generated stubs and a stock gRPC library."""

import dataclasses
import os
import pathlib
import re

import grpc
import health_pb2
import health_pb2_grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from sockhost.v1 import admin_pb2, admin_pb2_grpc, event_pb2, listener_pb2, watch_pb2

CALL_TIMEOUT_S = 60
DETAILS_KEY = "grpc-status-details-bin"
SERVICE = "sockhost.v1.AdminService"
BUILT_IN_SERVICES = [
    f"services/{name}"
    for name in ("banner", "chargen", "daytime", "discard", "echo", "forward", "time")
]

Mode = watch_pb2.WatchSocketsRequest.Mode
Trigger = watch_pb2.WatchSocketsRequest.Trigger
Listener = listener_pb2.Listener


def documented_reasons():
    """{reason: gRPC code} as the comment at the top of admin.proto has it."""
    text = pathlib.Path(os.environ["ADMIN_PROTO"]).read_text()
    rows = re.findall(r"^//   ([A-Z_]+) +((?:[A-Z_]+)(?:, [A-Z_]+)*)", text, re.MULTILINE)
    return {
        reason: grpc.StatusCode[code] for code, reasons in rows for reason in reasons.split(", ")
    }


def documented_metadata():
    """{reason: the keys that its metadata may have} from the same comment."""
    text = pathlib.Path(os.environ["ADMIN_PROTO"]).read_text().partition("\n//\n// What a request")[0]
    rows = re.split(r"^//   (?=[A-Z])", text, flags=re.MULTILINE)[1:]
    keys = {}
    for row in rows:
        words, _, metadata = re.sub(r"\n//| +|\([^)]*\)", " ", row).partition("metadata:")
        _, reasons = re.match(r"([A-Z_]+) +((?:[A-Z_]+)(?:, [A-Z_]+)*)", words).groups()
        for reason in reasons.split(", "):
            keys[reason] = set(re.findall(r"[a-z_]+", metadata)) - {"or", "and"}
    return keys


@dataclasses.dataclass
class Failure:
    """A failed call, its details decoded."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict
    # {field: description} of BadRequest
    fields: dict


def failure_of(error):
    """Decodes google.rpc.Status from the trailing metadata of a grpc.RpcError."""
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get(DETAILS_KEY, b""))
    failure = Failure(error.code(), error.details(), "", "", {}, {})
    if DETAILS_KEY in trailing:
        assert (status.code, status.message) == (error.code().value[0], error.details()), status
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            failure.reason, failure.domain = info.reason, info.domain
            failure.metadata = dict(info.metadata)
        elif detail.Unpack(bad_request):
            failure.fields = {v.field: v.description for v in bad_request.field_violations}
        else:
            raise AssertionError(f"a detail of type {detail.type_url}")
    return failure


def credentials(folder, role):
    """Those of `role` that docker/make_certificates.sh has made in `folder`."""
    files = (pathlib.Path(folder) / name for name in ("ca.crt", f"{role}.key", f"{role}.crt"))
    return grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))


class AdminClient:
    """One connection to the admin API of one daemon; with TLS if there are `credentials`."""

    def __init__(self, address, credentials=None):
        # unix:/path is a target of gRPC as it is; tcp://HOST:PORT is not.
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            # A daemon that starts is asked again soon.
            ("grpc.initial_reconnect_backoff_ms", 20),
            ("grpc.max_reconnect_backoff_ms", 100),
            # What is sent to a client that does not read is known: 64 KiB for each stream.
            ("grpc.http2.bdp_probe", 0),
        ]
        target = address.removeprefix("tcp://").removeprefix("tls://")
        if credentials:
            self.channel = grpc.secure_channel(target, credentials, options)
        else:
            self.channel = grpc.insecure_channel(target, options)
        self.stub = admin_pb2_grpc.AdminServiceStub(self.channel)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def close(self):
        self.channel.close()

    def call(self, method, request):
        """Calls e.g. "GetHost" once."""
        return getattr(self.stub, method)(request, timeout=CALL_TIMEOUT_S)

    def wait_until_answering(self):
        """Returns the Host that answers first."""
        request = admin_pb2.GetHostRequest()
        return self.stub.GetHost(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)

    # ---- The calls, with what tests want to say --------------------------------

    def create(self, listener_id, address, service="echo", **fields):
        return self.call(
            "CreateListener",
            admin_pb2.CreateListenerRequest(
                listener_id=listener_id,
                listener=listener_pb2.Listener(service=service, address=address, **fields),
            ),
        )

    def get_listener(self, listener_id):
        return self.call(
            "GetListener", admin_pb2.GetListenerRequest(name=f"listeners/{listener_id}")
        )

    def delete(self, listener_id, **options):
        name = f"listeners/{listener_id}"
        self.call("DeleteListener", admin_pb2.DeleteListenerRequest(name=name, **options))

    def listeners(self, **page):
        return self._pages("ListListeners", admin_pb2.ListListenersRequest(**page), "listeners")

    def get_socket(self, name, **options):
        return self.call("GetSocket", admin_pb2.GetSocketRequest(name=name, **options))

    def close_socket(self, name):
        return self.call("CloseSocket", admin_pb2.CloseSocketRequest(name=name))

    def sockets(self, filter_text="", **page):
        request = admin_pb2.ListSocketsRequest(filter=filter_text, **page)
        return self._pages("ListSockets", request, "sockets")

    def services(self, **page):
        return self._pages("ListServices", admin_pb2.ListServicesRequest(**page), "services")

    def get_service(self, name):
        return self.call("GetService", admin_pb2.GetServiceRequest(name=name))

    def host(self):
        return self.call("GetHost", admin_pb2.GetHostRequest())

    def _pages(self, method, request, field):
        items = []
        while True:
            page = self.call(method, request)
            items += getattr(page, field)
            if not page.next_page_token:
                return items
            request.page_token = page.next_page_token

    def health(self, service=""):
        """E.g. "SERVING"."""
        request = health_pb2.HealthCheckRequest(service=service)
        response = self._health.Check(request, timeout=CALL_TIMEOUT_S)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)

    def watch_health(self, service=""):
        """Yields e.g. "SERVING" at each change."""
        for response in self._health.Watch(health_pb2.HealthCheckRequest(service=service)):
            yield health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)

    def watch(self, interval_s=0.1, **fields):
        """Opens a stream of WatchSocketsResponse."""
        return self.stub.WatchSockets(
            watch_pb2.WatchSocketsRequest(sample_interval=duration(interval_s), **fields)
        )

    def watch_events(self, **fields):
        """Opens a stream of WatchEventsResponse."""
        return self.stub.WatchEvents(event_pb2.WatchEventsRequest(**fields))


def duration(seconds):
    """As the message Duration."""
    nanos = round(seconds * 1e9)
    sign = -1 if nanos < 0 else 1
    whole, rest = divmod(abs(nanos), 1_000_000_000)
    return duration_pb2.Duration(seconds=sign * whole, nanos=sign * rest)
