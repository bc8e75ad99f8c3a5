"""A client built from the last release understands this contract."""

import unittest

import compatibility
import descriptors


class CompatibilityTest(unittest.TestCase):
    def test_nothing_of_the_last_release_is_lost_or_changed(self):
        released = descriptors.released()
        self.assertIn("sockhost.v1.Listener", descriptors.messages_of(released))
        self.assertEqual(compatibility.breaks(released, descriptors.current()), [])


if __name__ == "__main__":
    unittest.main()
