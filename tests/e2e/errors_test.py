"""The table of errors: its codes, and that each reason is provoked over the wire."""

import pathlib
import re
import unittest

import admin

# What clients were promised: code and reason of every case. More may come, none may change.
PROMISED = """
INVALID_ARGUMENT LISTENER_ID_INVALID NAME_INVALID ADDRESS_INVALID SERVICE_INVALID FIELD_INVALID
INVALID_ARGUMENT FILTER_INVALID ORDER_BY_INVALID PAGE_SIZE_INVALID PAGE_TOKEN_INVALID
INVALID_ARGUMENT INTERVAL_INVALID
ALREADY_EXISTS LISTENER_EXISTS
FAILED_PRECONDITION ADDRESS_IN_USE BIND_NOT_PERMITTED ADDRESS_NOT_AVAILABLE
FAILED_PRECONDITION LISTENER_BUSY STATE_INVALID
RESOURCE_EXHAUSTED FD_LIMIT SOCKET_LIMIT LISTENER_LIMIT WATCH_LIMIT
NOT_FOUND LISTENER_NOT_FOUND SOCKET_NOT_FOUND SERVICE_NOT_FOUND
ABORTED ETAG_MISMATCH
UNAVAILABLE SERVICE_THREAD_STALLED SHUTTING_DOWN
"""

# A bug, or an error of the system without a row: nothing provokes it on purpose.
NOT_PROVOKED = {"INTERNAL"}


class ErrorTableTest(unittest.TestCase):
    def setUp(self):
        self.documented = admin.documented_reasons()

    def test_promised_reasons_have_their_codes(self):
        for row in PROMISED.split("\n"):
            code, *reasons = row.split() or [None]
            for reason in reasons:
                self.assertIn(reason, self.documented)
                self.assertEqual(self.documented[reason].name, code, reason)

    def test_every_reason_is_provoked_by_a_stock_client(self):
        # assert_fails compares reason, code, domain and fields of what a call answered.
        texts = [
            path.read_text()
            for path in pathlib.Path(__file__).parent.glob("*_test.py")
            if path.name != pathlib.Path(__file__).name
        ]
        provoked = {reason for text in texts for reason in re.findall(r'"([A-Z_]+)"', text)}
        self.assertEqual(set(self.documented) - provoked - NOT_PROVOKED, set())


if __name__ == "__main__":
    unittest.main()
