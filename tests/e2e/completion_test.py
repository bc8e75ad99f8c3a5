"""Completion of sockctl in the shells that are installed, against a daemon."""

import os
import pathlib
import shlex
import shutil
import subprocess
import unittest

import daemon
from daemon_test_case import DaemonTestCase

SOCKCTL = os.environ["SOCKCTL_BINARY"]

# Calls the script's function as the shell does when the line is typed.
BASH = """
source <({sockctl} completion bash)
COMP_LINE={line} COMP_POINT={length} COMP_WORDBREAKS=$' \\t\\n"=:'
_sockctl sockctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ }}
compadd() {{ print -rl -- "${{(@P)argv[-1]}}" }}
source <({sockctl} completion zsh)
words=({words} {current})
CURRENT=$#words PREFIX={current}
_sockctl
"""
FISH = """
{sockctl} completion fish | source
complete -C {line}
"""


class CompletionTestCase:
    """Each test runs in every shell."""

    def setUp(self):
        super().setUp()
        if not shutil.which(self.shell[0]):
            self.skipTest(f"{self.shell[0]} is not installed")
        # The name that is completed.
        folder = pathlib.Path(self.folder) / "bin"
        folder.mkdir()
        (folder / "sockctl").symlink_to(SOCKCTL)
        self.path = f"{folder}:{os.environ['PATH']}"

    def complete(self, line, host=None):
        words, _, current = line.rpartition(" ")
        script = self.script.format(
            sockctl="sockctl", line=shlex.quote(line), length=len(line), words=words,
            current=shlex.quote(current),
        )
        result = subprocess.run(
            [*self.shell, script],
            env=daemon.environment(
                PATH=self.path, HOME=self.folder, SOCKCTL_HOST=host or self.daemon.address
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=daemon.DEADLINE_S,
            check=True,
        )
        self.assertEqual(result.stderr, "")
        # fish shows descriptions behind a tab.
        return sorted(line.partition("\t")[0] for line in result.stdout.split("\n") if line)

    def test_verbs(self):
        self.assertEqual(self.complete("sockctl li"), ["listener"])
        self.assertEqual(self.complete("sockctl listener c"), ["create"])
        self.assertIn("watch", self.complete("sockctl "))

    def test_flags(self):
        self.assertEqual(self.complete("sockctl watch --inter"), ["--interval"])
        self.assertEqual(self.complete("sockctl -o json watch --hos"), ["--host"])

    def test_words_of_flags(self):
        self.assertEqual(self.complete("sockctl host -o "), ["json", "name", "table"])
        self.assertEqual(self.complete("sockctl listener create a --policy r"), ["round-robin"])
        self.assertEqual(self.complete("sockctl listener create a --service e"), ["echo"])
        whole = "" if self.shell[0] == "bash" else "--enabled="
        self.assertEqual(self.complete("sockctl listener update a --enabled=f"), [f"{whole}false"])
        whole = "" if self.shell[0] == "bash" else "kind="
        self.assertEqual(self.complete("sockctl events --filter kind=SOCKET_C"),
                         [f"{whole}SOCKET_CLOSED"])

    def test_names(self):
        for name in ("web", "wide", "dns"):
            self.admin.create(name, "tcp://127.0.0.1:0")
        for verb in ("get", "update", "pause", "resume", "drain", "delete"):
            self.assertEqual(self.complete(f"sockctl listener {verb} w"), ["web", "wide"])
        ids = sorted(socket.name.removeprefix("sockets/") for socket in self.admin.sockets())
        self.assertEqual(self.complete("sockctl socket get "), ids)

    def test_names_of_the_daemon_that_is_typed(self):
        self.admin.create("web", "tcp://127.0.0.1:0")
        line = f"sockctl --host {self.daemon.address} listener get "
        self.assertEqual(self.complete(line, host="unix:/nowhere"), ["web"])

    def test_without_a_daemon(self):
        self.assertEqual(self.complete("sockctl listener get ", host="unix:/nowhere"), [])


class BashTest(CompletionTestCase, DaemonTestCase):
    shell = ("bash", "--norc", "-c")
    script = BASH


class ZshTest(CompletionTestCase, DaemonTestCase):
    shell = ("zsh", "-fc")
    script = ZSH


class FishTest(CompletionTestCase, DaemonTestCase):
    shell = ("fish", "--no-config", "-c")
    script = FISH


if __name__ == "__main__":
    unittest.main()
