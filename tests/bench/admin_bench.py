"""The admin API beside itself: what calls cost the daemon, and how long lists take.

usage: admin_bench.py BUILD_DIR [--rounds 5] [--calls 8000] [--sockets 19000] [--awake]
                      [--daemon OPTIONS]

Cases run in turns, A B C A B C; the figures are medians of the rounds, with the best in brackets: a
machine that is busy with something else makes slices worse, never better. grpc.health.v1 Check
stands for the empty method: it does nothing but answer. CPU is that of the daemon, user and system.
The last row of calls is what the kernel alone takes for the sockets that come and go.

Whoever waits for an answer of some 10 us more falls asleep, and an idle core of a virtual machine
that has to be woken takes as long again. --awake keeps the cores from being idle, by loops that run
where nothing else would; it wants real-time priority for the rest (chrt -r 1 admin_bench.py ...).
"""

import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

CASES = {"empty": "empty (health)", "get": "GetListener", "churn": "Create/DeleteListener"}
LANES = (1, 16)
PAGES = (10_000, 1_000)
# After which loops that were left behind end.
MOST_SECONDS = 1800


class Daemon:
    """One sockhostd and what drives it."""

    def __init__(self, build, folder, options):
        self._bin = pathlib.Path(build).resolve() / "bin"
        self._address = f"unix:{folder}/admin.sock"
        self._process = subprocess.Popen(
            [self._bin / "sockhostd", "--admin", self._address, *options],
            stderr=subprocess.DEVNULL,
        )
        while not pathlib.Path(f"{folder}/admin.sock").exists():
            time.sleep(0.05)

    def create(self, listener_id, address="udp://127.0.0.1:0", service="discard"):
        command = [self._bin / "sockctl", "--host", self._address, "listener", "create", listener_id]
        command += ["--service", service, "--address", address]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def load(self, case, lanes, calls):
        """(calls per second, the daemon's CPU in us per call, of a list its slowest page in ms)."""
        command = [self._bin / "admin_load", self._address, self._process.pid, case, lanes, calls]
        done = subprocess.run(
            [str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True
        )
        rate, cpu_ns, *slowest_ns = map(float, done.stdout.split())
        return rate, cpu_ns / 1e3, *[time_ns / 1e6 for time_ns in slowest_ns]

    def kill(self):
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def awake_cores():
    """A process for each core that does nothing, where the core has nothing else to do."""
    loops = []
    try:
        for core in sorted(os.sched_getaffinity(0)):
            loop = os.fork()
            if loop == 0:
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
                os.sched_setaffinity(0, [core])
                signal.alarm(MOST_SECONDS)
                while True:
                    pass
            loops.append(loop)
        yield
    finally:
        for loop in loops:
            os.kill(loop, signal.SIGKILL)
            os.waitpid(loop, 0)


def measure(daemon, cases, lanes, calls, rounds):
    """{case: the columns of load, each sorted}: the best round is the last or the first."""
    results = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            results[case].append(daemon.load(case, lanes, calls))
    return {case: [sorted(column) for column in zip(*rows)] for case, rows in results.items()}


def show_calls(daemon, rounds, calls):
    for lanes in LANES:
        results = measure(daemon, CASES, lanes, calls, rounds)
        empty_rates, empty_cpu = results["empty"]
        print(f"\n{lanes} at a time{'':<13}{'calls/s':>9}{'ratio':>16}{'CPU us':>9}{'ratio':>14}")
        for case, (rates, cpu) in results.items():
            rate, cost = statistics.median(rates), statistics.median(cpu)
            print(
                f"{CASES[case]:<24}{rate:>9.0f}"
                f"{rate / statistics.median(empty_rates):>9.2f} ({rates[-1] / empty_rates[-1]:.2f})"
                f"{cost:>9.1f}"
                f"{cost / statistics.median(empty_cpu):>7.2f} ({cpu[0] / empty_cpu[0]:.2f})"
            )
        ((_, cpu),) = measure(daemon, ["sockets"], lanes, 20 * calls, rounds).values()
        print(f"{'  their system calls':<49}{statistics.median(cpu):>9.1f}")


def show_lists(daemon, rounds, sockets):
    for size in PAGES:
        ((rates, cpu, slowest),) = measure(daemon, ["list"], size, 1, rounds).values()
        print(
            f"\nListSockets, {sockets} sockets, pages of {size}: "
            f"{1e3 / statistics.median(rates):.1f} ms ({1e3 / rates[-1]:.1f}), "
            f"slowest page {statistics.median(slowest):.1f} ms ({slowest[0]:.1f}), "
            f"CPU {statistics.median(cpu) / 1e3:.1f} ms ({cpu[0] / 1e3:.1f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=8000)
    parser.add_argument("--sockets", type=int, default=19_000)
    parser.add_argument("--awake", action="store_true")
    parser.add_argument("--daemon", default="", help="e.g. --daemon=--event-history=1")
    arguments = parser.parse_args()
    cores = awake_cores() if arguments.awake else contextlib.nullcontext()
    with cores, tempfile.TemporaryDirectory(prefix="sockhost-bench.") as folder:
        daemon = Daemon(arguments.build, folder, arguments.daemon.split())
        try:
            daemon.create("one", "tcp://127.0.0.1:0", "echo")
            show_calls(daemon, arguments.rounds, arguments.calls)
            daemon.load("fill", 1, arguments.sockets - 1)
            show_lists(daemon, 3 * arguments.rounds, arguments.sockets)
        finally:
            daemon.kill()


if __name__ == "__main__":
    main()
