"""Measures forwarding beside HAProxy, nginx and a minimal epoll forwarder.

The client and the upstream (the minimal echo server) share one core, the forwarder has the other.
All forwarders take turns in every round, in an order that shifts by one each time. The figure is
the CPU time of the forwarder's process for each message that went there and back.
"""

import contextlib
import json
import statistics
import subprocess
import time

import forwarders
import servers


class ForwardLoad:
    """One row: what echo_load is told."""

    def __init__(self, what, kind="tcp", connections=64, size=64, in_flight=1):
        self.what = what
        self.messages_per_mib = (1 << 20) / size
        # As in bench.Load: the kernel frees what is left of short connections later.
        self.own_other_utilisation = 0.08 if kind == "churn" else 0
        self.flags = [
            *("--kind", kind, "--connections", str(connections)),
            *("--size", str(size), "--in-flight", str(in_flight)),
        ]


LOADS = [
    ForwardLoad("TCP 64 B, 64 connections"),
    ForwardLoad("TCP 64 B, 1000 connections", connections=1000),
    ForwardLoad("TCP 16 KiB, 64 connections", size=16384),
    ForwardLoad("TCP 64 B, 16 in flight", in_flight=16),
    ForwardLoad("TCP 16 KiB, 16 in flight", size=16384, in_flight=16),
    ForwardLoad("connect, 1 message, close", kind="churn"),
]
COST = "server_cpu_ns_per_message"


def cpu_seconds(pid):
    """User and system time of a process, from the scheduler's accounting."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


class ForwardBench:
    """Runs loads through several forwarders."""

    def __init__(self, bin_dir, effort, cores, most_other):
        self._echo_load = str(bin_dir / "echo_load")
        self._effort = effort
        self._load_core, self._server_core = cores
        self._most_other = most_other

    def compare(self, load, several, upstream, attempts_per_round):
        """Returns the row: medians of all, and ratios to the first of them."""
        rounds = []
        attempts = 0
        while len(rounds) < self._effort.rounds and attempts < attempts_per_round * self._effort.rounds:
            shift = attempts % len(several)
            attempts += 1
            order = several[shift:] + several[:shift]
            slices = {each.name: self._slice(load, each, upstream) for each in order}
            noise = self._most_other + load.own_other_utilisation
            if all(s["other_utilisation"] <= noise for s in slices.values()):
                rounds.append(slices)
        row = {"what": load.what, "rounds": len(rounds), "attempts": attempts}
        for each in several if rounds else ():
            costs = [slices[each.name][COST] for slices in rounds]
            ratios = [slices[several[0].name][COST] / slices[each.name][COST] for slices in rounds]
            row[each.name] = {
                COST: statistics.median(costs),
                "server_cpu_us_per_mib": statistics.median(costs) * load.messages_per_mib / 1e3,
                "ours_to_this": statistics.median(ratios),
                "ours_to_this_range": [min(ratios), max(ratios)],
                "messages_per_second": statistics.median(
                    s[each.name]["messages_per_second"] for s in rounds
                ),
                "p99_us": statistics.median(s[each.name]["p99_us"] for s in rounds),
                "failed": sum(s[each.name]["failed"] + s[each.name]["lost"] for s in rounds),
            }
        return row

    def _slice(self, load, server, upstream):
        command = ["taskset", "--cpu-list", str(self._load_core), self._echo_load, *load.flags]
        command += ["--port", str(server.ports["tcp"]), "--pid", str(server.pid)]
        command += ["--ms", str(self._effort.slice_ms)]
        command += ["--warm-up-ms", str(self._effort.warm_up_ms)]
        before, began = cpu_seconds(upstream.pid), time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        used = (cpu_seconds(upstream.pid) - before) / (time.monotonic() - began)
        result = json.loads(done.stdout)
        # echo_load knows nothing of the upstream.
        result["other_utilisation"] = max(0.0, result["other_utilisation"] - used)
        return result


def print_row(row, names):
    if not row["rounds"]:
        print(f"{row['what']:<28} the machine was busy with something else", flush=True)
        return
    costs = "".join(f"{row[name][COST]:>16.0f}" for name in names)
    print(f"{row['what']:<28}{costs}", flush=True)
    ratios = "".join(f"{row[name]['ours_to_this']:>16.3f}" for name in names[1:])
    print(f"{'  ours to theirs':<28}{'':>16}{ratios}", flush=True)
    if failed := row[names[0]]["failed"]:
        print(f"{'':<28} {failed:g} messages of ours were lost or failed")


def measure_forward(bin_dir, folder, effort, cores, most_other, attempts_per_round, loads):
    """Prints and returns the rows."""
    load_core, server_core = cores
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(
            servers.PortPrinter("upstream", [str(bin_dir / "minimal_epoll_echo")], load_core)
        )
        port = upstream.ports["tcp"]
        ours = stack.enter_context(servers.Sockhostd(bin_dir, folder, server_core))
        ours.ports["tcp"] = ours.create(
            "bench", "tcp", "--service", "forward", "--upstream", f"tcp://127.0.0.1:{port}"
        )
        several = [ours]
        for make in (
            lambda: forwarders.minimal(server_core, bin_dir, port),
            lambda: forwarders.haproxy(server_core, folder, port),
            lambda: forwarders.haproxy(server_core, folder, port, splice=True),
            lambda: forwarders.nginx(server_core, folder, port),
        ):
            several.append(stack.enter_context(make()))
        names = [each.name for each in several]
        print(f"\n{'Forwarding: CPU, ns/message':<28}" + "".join(f"{n:>16}" for n in names))
        bench = ForwardBench(bin_dir, effort, cores, most_other)
        rows = []
        for load in loads:
            rows.append(bench.compare(load, several, upstream, attempts_per_round))
            print_row(rows[-1], names)
    return rows
