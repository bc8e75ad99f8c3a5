"""Figures of the service core alone: core_bench, and dispatch_events under callgrind."""

import json
import re
import subprocess

BENCH_TIMEOUT_S = 600
CALLGRIND_TIMEOUT_S = 120
MANY = 19000


class Figure:
    """One number with its limit; `limit` None: for information only."""

    def __init__(self, what, value, unit, limit=None):
        self.what = what
        self.value = value
        self.unit = unit
        self.limit = limit


def run_core_bench(bin_dir, out_dir, quick):
    """Returns {benchmark name: its medians over the repetitions}."""
    out = out_dir / "core_bench.json"
    command = [
        str(bin_dir / "core_bench"),
        f"--benchmark_min_time={0.05 if quick else 0.3}",
        f"--benchmark_repetitions={3 if quick else 9}",
        "--benchmark_enable_random_interleaving=true",
        f"--benchmark_out={out}",
        "--benchmark_out_format=json",
    ]
    with (out_dir / "core_bench.log").open("wb") as log:
        subprocess.run(command, stdout=log, stderr=log, timeout=BENCH_TIMEOUT_S, check=True)
    rows = json.loads(out.read_text())["benchmarks"]
    return {row["run_name"]: row for row in rows if row.get("aggregate_name") == "median"}


def bench_figures(medians):
    """What stands in the table, from the medians of core_bench."""

    def median(name):
        matches = [row for key, row in medians.items() if re.match(rf"{name}(/[a-z]|$)", key)]
        return matches[0]

    few = median("BM_RegisterOne/10")["real_time"]
    many = median(f"BM_RegisterOne/{MANY}")["real_time"]
    snapshot = median("BM_HandlerDelayDuringSnapshot")
    memory = median("BM_TableMemory")
    figures = [
        Figure("one fd registered and removed among 10", few, "ns"),
        Figure(f"one fd registered and removed among {MANY}", many, "ns"),
        Figure("ratio of the two", many / few, "", 1.1),
        Figure(f"{MANY} fds registered one by one",
               median("BM_RegisterManyOneByOne")["real_time"], "ms", 200),
        Figure(f"snapshot of {MANY} sockets", median("BM_Snapshot")["real_time"], "ms"),
        Figure("99.9 % of a handler's waits during snapshots", snapshot["wait_p999_us"],
               "us", 100),
        Figure("the same, without any snapshot", snapshot["wait_without_p999_us"], "us"),
        Figure("a handler's longest wait during a snapshot, median", snapshot["wait_median_us"],
               "us"),
        Figure("the same, without any snapshot", snapshot["wait_without_median_us"], "us"),
        Figure("its longest interruption by the machine, median",
               snapshot["interruption_median_us"], "us"),
        Figure("one event: handler call to handler call",
               1e9 / median("BM_Dispatch")["items_per_second"], "ns", 120),
        Figure("table memory for each registered socket", memory["bytes_per_socket"], "B", 256),
    ]
    for size in (1, 10, 100, 1000, 10000):
        per_fd = 1e9 / median(f"BM_ReplaceSet/{size}")["items_per_second"]
        figures.append(Figure(f"a set of {size} registered again, for each fd", per_fd, "ns"))
    return figures


def dispatch_instructions(bin_dir, out_dir):
    """Instructions for each event, counted by callgrind; the hot spots go to a file."""
    out = out_dir / "dispatch.callgrind"
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no"]
    command += [f"--callgrind-out-file={out}", str(bin_dir / "dispatch_events")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=CALLGRIND_TIMEOUT_S, check=True
    )
    events = int(done.stdout)
    collected = int(re.search(r"Collected : (\d+)", done.stderr)[1])
    annotated = subprocess.run(
        ["callgrind_annotate", str(out)], capture_output=True, text=True, check=True
    )
    (out_dir / "dispatch.txt").write_text(annotated.stdout)
    return Figure("one event: instructions (no clock)", collected / events, "", 400)
