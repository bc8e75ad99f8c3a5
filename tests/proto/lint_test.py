"""How the contract is written: names, comments, what every method says of its errors."""

import pathlib
import re
import unittest

import descriptors

CAMEL = re.compile(r"^[A-Z][a-z0-9]*([A-Z][a-z0-9]*)*$")
SNAKE = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
UPPER = re.compile(r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")
REASON = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")

# Numbers of descriptor.proto, of which the paths of comments are made.
MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, NESTED_ENUM = 2, 3, 4
VALUE, METHOD = 2, 2

# What scripts rely on, in this spelling: {message: JSON names}.
CANONICAL_JSON = {
    "Listener": "name uid service address effectiveAddress state stateReason labels etag "
    "createTime counters",
    "Socket": "name fd role service listener localAddress remoteAddress counters",
    "Counters": "pollInEvents handlerCalls handlerTimeNanos receiveBytes transmitBytes "
    "receiveMessages transmitMessages acceptedConnections",
    "ListListenersResponse": "listeners nextPageToken",
    "ListSocketsResponse": "sockets nextPageToken",
    "ListServicesResponse": "services nextPageToken",
}


def declarations(file):
    """Yields (path, kind, name) of everything that must be explained."""

    def enum(path, declared, prefix):
        yield path, "enum", prefix + declared.name
        for i, value in enumerate(declared.value):
            yield (*path, VALUE, i), "value", f"{prefix}{declared.name}.{value.name}"

    def message(path, declared, prefix):
        if declared.options.map_entry:
            return
        name = prefix + declared.name
        yield path, "message", name
        for i, field in enumerate(declared.field):
            yield (*path, FIELD, i), "field", f"{name}.{field.name}"
        for i, nested in enumerate(declared.nested_type):
            yield from message((*path, NESTED, i), nested, f"{name}.")
        for i, nested in enumerate(declared.enum_type):
            yield from enum((*path, NESTED_ENUM, i), nested, f"{name}.")

    for i, declared in enumerate(file.message_type):
        yield from message((MESSAGE, i), declared, "")
    for i, declared in enumerate(file.enum_type):
        yield from enum((ENUM, i), declared, "")
    for i, service in enumerate(file.service):
        yield (SERVICE, i), "service", service.name
        for j, method in enumerate(service.method):
            yield (SERVICE, i, METHOD, j), "rpc", method.name


def comments_of(file):
    """{path: comment before it}."""
    return {tuple(l.path): l.leading_comments.strip() for l in file.source_code_info.location}


class LintTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.descriptors = descriptors.current()
        cls.files = descriptors.of_package(cls.descriptors)

    def test_there_is_something_to_look_at(self):
        names = set(descriptors.messages_of(self.descriptors))
        self.assertLessEqual({"sockhost.v1.Listener", "sockhost.v1.Counters"}, names)
        self.assertIn("AdminService.CreateListener", descriptors.methods_of(self.descriptors))

    def test_everything_has_a_comment_of_its_own(self):
        for file in self.files:
            comments = comments_of(file)
            for path, kind, name in declarations(file):
                comment = comments.get(path, "")
                self.assertTrue(comment, f"{file.name}: {kind} {name} has no comment")
                self.assertRegex(comment, r"[.)\]:]$", f"{file.name}: {kind} {name}: no full stop")

    def test_names_have_their_form(self):
        form = {"field": SNAKE, "value": UPPER}
        for file in self.files:
            for _, kind, name in declarations(file):
                self.assertRegex(name.split(".")[-1], form.get(kind, CAMEL), f"{kind} {name}")

    def test_zero_of_an_enum_is_unspecified(self):
        for name, enum in descriptors.enums_of(self.descriptors).items():
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper()
            zero = [value.name for value in enum.value if value.number == 0]
            self.assertEqual(zero, [f"{words}_UNSPECIFIED"], name)
            self.assertEqual(len({v.number for v in enum.value}), len(enum.value), name)

    def test_methods_have_messages_of_their_own(self):
        for name, method in descriptors.methods_of(self.descriptors).items():
            self.assertEqual(
                method.input_type, f".{descriptors.PACKAGE}.{method.name}Request", name
            )
            if method.name.startswith(("List", "Watch")):
                self.assertEqual(
                    method.output_type, f".{descriptors.PACKAGE}.{method.name}Response", name
                )

    def test_lists_have_pages_filters_and_orders(self):
        messages = descriptors.messages_of(self.descriptors)
        for method in descriptors.methods_of(self.descriptors).values():
            if not method.name.startswith("List"):
                continue
            request = {f.name for f in messages[method.input_type[1:]].field}
            wanted = {"page_size", "page_token", "filter", "order_by"}
            self.assertLessEqual(wanted, request, method.name)
            response = {f.name for f in messages[method.output_type[1:]].field}
            self.assertIn("next_page_token", response, method.name)

    def test_optional_and_required_fields_of_requests_are_told_apart(self):
        for file in self.files:
            comments = comments_of(file)
            for path, kind, name in declarations(file):
                if kind == "field" and re.match(r"^\w+Request\.", name):
                    self.assertRegex(comments[path], r"^(Required|Optional)\b", name)

    def test_methods_name_reasons_of_the_table_only(self):
        table = self.reasons_of_the_table()
        self.assertGreater(len(table), 20)
        for file in self.files:
            comments = comments_of(file)
            for path, kind, name in declarations(file):
                if kind != "rpc" or "Reasons:" not in comments[path]:
                    continue
                reasons = set(REASON.findall(comments[path].split("Reasons:")[1]))
                self.assertLessEqual(reasons, table, name)
                self.assertTrue(reasons, name)

    def test_methods_that_can_fail_name_their_reasons(self):
        for file in self.files:
            comments = comments_of(file)
            for path, kind, name in declarations(file):
                if kind == "rpc":
                    self.assertRegex(comments[path], r"Reasons:|No errors of its own", name)

    def test_json_names_are_canonical(self):
        messages = descriptors.messages_of(self.descriptors)
        for name, wanted in CANONICAL_JSON.items():
            fields = {f.json_name for f in messages[f"{descriptors.PACKAGE}.{name}"].field}
            self.assertLessEqual(set(wanted.split()), fields, name)

    def reasons_of_the_table(self):
        path = pathlib.Path(__file__).parents[2] / "proto/sockhost/v1/admin.proto"
        rows = re.findall(
            r"^//   ([A-Z_]+) +((?:[A-Z_]+)(?:, [A-Z_]+)*)", path.read_text(), re.MULTILINE
        )
        return {reason for _, reasons in rows for reason in reasons.split(", ")}


if __name__ == "__main__":
    unittest.main()
