"""Real processes on one agent: throughput, CPU a task, and the time from submit to running.

Usage: process_bench.py [--tasks N] [--runs N] [--rounds N]

tasks_per_s               an array of N tasks `true`: from before the client's exec until
                          `berth wait` has ended, which knows that the last end is durable.
                          The median of the rounds.
cpu_ms_per_task           CPU of all of Berth's own processes during that time (berthd, the agent, every
                          shim from its birth to its end, and each task's child until it joins its cgroup)
                          for each task. They run in a cpuacct cgroup of their own, which counts what
                          short-lived processes used too. The clients and `true` itself are not in it.
cpu_ms_per_task_own       what the tasks' own cgroups used: the program `true` from the moment it joined.
submit_to_running_p50_ms  idle: from before the exec of `berth run -q -- date +%s%N` to the time that the
                          task prints, one after the other, N runs. Client start, submission, placement,
                          two durable commits, dispatch and exec are all in it.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "support")]

import bench_report  # noqa: E402
import cgroup_tree  # noqa: E402
import cluster  # noqa: E402

# More tasks at once than cores, as on a node that is declared larger than it is.
INVENTORY = {"cpu": 64, "memory": "64Gi"}


class CpuAccount:
    """CPU time of a cgroup and all that ever ran in it."""

    def __init__(self, name):
        v1 = cgroup_tree.MOUNT / "cpuacct"
        self.is_v1 = v1.is_dir()
        self.directory = (v1 if self.is_v1 else cgroup_tree.MOUNT) / name

    def seconds(self):
        if self.is_v1:
            return int((self.directory / "cpuacct.usage").read_text()) / 1e9
        stat = dict(line.split() for line in (self.directory / "cpu.stat").read_text().splitlines())
        return int(stat["usage_usec"]) / 1e6


def throughput(berth, own, tasks, count):
    """(tasks a second, Berth's CPU ms a task, the tasks' own) of one array."""
    own_before, tasks_before = own.seconds(), tasks.seconds()
    started = time.monotonic()
    job = berth.submit("--array", f"0-{count - 1}", "--cpu", "0.5", "--memory", "16Mi", "--", "true")
    berth.ok("wait", "-q", job, seconds=600)
    elapsed = time.monotonic() - started
    cpu = own.seconds() - own_before
    return count / elapsed, cpu * 1000 / count, (tasks.seconds() - tasks_before) * 1000 / count


def submit_to_running(berth, runs):
    environment = berth.environment()
    command = [str(cluster.BIN / "berth"), "run", "-q", "--memory", "16Mi", "--", "date", "+%s%N"]
    latencies = []
    for _ in range(runs):
        before = time.time_ns()
        printed = subprocess.run(command, env=environment, cwd=berth.directory, check=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
        latencies.append((int(printed) - before) / 1e6)
    return latencies


def main():
    parser = argparse.ArgumentParser(description="Real processes on one agent.")
    parser.add_argument("--tasks", type=int, default=3000, help="of the array (3000)")
    parser.add_argument("--rounds", type=int, default=5, help="of the array (5)")
    parser.add_argument("--runs", type=int, default=200, help="of submit to running (200)")
    options = parser.parse_args()
    if not cgroup_tree.is_writable():
        sys.exit("process_bench: needs root and cgroups, to count the CPU of what is short-lived")

    berth = cluster.Cluster(nodes=["node-a"], inventory=INVENTORY)
    own_name = f"{berth.cgroup_root}-own"
    own = CpuAccount(own_name)
    try:
        own.directory.mkdir()
        for daemon in berth.daemons():
            daemon.wrapper = ["sh", "-c", f'echo $$ > {own.directory}/cgroup.procs; exec "$@"', "sh"]
        berth.start()
        tasks = CpuAccount(f"{berth.cgroup_root}/node-a")
        throughput(berth, own, tasks, min(options.tasks, 500))  # warms files and caches
        rounds = [throughput(berth, own, tasks, options.tasks) for _ in range(options.rounds)]
        latencies = submit_to_running(berth, options.runs)
        bench_report.report(
            "process",
            tasks_per_s=round(bench_report.median([r[0] for r in rounds]), 1),
            cpu_ms_per_task=round(bench_report.median([r[1] for r in rounds]), 3),
            cpu_ms_per_task_own=round(bench_report.median([r[2] for r in rounds]), 3),
            submit_to_running_p50_ms=round(bench_report.percentile(latencies, 50), 2),
            submit_to_running_p99_ms=round(bench_report.percentile(latencies, 99), 2),
            tasks=options.tasks, rounds=options.rounds, runs=options.runs,
            tasks_per_s_rounds=[round(r[0], 1) for r in rounds], isolation=berth.isolation)
    finally:
        berth.close()
        if own.directory.is_dir():
            cgroup_tree.remove(own_name)


if __name__ == "__main__":
    os.environ.setdefault("BERTH_BUILD_DIR", str(cluster.ROOT / "build" / "release"))
    main()
