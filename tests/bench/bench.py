#!/usr/bin/python3
"""Measures sockhost beside other echo servers, and its core alone.

usage: bench.py [--quick] [--only data|forward|core] [--rows WORD] [--noise FRACTION] BUILD_DIR
       (`./dev bench` builds and calls it)

A row of the data path compares servers on the same core, with the same load from the other core, in
short slices that take turns: A B C D, B C D A, ... A round in which the machine was busy with
something else is thrown away. The figure is the CPU time of the server process for each echoed
message; its ratio to that of the minimal epoll server of the same round is the median over the
rounds. All results go to BUILD_DIR/bench/results.json.
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
# Name of each server that sockhostd is compared with, and its program; the first is the measure.
PEERS = {"minimal": "minimal_epoll_echo", "libuv": "libuv_echo", "asio": "asio_echo"}
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

    def own_other_utilisation(self):
        """What the kernel does for the load on threads of its own.

        It frees what is left of short connections later, beside the server and the load.
        """
        return 0.08 if self.kind == "churn" else 0

    def flags(self):
        return [
            *("--kind", self.kind, "--connections", str(self.connections)),
            *("--size", str(self.size), "--in-flight", str(self.in_flight)),
        ]


LOADS = [
    Load("TCP 64 B, 64 connections", "tcp", 1.05),
    Load("TCP 64 B, 1000 connections", "tcp", 1.05, connections=1000),
    Load("TCP 64 B, 10000 connections", "tcp", 1.05, connections=10000),
    Load("TCP 64 B, 16 in flight", "tcp", 1.05, in_flight=16),
    Load("TCP 16 KiB, 64 connections", "tcp", 1.05, size=16384),
    Load("TCP 16 KiB, 1000 connections", "tcp", 1.05, size=16384, connections=1000),
    Load("TCP 16 KiB, 16 in flight", "tcp", 1.05, size=16384, in_flight=16),
    Load("UDP 64 B, 16 clients", "udp", 1.05, connections=16),
    Load("UDP 64 B, 1 client, 32 in flight", "udp", 0.90, connections=1, in_flight=32),
    Load("UDP 64 B, 16 clients, 16 in flight", "udp", 0.90, connections=16, in_flight=16),
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
    """Runs loads against servers that take turns."""

    def __init__(self, bin_dir, effort, noise):
        self._echo_load = str(bin_dir / "echo_load")
        self._effort = effort
        self._noise = noise

    def compare(self, load, base, *others):
        """Returns the row: medians of all servers, ratios to `base`, and how many rounds counted."""
        several = [base, *others]
        rounds = []
        attempts = 0
        while len(rounds) < self._effort.rounds and attempts < ATTEMPTS * self._effort.rounds:
            first = attempts % len(several)
            attempts += 1
            slices = {s.name: self._slice(load, s) for s in several[first:] + several[:first]}
            noise = self._noise + load.own_other_utilisation()
            if all(s["other_utilisation"] <= noise for s in slices.values()):
                rounds.append(slices)
        row = {"what": load.what, "limit": load.limit, "rounds": len(rounds), "attempts": attempts}
        if not rounds:
            return row
        cost = "server_cpu_ns_per_message"
        row["ratios"] = {}
        for other in others:
            ratios = [each[other.name][cost] / each[base.name][cost] for each in rounds]
            row["ratios"][other.name] = {
                "median": statistics.median(ratios),
                "range": [min(ratios), max(ratios)],
            }
        return row | {s.name: medians([each[s.name] for each in rounds]) for s in several}

    def _slice(self, load, server):
        port = server.ports["udp" if load.kind == "udp" else "tcp"]
        command = ["taskset", "--cpu-list", str(LOAD_CORE), self._echo_load, *load.flags()]
        command += ["--port", str(port), "--pid", str(server.pid)]
        command += ["--ms", str(self._effort.slice_ms)]
        command += ["--warm-up-ms", str(self._effort.warm_up_ms)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=90, check=True)
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


def print_data_header(base, *others):
    columns = "".join(f"{name:>8}" for name in others)
    print(f"\n{'':<36} {'ns/message':>10}  CPU of the server for each message / {base}")
    print(f"{'':<36} {base:>10}  {columns}  {'range of ' + others[0]:<18} limit")


def print_data_row(row, base, *others):
    """The limit is that of the first of `others`."""
    if "ratios" not in row:
        print(f"{row['what']:<36} the machine was busy with something else", flush=True)
        return
    ratios = row["ratios"]
    columns = "".join(f"{ratios[name]['median']:8.3f}" for name in others)
    judged = ratios[others[0]]
    low, high = judged["range"]
    print(
        f"{row['what']:<36} {row[base]['server_cpu_ns_per_message']:10.0f}  {columns}  "
        f"{f'{low:.2f} - {high:.2f}':<18} {verdict(judged['median'], row['limit'])}",
        flush=True,
    )
    for name in (base, *others):
        lost = row[name]["lost"] + row[name]["failed"]
        if lost:
            print(f"{'':<36} {name}: {lost:g} messages were lost or failed")


def print_latencies(rows, *names):
    columns = "".join(f"{name:>34}" for name in names)
    print(f"\n{'us p50 / p99 / p99.9, messages/s':<36} {columns}  load")
    for row in rows:
        if "ratios" not in row:
            continue
        texts = []
        for of in (row[name] for name in names):
            latency = f"{of['p50_us']:.0f} / {of['p99_us']:.0f} / {of['p999_us']:.0f}"
            texts.append(f"{latency:>23} {of['messages_per_second']:10.0f}")
        busy = row[names[0]]["load_utilisation"]
        print(f"{row['what']:<36} {''.join(texts)}  {busy:4.0%}")


def print_figures(figures):
    print(f"\n{'The core alone':<56} {'figure':>9}     limit")
    for figure in figures:
        digits = 3 if figure.unit == "" and figure.value < 10 else 0 if figure.value >= 100 else 1
        print(
            f"{figure.what:<56} {figure.value:9.{digits}f} {figure.unit:<2}  "
            f"{verdict(figure.value, figure.limit)}"
        )


# ---- What is measured --------------------------------------------------------------------------


def measure_data(bin_dir, folder, bench, loads):
    """Returns the rows of all servers."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(servers.Sockhostd(bin_dir, folder, SERVER_CORE))
        base, *peers = [
            stack.enter_context(servers.PortPrinter(name, [str(bin_dir / program)], SERVER_CORE))
            for name, program in PEERS.items()
        ]
        several = (base, ours, *peers)
        names = [each.name for each in several]
        print_data_header(*names)
        rows = []
        for load in loads:
            rows.append(bench.compare(load, *several))
            print_data_row(rows[-1], *names)
    print_latencies(rows, *names[:2])
    return rows


