"""Modules that cannot be used: the daemon does not start, and says why in one line."""

import json
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import unittest

import daemon

MODULES = pathlib.Path(os.environ["MODULES"])


class RefusedTest(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sockhost-modules."))
        self.folder = pathlib.Path(folder)
        self.admin = self.folder / "admin.sock"

    def run_with(self, *files, options=()):
        flags = [*options, *(text for file in files for text in ("--module", str(file)))]
        return daemon.run("--admin", f"unix:{self.admin}", "--log-level", "error", *flags)

    def assert_nothing_is_left(self):
        with socket.socket(socket.AF_UNIX) as probe:
            self.assertNotEqual(probe.connect_ex(str(self.admin)), 0)

    def assert_refused(self, reason, *files):
        """The last file is refused for `reason` (a regular expression)."""
        ended = self.run_with(*files)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        *before, line = ended.stderr.splitlines()
        self.assertRegex(line, rf"^sockhostd: module {files[-1]} is refused: {reason}$")
        self.assertNotIn("is refused", "".join(before))
        self.assertEqual(ended.stdout, "")
        self.assertFalse(self.admin.exists())
        return before

    def assert_refused_alone(self, reason, *files):
        self.assertEqual(self.assert_refused(reason, *files), [])

    # ---- Files ---------------------------------------------------------------

    def test_missing_file(self):
        self.assert_refused_alone(
            r"No such file or directory \(ENOENT\); give the path of the module's \.so file",
            self.folder / "none.so",
        )

    def test_name_without_a_slash_is_a_file_here(self):
        self.assert_refused_alone(r"No such file or directory \(ENOENT\); give .*", "libc.so.6")

    def test_directory(self):
        self.assert_refused_alone(r"it is not a regular file; give .*", self.folder)

    def test_text_file(self):
        text = self.folder / "text.so"
        text.write_text("not a module " * 1000)
        self.assert_refused_alone(
            r"it is no shared object for this machine \(invalid ELF header\); build it with .*",
            text,
        )

    def test_empty_file(self):
        empty = self.folder / "empty.so"
        empty.touch()
        self.assert_refused_alone(r"it is no shared object .* \(file too short\); .*", empty)

    def test_program(self):
        self.assert_refused_alone(r"it is no shared object .*executable\); .*", daemon.BINARY)

    # ---- Symbols ---------------------------------------------------------------

    def test_missing_symbol(self):
        self.assert_refused_alone(
            r"it needs the symbol library_that_is_not_linked, .*; link the library that defines it",
            MODULES / "missing_symbol.so",
        )

    def test_missing_library(self):
        self.assert_refused_alone(
            r"liblost_library\.so: cannot open shared object file: .*; install the library .*",
            MODULES / "missing_library.so",
        )

    def test_other_abi(self):
        for file in ("other_abi_shout.so", "other_abi_only_init.so"):
            with self.subTest(file):
                self.assert_refused_alone(
                    r"it was built for another binary interface of sockhost \(it needs "
                    r"sockhost_abi_999_\w+; .* has number 1\); build it anew with the headers of "
                    r"this sockhost",
                    MODULES / file,
                )

    # ---- Constructors ----------------------------------------------------------

    def test_constructor_throws(self):
        self.assert_refused_alone(
            r"a constructor of it threw an exception: no configuration; .*",
            MODULES / "constructor_Throw.so",
        )
        self.assert_refused_alone(
            r"a constructor of it threw an exception: not a std::exception; .*",
            MODULES / "constructor_ThrowNumber.so",
        )

    def test_constructor_ends_the_process(self):
        self.assert_refused_alone(
            r"a constructor of it ends the process", MODULES / "constructor_Exit.so"
        )

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_constructor_crashes(self):
        self.assert_refused_alone(
            r"a constructor of it crashed \(SIGSEGV\)", MODULES / "constructor_Crash.so"
        )
        self.assert_refused_alone(
            r"a constructor of it crashed \(SIGABRT\)", MODULES / "constructor_Abort.so"
        )

    def test_constructor_hangs(self):
        self.assert_refused_alone(
            r"its constructors have not returned after 10 s", MODULES / "constructor_Hang.so"
        )

    # ---- SYS_INIT functions ----------------------------------------------------

    def test_init_function_returns_an_error(self):
        self.assert_refused(
            r"its SYS_INIT function Fail: returned -98: Address already in use \(EADDRINUSE\)",
            MODULES / "init_Fail.so",
        )

    def test_init_function_throws(self):
        self.assert_refused(
            r"its SYS_INIT function Throw: threw an exception: no configuration",
            MODULES / "init_Throw.so",
        )

    def assert_crash_is_attributed(self, file, number):
        ended = self.run_with(MODULES / file)
        self.assertEqual(ended.returncode, -number, ended.stderr)
        last = ended.stderr.splitlines()[-1]
        if daemon.SANITIZERS:
            # sockhostd leaves crashes to it, and the core names the module.
            self.assertEqual(
                last,
                f"sockhost: module {MODULES / file} crashed while it was initialised "
                f"({number.name}); start without it, or look at it with a debugger",
            )
        else:
            self.assertRegex(
                last,
                " error a module has crashed while it was initialised: the process ends "
                rf"signal={number.name} file={MODULES / file} thread=sockhostd "
                rf'backtrace=".*{file}',
            )
        self.assert_nothing_is_left()

    def test_init_function_crashes(self):
        self.assert_crash_is_attributed("init_Crash.so", signal.SIGSEGV)
        self.assert_crash_is_attributed("init_Abort.so", signal.SIGABRT)

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer takes the signal")
    def test_init_function_crashes_where_the_log_is_json(self):
        ended = self.run_with(MODULES / "init_Crash.so", options=["--log-format", "json"])
        for line in ended.stderr.splitlines():
            last = json.loads(line)
        self.assertIn("while it was initialised", last["message"])
        self.assertEqual(last["file"], str(MODULES / "init_Crash.so"))

    @unittest.skipIf(daemon.SANITIZERS, "the sanitizer has a stack of its own")
    def test_init_function_runs_out_of_stack(self):
        self.assert_crash_is_attributed("init_RunOutOfStack.so", signal.SIGSEGV)

    # ---- More than one ---------------------------------------------------------

    def test_same_file_twice(self):
        file = MODULES / "shout.so"
        link = self.folder / "link.so"
        link.symlink_to(file)
        for second in (file, link):
            with self.subTest(second):
                self.assert_refused_alone(
                    r"it is loaded already; name each module once", file, second
                )

    def test_copy_that_defines_the_same_service(self):
        copy = self.folder / "copy.so"
        file = MODULES / "defines_half_done.so"
        shutil.copy(file, copy)
        before = self.assert_refused(
            r"its SYS_INIT function StartService: returned -17: File exists \(EEXIST\)", file, copy
        )
        self.assertRegex(before[0], r'service "half-done": the name is taken by another one')

    def test_bad_one_after_a_good_one_at_work(self):
        good = MODULES / "throwing_handler.so"
        self.assert_refused(r"its SYS_INIT function Fail: .*", good, MODULES / "init_Fail.so")

    def test_bad_one_is_found_before_a_good_one_is_loaded(self):
        missing = MODULES / "missing_symbol.so"
        ended = self.run_with(MODULES / "init_Abort.so", missing)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn(f"module {missing} is refused", ended.stderr)


if __name__ == "__main__":
    unittest.main()
