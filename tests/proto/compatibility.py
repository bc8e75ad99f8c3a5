"""What a client that was built from an older contract would not understand.

By hand, after a release: DESCRIPTORS=build/release/tests/proto/sockhost.binpb \
    python3 tests/proto/compatibility.py
writes released.txtpb anew.
"""

from google.protobuf import descriptor_pb2, text_format

import descriptors

FIELD_RULES = ("name", "json_name", "type", "type_name", "label", "proto3_optional")


def breaks(old, new):
    """One line for each thing of `old` that `new` has lost or changed. Additions are none."""
    return [
        *_lost("message", descriptors.messages_of(old), descriptors.messages_of(new), _in_message),
        *_lost("enum", descriptors.enums_of(old), descriptors.enums_of(new), _in_enum),
        *_lost("method", descriptors.methods_of(old), descriptors.methods_of(new), _in_method),
    ]


def _lost(kind, old, new, compare):
    for name, declared in old.items():
        if name not in new:
            yield f"{kind} {name} is gone"
        else:
            yield from compare(name, declared, new[name])


def _in_message(name, old, new):
    fields = {field.number: field for field in new.field}
    for field in old.field:
        where = f"{name}.{field.name} = {field.number}"
        if field.number not in fields:
            yield f"field {where} is gone"
            continue
        now = fields[field.number]
        for rule in FIELD_RULES:
            before, after = getattr(field, rule), getattr(now, rule)
            if before != after:
                yield f"field {where}: {rule} was {before!r}, is {after!r}"
        if _oneof(old, field) != _oneof(new, now):
            yield f"field {where}: oneof was {_oneof(old, field)!r}, is {_oneof(new, now)!r}"
    for reserved in old.reserved_range:
        for number in range(reserved.start, reserved.end):
            if number in fields:
                yield f"field {name}.{fields[number].name} = {number}: the number was reserved"
    for reserved in set(old.reserved_name) & {field.name for field in new.field}:
        yield f"field {name}.{reserved}: the name was reserved"


def _oneof(message, field):
    return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""


def _in_enum(name, old, new):
    values = {value.number: value.name for value in new.value}
    for value in old.value:
        if values.get(value.number) != value.name:
            yield f"value {name}.{value.name} = {value.number} is {values.get(value.number, 'gone')}"


def _in_method(name, old, new):
    for rule in ("input_type", "output_type", "client_streaming", "server_streaming"):
        before, after = getattr(old, rule), getattr(new, rule)
        if before != after:
            yield f"method {name}: {rule} was {before!r}, is {after!r}"


def without_comments(current):
    """What released.txtpb holds: our own files as they go over the wire."""
    out = descriptor_pb2.FileDescriptorSet(file=descriptors.of_package(current))
    for file in out.file:
        file.ClearField("source_code_info")
    return out


if __name__ == "__main__":
    text = text_format.MessageToString(without_comments(descriptors.current()))
    descriptors.RELEASED.write_text(f"# Written by compatibility.py.\n{text}")
