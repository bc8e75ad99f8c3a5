"""The contract as protoc understood it: descriptors with comments."""

import os
import pathlib

from google.protobuf import descriptor_pb2, text_format

PACKAGE = "sockhost.v1"
RELEASED = pathlib.Path(__file__).with_name("released.txtpb")


def current():
    """The FileDescriptorSet of the build."""
    return descriptor_pb2.FileDescriptorSet.FromString(
        pathlib.Path(os.environ["DESCRIPTORS"]).read_bytes()
    )


def released():
    """The one that the last release was built from."""
    return text_format.Parse(RELEASED.read_text(), descriptor_pb2.FileDescriptorSet())


def of_package(descriptors):
    """The files that are ours."""
    return [file for file in descriptors.file if file.package == PACKAGE]


def messages_of(descriptors):
    """{full name: DescriptorProto}, nested ones too; no entries of maps."""
    found = {}

    def add(prefix, messages):
        for message in messages:
            if message.options.map_entry:
                continue
            name = f"{prefix}.{message.name}"
            found[name] = message
            add(name, message.nested_type)

    for file in of_package(descriptors):
        add(file.package, file.message_type)
    return found


def enums_of(descriptors):
    """{full name: EnumDescriptorProto}, nested ones too."""
    found = {f"{file.package}.{e.name}": e for file in of_package(descriptors) for e in file.enum_type}
    for name, message in messages_of(descriptors).items():
        found.update({f"{name}.{e.name}": e for e in message.enum_type})
    return found


def methods_of(descriptors):
    """{"Service.Method": MethodDescriptorProto}."""
    return {
        f"{service.name}.{method.name}": method
        for file in of_package(descriptors)
        for service in file.service
        for method in service.method
    }