def measure_memory(bin_dir):
    """What an idle connection costs a sockhostd that has had none: freed places are used again."""
    with (
        tempfile.TemporaryDirectory(prefix="sockhost-bench-") as folder,
        servers.Sockhostd(bin_dir, folder, SERVER_CORE) as ours,
    ):
        connections = min(10000, servers.fd_limit() - SPARE_FDS)
        return core_figures.Figure(
            "memory of sockhostd for each idle connection",
            servers.memory_per_connection(ours, connections), "B", 512,
        )


def measure_idle(bench, bin_dir):
    """The cost of sockets that are registered and idle, for the connections beside them."""
    idle = min(core_figures.MANY, servers.fd_limit() - SPARE_FDS)
    names = ["none", "idle"]
    with contextlib.ExitStack() as stack:
        pair = [
            stack.enter_context(
                servers.PortPrinter(name, [str(bin_dir / "idle_host"), count], SERVER_CORE)
            )
            for name, count in zip(names, ("0", str(idle)))
        ]
        load = dataclasses.replace(IDLE_LOAD, what=f"the same beside {idle} idle sockets")
        row = bench.compare(load, *pair)
    print_data_header(*names)
    print_data_row(row, *names)
    return row


def measure_core(bin_dir, out_dir, quick):
    figures = core_figures.bench_figures(core_figures.run_core_bench(bin_dir, out_dir, quick))
    return [*figures, core_figures.dispatch_instructions(bin_dir, out_dir)]


def chosen_loads(options):
    """Returns the rows of the data path and of forwarding that are wanted."""
    loads = {"data": LOADS, "forward": forward_bench.LOADS}
    return [
        [load for load in loads[part] if options.rows in load.what]
        if options.only in (None, part) else []
        for part in loads
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes, wider ranges")
    parser.add_argument("--only", choices=("data", "forward", "core"), help="one part of the figures")
    parser.add_argument("--rows", default="", metavar="WORD", help="only rows with it in their name")
    parser.add_argument(
        "--noise", type=float, default=MOST_OTHER_UTILISATION, metavar="FRACTION",
        help="of a core, spent by others: more, and a round does not count (default %(default)s)",
    )
    parser.add_argument("build_dir", type=pathlib.Path, help="where the programs were built")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed, one for the server and one for the load")

    data_loads, forward_loads = chosen_loads(options)
    if options.rows and not data_loads and not forward_loads:
        part = options.only or "any part"
        parser.error(f"--rows {options.rows}: no row of {part} has that in its name")

    servers.fd_limit()
    bin_dir = options.build_dir / "bin"
    out_dir = options.build_dir / "bench"
    out_dir.mkdir(parents=True, exist_ok=True)
    results = {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"kernel": platform.release(), "cores": os.cpu_count()},
    }
    figures = []
    effort = QUICK if options.quick else FULL
    if data_loads:
        bench = Bench(bin_dir, effort, options.noise)
        with tempfile.TemporaryDirectory(prefix="sockhost-bench-") as folder:
            results["data"] = measure_data(bin_dir, folder, bench, data_loads)
        figures.append(measure_memory(bin_dir))
        results["idle"] = measure_idle(bench, bin_dir)
    if forward_loads:
        with tempfile.TemporaryDirectory(prefix="sockhost-bench-") as folder:
            cores = (LOAD_CORE, SERVER_CORE)
            results["forward"] = forward_bench.measure_forward(
                bin_dir, folder, effort, cores, options.noise, ATTEMPTS, forward_loads
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
