#!/usr/bin/python3
"""Measures sockhost beside a minimal epoll server, and its core alone.

usage: bench.py [--quick] [--only data|forward|core] BUILD_DIR   (`./dev bench` builds and calls it)

A row of the data path compares two servers on the same core, with the same load from the other
core, in short slices that take turns: A B, B A, A B, ... A round in which the machine was busy with
something else is thrown away. The figure is the CPU time of the server process for each echoed
message; its ratio is the median over the rounds. All results go to BUILD_DIR/bench/results.json.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import core_figures
import forward_bench
import servers

LOAD_CORE = 0
SERVER_CORE = 1
# Of one core, spent by neither the server nor the load: more, and a round does not count.
MOST_OTHER_UTILISATION = 0.06
# So many attempts for each round that is wanted, on average.
ATTEMPTS = 4
# What sockhostd, its log and the admin API need beside the connections.
SPARE_FDS = 600


@dataclasses.dataclass(frozen=True)
class Load:
    """One row: what echo_load is told, and what the ratio of CPU for each message may be."""

    what: str
    kind: str
    limit: float
    connections: int = 64
    size: int = 64
    in_flight: int = 1

    def flags(self):
        return [
            *("--kind", self.kind, "--connections", str(self.connections)),
            *("--size", str(self.size), "--in-flight", str(self.in_flight)),
        ]


LOADS = [
    Load("TCP 64 B, 64 connections", "tcp", 1.05),
    Load("TCP 64 B, 1000 connections", "tcp", 1.05, connections=1000),
    Load("TCP 64 B, 16 in flight", "tcp", 1.05, in_flight=16),
    Load("TCP 16 KiB, 64 connections", "tcp", 1.05, size=16384),
    Load("TCP 16 KiB, 16 in flight", "tcp", 1.05, size=16384, in_flight=16),
    Load("UDP 64 B, 16 clients", "udp", 1.05, connections=16),
    Load("UDP 64 B, 1 client, 32 in flight", "udp", 0.84, connections=1, in_flight=32),
    Load("connect, 1 message, close", "churn", 1.05),
]
IDLE_LOAD = Load("TCP 64 B, 64 connections", "tcp", 1.05)


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    slice_ms: int
    warm_up_ms: int


QUICK = Effort(rounds=5, slice_ms=400, warm_up_ms=100)
FULL = Effort(rounds=11, slice_ms=1000, warm_up_ms=200)


class Bench:
    """Runs loads against pairs of servers."""

    def __init__(self, bin_dir, effort):
        self._echo_load = str(bin_dir / "echo_load")
        self._effort = effort

    def compare(self, load, server, peer):
        """Returns the row: medians of both servers, ratios, and how many rounds counted."""
        rounds = []
        attempts = 0
        while len(rounds) < self._effort.rounds and attempts < ATTEMPTS * self._effort.rounds:
            pair = (server, peer) if attempts % 2 == 0 else (peer, server)
            attempts += 1
            slices = {each.name: self._slice(load, each) for each in pair}
            if all(s["other_utilisation"] <= MOST_OTHER_UTILISATION for s in slices.values()):
                rounds.append((slices[server.name], slices[peer.name]))
        row = {"what": load.what, "limit": load.limit, "rounds": len(rounds), "attempts": attempts}
        if not rounds:
            return row
        cost = "server_cpu_ns_per_message"
        ratios = [ours[cost] / theirs[cost] for ours, theirs in rounds]
        row |= {
            "ratio": statistics.median(ratios),
            "ratio_range": [min(ratios), max(ratios)],
            server.name: medians([ours for ours, _ in rounds]),
            peer.name: medians([theirs for _, theirs in rounds]),
        }
        return row

    def _slice(self, load, server):
        port = server.ports["udp" if load.kind == "udp" else "tcp"]
        command = ["taskset", "--cpu-list", str(LOAD_CORE), self._echo_load, *load.flags()]
        command += ["--port", str(port), "--pid", str(server.pid)]
        command += ["--ms", str(self._effort.slice_ms)]
        command += ["--warm-up-ms", str(self._effort.warm_up_ms)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        return json.loads(done.stdout)


def medians(slices):
    """The median of every figure; of what must not happen, the sum."""
    row = {key: statistics.median(s[key] for s in slices) for key in slices[0]}
    return row | {key: sum(s[key] for s in slices) for key in ("lost", "failed")}


# ---- Output ------------------------------------------------------------------------------------


def verdict(value, limit):
    if limit is None:
        return ""
    return f"<= {limit:g}  {'ok' if value <= limit else 'MISSED'}"


def print_data_header(ours, theirs):
    columns = f"{ours:>9} {theirs:>9}  ratio  range        limit"
    print(f"\n{'CPU of the server, ns for each message':<40} {columns}")


def print_data_row(row, ours, theirs):
    if "ratio" not in row:
        print(f"{row['what']:<40} the machine was busy with something else", flush=True)
        return
    cost = "server_cpu_ns_per_message"
    low, high = row["ratio_range"]
    print(
        f"{row['what']:<40} {row[ours][cost]:9.0f} {row[theirs][cost]:9.0f}  {row['ratio']:5.3f}  "
        f"{low:.2f} - {high:.2f}  {verdict(row['ratio'], row['limit'])}",
        flush=True,
    )
    lost = row[ours]["lost"] + row[ours]["failed"]
    if lost:
        print(f"{'':<40} {lost:g} messages were lost or failed")


def print_latencies(rows, ours, theirs):
    print(f"\n{'Latency p50 / p99 / p99.9 in us, messages/s':<40} {ours:>26} {theirs:>34}  load")
    for row in rows:
        if "ratio" not in row:
            continue
        texts = []
        for server in (ours, theirs):
            of = row[server]
            latency = f"{of['p50_us']:.0f} / {of['p99_us']:.0f} / {of['p999_us']:.0f}"
            texts.append(f"{latency:>18} {of['messages_per_second']:9.0f}")
        busy = row[ours]["load_utilisation"]
        print(f"{row['what']:<36} {texts[0]:>30}    {texts[1]:>30}  {busy:4.0%}")


def print_figures(figures):
    print(f"\n{'The core alone':<56} {'figure':>9}     limit")
    for figure in figures:
        digits = 3 if figure.unit == "" and figure.value < 10 else 0 if figure.value >= 100 else 1
        print(
            f"{figure.what:<56} {figure.value:9.{digits}f} {figure.unit:<2}  "
            f"{verdict(figure.value, figure.limit)}"
        )


# ---- What is measured --------------------------------------------------------------------------


def measure_data(bin_dir, folder, effort):
    """Returns the rows of sockhostd and the minimal server, the idle row, and one memory figure."""
    bench = Bench(bin_dir, effort)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(servers.Sockhostd(bin_dir, folder, SERVER_CORE))
        theirs = stack.enter_context(
            servers.PortPrinter("minimal", [str(bin_dir / "minimal_epoll_echo")], SERVER_CORE)
        )
        print_data_header(ours.name, theirs.name)
        rows = []
        for load in LOADS:
            rows.append(bench.compare(load, ours, theirs))
            print_data_row(rows[-1], ours.name, theirs.name)
        connections = min(10000, servers.fd_limit() - SPARE_FDS)
        memory = core_figures.Figure(
            "memory of sockhostd for each idle connection",
            servers.memory_per_connection(ours, connections), "B", 512,
        )
    print_latencies(rows, ours.name, theirs.name)
    return rows, measure_idle(bench, bin_dir), memory


def measure_idle(bench, bin_dir):
    """The cost of sockets that are registered and idle, for the connections beside them."""
    idle = min(core_figures.MANY, servers.fd_limit() - SPARE_FDS)
    names = [f"{idle} idle", "none"]
    with contextlib.ExitStack() as stack:
        pair = [
            stack.enter_context(
                servers.PortPrinter(name, [str(bin_dir / "idle_host"), count], SERVER_CORE)
            )
            for name, count in zip(names, (str(idle), "0"))
        ]
        row = bench.compare(IDLE_LOAD, *pair)
    print_data_header(*names)
    print_data_row(row, *names)
    return row


def measure_core(bin_dir, out_dir, quick):
    figures = core_figures.bench_figures(core_figures.run_core_bench(bin_dir, out_dir, quick))
    return [*figures, core_figures.dispatch_instructions(bin_dir, out_dir)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less than three minutes")
    parser.add_argument("--only", choices=("data", "forward", "core"), help="one part of the figures")
    parser.add_argument("build_dir", type=pathlib.Path, help="where the programs were built")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed, one for the server and one for the load")

    servers.fd_limit()
    bin_dir = options.build_dir / "bin"
    out_dir = options.build_dir / "bench"
    out_dir.mkdir(parents=True, exist_ok=True)
    results = {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"kernel": platform.release(), "cores": os.cpu_count()},
    }
    figures = []
    if options.only in (None, "data"):
        with tempfile.TemporaryDirectory(prefix="sockhost-bench-") as folder:
            effort = QUICK if options.quick else FULL
            results["data"], results["idle"], memory = measure_data(bin_dir, folder, effort)
            figures.append(memory)
    if options.only in (None, "forward"):
        with tempfile.TemporaryDirectory(prefix="sockhost-bench-") as folder:
            effort = QUICK if options.quick else FULL
            cores = (LOAD_CORE, SERVER_CORE)
            results["forward"] = forward_bench.measure_forward(
                bin_dir, folder, effort, cores, MOST_OTHER_UTILISATION, ATTEMPTS
            )
    if options.only in (None, "core"):
        figures += measure_core(bin_dir, out_dir, options.quick)
    print_figures(figures)
    results["core"] = [vars(figure) for figure in figures]
    out = out_dir / "results.json"
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nall results: {out}")


if __name__ == "__main__":
    main()
