#!/usr/bin/python3
"""Tests the container image `sockhost` by doing what its user does.

usage: image_test.py [unittest arguments]
"""

import json
import pathlib
import subprocess
import sys
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests/e2e"))

import demo_traffic  # noqa: E402  (found through the line above)

ENGINE = str(REPOSITORY / "docker/engine.sh")
IMAGE = "sockhost"
BASE_IMAGE = "debian:bookworm-slim"
MAX_ADDED_MB = 60
START_TIMEOUT_S = 15
# sockhostd drains for at most 5 s unless it is told otherwise; docker stop kills after 10 s.
STOP_DEADLINE_S = 7
STOP_KILL_S = 10
TRAFFIC_S = 1.0


def engine(*arguments, check=True):
    command = [ENGINE, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {result.returncode}\n{result.stderr}")
    return result


def inspect(kind, name):
    return json.loads(engine(kind, "inspect", name).stdout)[0]


class Container:
    """A running sockhost, started as the README says: read-only, no capabilities."""

    def __init__(self):
        self.volume = f"sockhost-test-{time.monotonic_ns()}"
        flags = ["--read-only", "--cap-drop", "all", "--network", "host"]
        flags += ["-v", f"{self.volume}:/var/lib/sockhost", "--tmpfs", "/run/sockhost:mode=1777"]
        self.id = engine("run", "--detach", *flags, IMAGE).stdout.strip()

    def wait_until_healthy(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.exec("sockctl", "health", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy after {START_TIMEOUT_S} s:\n{self.logs()}")
            time.sleep(0.1)

    def exec(self, *command, check=True):
        return engine("exec", self.id, *command, check=check)

    def sockctl(self, *arguments):
        """Runs sockctl inside, with no flag that says where the daemon is: the parsed JSON."""
        return json.loads(self.exec("sockctl", "-o", "json", *arguments).stdout)

    def create_listener(self, name, service, address):
        options = ["--service", service, "--address", address]
        return self.sockctl("listener", "create", name, *options)["effectiveAddress"]

    def logs(self):
        result = engine("logs", self.id)
        return result.stdout + result.stderr

    def stop(self):
        """Returns (exit code, seconds that it took)."""
        start = time.monotonic()
        engine("stop", "-t", str(STOP_KILL_S), self.id)
        return inspect("container", self.id)["State"]["ExitCode"], time.monotonic() - start

    def remove(self):
        engine("rm", "--force", self.id, check=False)
        engine("volume", "rm", self.volume, check=False)


class RunningContainerTest(unittest.TestCase):
    """One container for all of these; each uses listeners of its own."""

    @classmethod
    def setUpClass(cls):
        cls.container = Container()
        cls.addClassCleanup(cls.container.remove)
        cls.container.wait_until_healthy()

    def exchange(self, address):
        """Sends real traffic from outside the container; every answer is compared."""
        traffic = demo_traffic.Traffic()
        traffic.add(address, peers=2)
        time.sleep(TRAFFIC_S)
        traffic.stop()
        return traffic.totals[address]

    def assert_counted(self, name, totals):
        counters = self.container.sockctl("listener", "get", name)["counters"]
        self.assertEqual(int(counters["receiveBytes"]), totals.sent_bytes)
        self.assertEqual(int(counters["transmitBytes"]), totals.echoed_bytes)

    def test_tcp_listener_made_inside_echoes_to_outside_and_counts(self):
        address = self.container.create_listener("tcp-echo", "echo", "tcp://127.0.0.1:0")
        self.assert_counted("tcp-echo", self.exchange(address))

    def test_udp_listener_made_inside_echoes_to_outside_and_counts(self):
        address = self.container.create_listener("udp-echo", "echo", "udp://127.0.0.1:0")
        self.assert_counted("udp-echo", self.exchange(address))

    def test_watch_shows_counters_moving(self):
        address = self.container.create_listener("watched", "echo", "tcp://127.0.0.1:0")
        traffic = demo_traffic.Traffic()
        traffic.add(address)
        try:
            watch = self.container.exec(
                "sockctl", "-o", "json", "watch", "--interval", "200ms", "--count", "4"
            )
        finally:
            traffic.stop()
        received = received_bytes_per_update(watch.stdout)
        self.assertGreater(received[-1], received[0], watch.stdout)

    def test_runs_as_user_65532_without_capabilities(self):
        status = self.container.exec("cat", "/proc/1/status").stdout
        fields = dict(line.split(":", 1) for line in status.splitlines())
        self.assertEqual(fields["Name"].strip(), "sockhostd")
        self.assertEqual(set(fields["Uid"].split()), {"65532"})
        self.assertEqual(set(fields["Gid"].split()), {"65532"})
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(fields[capabilities], 16), 0, capabilities)

    def test_writes_only_where_it_is_told_to(self):
        self.container.exec("touch", "/run/sockhost/x", "/var/lib/sockhost/x")
        for path in ("/x", "/etc/x", "/tmp/x", "/usr/local/bin/x"):
            with self.subTest(path=path):
                self.assertNotEqual(self.container.exec("touch", path, check=False).returncode, 0)

    def test_health_check_of_the_image_succeeds(self):
        image = inspect("image", IMAGE)
        # podman shows it beside Config, docker in it.
        check = image.get("Healthcheck") or image["Config"]["Healthcheck"]
        kind, *command = check["Test"]
        self.assertEqual(kind, "CMD")
        self.container.exec(*command)


class LifeTest(unittest.TestCase):
    def test_stop_with_an_open_connection_exits_0_within_the_drain_deadline(self):
        container = Container()
        self.addCleanup(container.remove)
        container.wait_until_healthy()
        address = container.create_listener("held", "echo", "tcp://127.0.0.1:0")
        with demo_traffic.connect(address) as peer:
            peer.sendall(b"still here")
            self.assertEqual(demo_traffic.receive_exactly(peer, 10), b"still here")
            code, seconds = container.stop()
        self.assertEqual(code, 0, container.logs())
        self.assertLess(seconds, STOP_DEADLINE_S)

    def test_version_of_the_label_is_the_version_of_the_programs(self):
        label = inspect("image", IMAGE)["Config"]["Labels"]["org.opencontainers.image.version"]
        version = run_in_image("sockctl", "version")
        self.assertIn(label, version)


class ContentTest(unittest.TestCase):
    def test_holds_nothing_to_build_with(self):
        tools = "cc gcc g++ clang cmake ninja make ld protoc"
        script = f"for tool in {tools}; do command -v $tool; done; true"
        self.assertEqual(run_in_image("sh", "-c", script), "")

    def test_adds_at_most_60_mb_to_the_base(self):
        if engine("image", "inspect", BASE_IMAGE, check=False).returncode != 0:
            engine("pull", BASE_IMAGE)
        base, whole = (inspect("image", name)["Size"] / 1e6 for name in (BASE_IMAGE, IMAGE))
        print(f"\nsize: {whole - base:.1f} MB added to the base's {base:.1f} MB")
        self.assertLessEqual(whole - base, MAX_ADDED_MB)


def received_bytes_per_update(json_lines):
    """The sum of receiveBytes over all sockets, after each message of a watch that has counters."""
    latest = {}
    sums = []
    for line in json_lines.splitlines():
        for sampled in json.loads(line).get("sockets", []):
            latest[sampled["name"]] = int(sampled.get("counters", {}).get("receiveBytes", 0))
        if latest:
            sums.append(sum(latest.values()))
    return sums


def run_in_image(program, *arguments):
    """The output of another program than the image's own, in a container for it alone."""
    flags = ["--rm", "--network", "none", "--entrypoint", program]
    return engine("run", *flags, IMAGE, *arguments).stdout


def main():
    program = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]], exit=False)
    result = program.result
    failed = len(result.failures) + len(result.errors)
    print(f"tests: {result.testsRun - failed} passed, {failed} failed")
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
