"""sockhostd as a child process: started, asked, stopped."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import time

import admin

BINARY = os.environ["SOCKHOSTD_BINARY"]
# What the programs were built with, e.g. "address;undefined": their memory is not their own then.
SANITIZERS = os.environ["SANITIZERS"]
# Long enough for a loaded machine under a sanitizer: only a failure waits so long.
DEADLINE_S = 60


class DaemonFailed(AssertionError):
    """The daemon did not start, or did not stop in order; the text holds its log."""


def eventually(read, is_wanted, what):
    """Reads again and again until the value is wanted, and returns it."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_wanted(value := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {DEADLINE_S} s for {what}; last seen: {value}")
        time.sleep(0.005)
    return value


def environment(**variables):
    """This process's environment without anything that sockhost's programs would read."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SOCKHOST_", "SOCKCTL_"))}
    return clean | variables


def command_line(*flags, fd_limit=None, without_capability=None, passed_fds=()):
    """How sockhostd is started: it dies with the test, so nothing is left behind.

    `fd_limit` is SOFT:HARD, either may be empty. `passed_fds`, above 9, become 3 and so on, as
    systemd passes them.
    """
    guard = ["setpriv", "--pdeathsig", "KILL"]
    if passed_fds:
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(passed_fds))
        guard = ["bash", "-c", f'exec {moves}; LISTEN_PID=$$ exec "$@"', "bash", *guard]
    if without_capability and os.geteuid() == 0:
        guard += ["--bounding-set", f"-{without_capability}"]
    if fd_limit:
        guard += ["prlimit", f"--nofile={fd_limit}"]
    return [*guard, BINARY, *flags]


def run(*flags, passed_fds=(), fd_limit=None, **variables):
    """Runs a sockhostd that is expected to end by itself."""
    return subprocess.run(
        command_line(*flags, passed_fds=passed_fds, fd_limit=fd_limit),
        pass_fds=passed_fds,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


class Starting:
    """A sockhostd that does not serve yet, or never will; killed at the end of a `with`."""

    def __init__(self, folder, *flags):
        self._log_path = pathlib.Path(folder) / "starting.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command_line(*flags),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def log(self):
        return self._log_path.read_text(errors="replace")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def end(self):
        """Waits for the end; returns the exit code and the lines of the log."""
        return self.process.wait(DEADLINE_S), self.log().splitlines()


class Daemon:
    """One sockhostd, with its admin socket in `folder`; serving on return.

    `limits` are those of command_line.
    """

    def __init__(self, folder, *flags, variables=None, umask=-1, stderr=None, **limits):
        self.socket_path = pathlib.Path(folder) / "admin.sock"
        self.address = f"unix:{self.socket_path}"
        self._log_path = pathlib.Path(folder) / "sockhostd.log"
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command_line("--admin", self.address, *flags, **limits),
                env=environment(**(variables or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=stderr or log,
                umask=umask,
                pass_fds=limits.get("passed_fds", ()),
            )
        self.pid = self.process.pid
        try:
            eventually(self._is_listening, bool, "the admin socket")
            self.admin = admin.AdminClient(self.address)
            # Another daemon may have left, or still have, a socket of that name.
            answering = self.admin.wait_until_answering().pid
            if answering != self.pid:
                raise DaemonFailed(f"process {answering} answers, not {self.pid}:\n{self.log()}")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _is_listening(self):
        if self.process.poll() is not None:
            raise DaemonFailed(f"ended with exit code {self.process.returncode}:\n{self.log()}")
        return self.socket_path.is_socket()

    def log(self):
        return self._log_path.read_text(errors="replace")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        """Waits for the end; returns the exit code."""
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise DaemonFailed(f"still runs after {DEADLINE_S} s:\n{self.log()}") from None

    def stop(self):
        """Stops it in order; a daemon that ended before is left alone."""
        self.admin.close()
        if self.process.poll() is not None:
            return
        self.signal()
        code = self.wait()
        if code != 0:
            raise DaemonFailed(f"SIGTERM: exit code {code}:\n{self.log()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # ---- What the kernel says of it ----------------------------------------

    def anonymous_memory(self):
        """Bytes of its own memory: neither files nor what it shares."""
        rollup = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)[1]) * 1024

    def open_fds(self):
        """{number: what it is, e.g. "socket:[1234]"}."""
        folder = pathlib.Path(f"/proc/{self.pid}/fd")
        return {int(link.name): os.readlink(link) for link in folder.iterdir()}

    def open_sockets(self):
        """As open_fds, without what gRPC opens and closes when it likes."""
        return {fd: what for fd, what in self.open_fds().items() if what.startswith("socket:")}

    def fd_limit(self):
        """The soft limit of open files."""
        return resource.prlimit(self.pid, resource.RLIMIT_NOFILE)[0]

    def use_up_fds(self):
        """No further fd can be opened from now on, until restore_fds."""
        used = self.open_fds()
        lowest_free = next(number for number in range(len(used) + 1) if number not in used)
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
        self._soft_fd_limit = soft

    def restore_fds(self):
        hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self._soft_fd_limit, hard))

