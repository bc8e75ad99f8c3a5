"""The admin API beside itself: what calls cost the daemon, and how long lists take.

CPU per call is that of the daemon (user and system time of the process over the number of calls),
so the speed of this client does not matter. Cases run in turns, A B C A B C; the figures are
medians of the rounds. grpc.health.v1 Check stands for the empty method: it does nothing but
answer. By hand: cmake --build build/release --target admin_bench
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))

from sockhost.v1 import admin_pb2, socket_pb2  # noqa: E402

import daemon  # noqa: E402

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SOCKETS = 19_000


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def measure(server, calls, case):
    """(daemon's CPU per call in us, calls per second) of `calls` calls."""
    cpu, wall = cpu_seconds(server.pid), time.perf_counter()
    case(calls)
    cpu, wall = cpu_seconds(server.pid) - cpu, time.perf_counter() - wall
    return cpu / calls * 1e6, calls / wall


def unary(server, rounds, calls):
    admin = server.admin

    def check(count):
        for _ in range(count):
            admin.health()

    def create_and_delete(count):
        # Two calls each.
        for i in range(count // 2):
            admin.create(f"bench-{i}", "tcp://127.0.0.1:0")
            admin.delete(f"bench-{i}")

    def get(count):
        for _ in range(count):
            admin.get_listener("one")

    admin.create("one", "tcp://127.0.0.1:0")
    cases = {"empty (health)": check, "GetListener": get, "Create/Delete": create_and_delete}
    results = {name: [] for name in cases}
    for case in cases.values():
        case(100)
    for _ in range(rounds):
        for name, case in cases.items():
            results[name].append(measure(server, calls, case))
    admin.delete("one")
    return {name: [statistics.median(v) for v in zip(*rows)] for name, rows in results.items()}


def lists(server, rounds):
    """{case: (ms of wall time, ms of the daemon's CPU)} for all pages of a list."""
    admin = server.admin
    cases = {
        "all": {},
        "filter": {"filter_text": 'listener = "b-7" OR fd < 0'},
        "order_by": {"order_by": "counters.receive_bytes desc, local_address"},
        "view FULL": {"view": socket_pb2.SOCKET_VIEW_FULL},
    }
    results = {name: [] for name in cases}
    for _ in range(rounds):
        for name, options in cases.items():
            cpu, wall = cpu_seconds(server.pid), time.perf_counter()
            admin.sockets(page_size=10_000, **options)
            wall, cpu = time.perf_counter() - wall, cpu_seconds(server.pid) - cpu
            results[name].append((wall * 1e3, cpu * 1e3))
    return {name: [statistics.median(v) for v in zip(*rows)] for name, rows in results.items()}


def fill(server, count):
    before = server.admin.host().sockets.used
    for i in range(count - before):
        server.admin.call(
            "CreateListener",
            admin_pb2.CreateListenerRequest(
                listener_id=f"b-{i}",
                listener={"service": "discard", "address": "udp://127.0.0.1:0"},
            ),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sockhost-bench.") as folder:
        server = daemon.Daemon(folder)
        try:
            calls = unary(server, arguments.rounds, arguments.calls)
            empty_cpu, empty_rate = calls["empty (health)"]
            print(f"{'call':<16}{'CPU us':>10}{'ratio':>8}{'calls/s':>10}{'ratio':>8}")
            for name, (cpu, rate) in calls.items():
                print(
                    f"{name:<16}{cpu:>10.1f}{cpu / empty_cpu:>8.2f}"
                    f"{rate:>10.0f}{rate / empty_rate:>8.2f}"
                )
            fill(server, arguments.sockets)
            print(f"\n{'ListSockets':<16}{'wall ms':>10}{'CPU ms':>10}  ({arguments.sockets} sockets)")
            for name, (wall, cpu) in lists(server, arguments.rounds).items():
                print(f"{name:<16}{wall:>10.1f}{cpu:>10.1f}")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
