"""The comparison of two contracts sees every change that breaks a client, and no other."""

import copy
import unittest

from google.protobuf import descriptor_pb2, text_format

from compatibility import breaks

OLD = text_format.Parse(
    """
    file {
      name: "a.proto" package: "sockhost.v1"
      message_type {
        name: "Thing"
        field { name: "name" json_name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
        field {
          name: "size_bytes" json_name: "sizeBytes" number: 2 type: TYPE_INT64
          label: LABEL_OPTIONAL oneof_index: 0
        }
        oneof_decl { name: "amount" }
        enum_type { name: "State" value { name: "STATE_UNSPECIFIED" number: 0 }
                    value { name: "OPEN" number: 1 } }
        reserved_range { start: 9 end: 10 }
        reserved_name: "gone"
      }
      service { name: "S" method { name: "Get" input_type: ".sockhost.v1.Thing"
                                   output_type: ".sockhost.v1.Thing" } }
    }
    """,
    descriptor_pb2.FileDescriptorSet(),
)


class RulesTest(unittest.TestCase):
    def setUp(self):
        self.new = copy.deepcopy(OLD)
        self.file = self.new.file[0]
        self.thing = self.file.message_type[0]

    def assert_breaks(self, *wanted):
        found = breaks(OLD, self.new)
        self.assertEqual(len(found), len(wanted), found)
        for line, part in zip(found, wanted):
            self.assertIn(part, line)

    def test_the_same_breaks_nothing(self):
        self.assert_breaks()

    def test_additions_break_nothing(self):
        self.thing.field.add(name="new", number=3)
        self.thing.enum_type[0].value.add(name="CLOSED", number=2)
        self.file.message_type.add(name="Other")
        self.file.service[0].method.add(name="List")
        self.assert_breaks()

    def test_comments_break_nothing(self):
        self.file.source_code_info.location.add(leading_comments="new")
        self.assert_breaks()

    def test_field_that_is_gone(self):
        del self.thing.field[0]
        self.assert_breaks("field sockhost.v1.Thing.name = 1 is gone")

    def test_field_that_is_renamed(self):
        self.thing.field[0].name = "title"
        self.assert_breaks("name was 'name', is 'title'")

    def test_field_with_another_number(self):
        self.thing.field[0].number = 7
        self.assert_breaks("field sockhost.v1.Thing.name = 1 is gone")

    def test_field_of_another_type(self):
        self.thing.field[0].type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        self.assert_breaks("type was")

    def test_field_of_another_cardinality(self):
        self.thing.field[0].label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        self.assert_breaks("label was")

    def test_field_that_leaves_or_enters_a_oneof(self):
        self.thing.field[0].oneof_index = 0
        self.thing.field[1].ClearField("oneof_index")
        self.assert_breaks("oneof was '', is 'amount'", "oneof was 'amount', is ''")

    def test_reserved_number_and_name(self):
        self.thing.field.add(name="gone", number=3)
        self.thing.field.add(name="new", number=9)
        self.assert_breaks("the number was reserved", "the name was reserved")

    def test_value_that_is_gone_or_renamed(self):
        self.thing.enum_type[0].value[1].name = "OPENED"
        self.assert_breaks("OPEN = 1 is OPENED")
        del self.thing.enum_type[0].value[1]
        self.assert_breaks("OPEN = 1 is gone")

    def test_message_enum_and_method_that_are_gone(self):
        del self.thing.enum_type[0]
        del self.file.service[0].method[0]
        self.assert_breaks("enum sockhost.v1.Thing.State is gone", "method S.Get is gone")
        del self.file.message_type[0]
        self.assertIn("message sockhost.v1.Thing is gone", breaks(OLD, self.new))

    def test_method_that_takes_answers_or_streams_something_else(self):
        method = self.file.service[0].method[0]
        method.input_type = ".sockhost.v1.Other"
        method.server_streaming = True
        self.assert_breaks("input_type was", "server_streaming was")


if __name__ == "__main__":
    unittest.main()
