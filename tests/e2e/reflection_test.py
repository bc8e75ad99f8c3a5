"""A client without our .proto files: reflection tells it all, channelz what gRPC sees."""

import pathlib
import threading
import unittest

import grpc
import reflection_pb2
import reflection_pb2_grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import admin
from daemon_test_case import DaemonTestCase

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
CHANNELZ = "grpc.channelz.v1.Channelz"


class Reflection:
    """One question for each call, on the channel of an AdminClient."""

    def __init__(self, client):
        self._stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)

    def ask(self, **question):
        request = reflection_pb2.ServerReflectionRequest(**question)
        (response,) = self._stub.ServerReflectionInfo(
            iter([request]), timeout=admin.CALL_TIMEOUT_S
        )
        return response

    def services(self):
        response = self.ask(list_services="")
        return sorted(service.name for service in response.list_services_response.service)

    def pool(self, symbol):
        """A pool with the file of `symbol` and all that it imports."""
        pool = descriptor_pool.DescriptorPool()
        self._add(pool, self.ask(file_containing_symbol=symbol), set())
        return pool

    def _add(self, pool, response, seen):
        for text in response.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(text)
            if file.name in seen:
                continue
            seen.add(file.name)
            for name in file.dependency:
                if name not in seen:
                    self._add(pool, self.ask(file_by_filename=name), seen)
            pool.Add(file)


def call(client, pool, service, method):
    """Calls a method with an empty request, by what reflection has told of it."""
    found = pool.FindServiceByName(service).FindMethodByName(method)
    factory = message_factory.MessageFactory(pool)
    request, response = (
        factory.GetPrototype(kind) for kind in (found.input_type, found.output_type)
    )
    invoke = client.channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    return invoke(request(), timeout=admin.CALL_TIMEOUT_S)


class UnixTest(DaemonTestCase):
    def test_services_are_listed(self):
        self.assertEqual(
            Reflection(self.admin).services(), sorted([HEALTH, REFLECTION, admin.SERVICE])
        )

    def test_contract_is_told_and_can_be_called(self):
        pool = Reflection(self.admin).pool(admin.SERVICE)
        host = call(self.admin, pool, admin.SERVICE, "GetHost")
        self.assertEqual(host.pid, self.daemon.pid)

    def test_unknown_symbol_is_an_answer(self):
        response = Reflection(self.admin).ask(file_containing_symbol="no.such.Symbol")
        self.assertEqual(response.error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])

    def test_channelz_must_be_asked_for(self):
        invoke = self.admin.channel.unary_unary(f"/{CHANNELZ}/GetServers")
        with self.assertRaises(grpc.RpcError) as raised:
            invoke(b"", timeout=admin.CALL_TIMEOUT_S)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)


class ManyStreamsTest(DaemonTestCase):
    STREAMS = 60

    def test_streams_that_stay_open_do_not_cost_a_thread_each(self):
        before = self.threads()
        stop = threading.Event()
        self.addCleanup(stop.set)

        def questions():
            yield reflection_pb2.ServerReflectionRequest(list_services="")
            stop.wait()

        stub = reflection_pb2_grpc.ServerReflectionStub(self.admin.channel)
        streams = [stub.ServerReflectionInfo(questions()) for _ in range(self.STREAMS)]
        refused = 0
        for stream in streams:
            try:
                next(stream)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                refused += 1
        self.assertGreater(refused, 0)
        self.assertLess(self.threads() - before, self.STREAMS / 2)
        # Calls of ours need no such thread.
        self.assertEqual(self.admin.host().pid, self.daemon.pid)
        self.assertEqual(self.admin.health(), "SERVING")
        for stream in streams:
            stream.cancel()

    def threads(self):
        return len(list(pathlib.Path(f"/proc/{self.daemon.pid}/task").iterdir()))


class ChannelzTest(DaemonTestCase):
    flags = ("--channelz",)

    def test_counts_the_calls_of_its_own_server(self):
        reflection = Reflection(self.admin)
        self.assertIn(CHANNELZ, reflection.services())
        answer = call(self.admin, reflection.pool(CHANNELZ), CHANNELZ, "GetServers")
        self.assertGreater(answer.server[0].data.calls_started, 0)


class TcpTestCase(DaemonTestCase):
    flags = ("--admin", "tcp://127.0.0.1:0", "--insecure-tcp")

    def tcp_client(self):
        client = admin.AdminClient(self.admin.host().admin_addresses[1])
        self.addCleanup(client.close)
        self.assertEqual(client.host().pid, self.daemon.pid)
        return client


class TcpTest(TcpTestCase):
    def test_is_off_for_tcp_and_on_for_unix(self):
        with self.assertRaises(grpc.RpcError) as raised:
            Reflection(self.tcp_client()).services()
        self.assertEqual(raised.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertIn("--reflection-tcp", raised.exception.details())
        self.assertIn(admin.SERVICE, Reflection(self.admin).services())


class TcpAllowedTest(TcpTestCase):
    flags = (*TcpTestCase.flags, "--reflection-tcp")

    def test_is_on_for_both(self):
        for client in (self.tcp_client(), self.admin):
            self.assertIn(admin.SERVICE, Reflection(client).services())


if __name__ == "__main__":
    unittest.main()
