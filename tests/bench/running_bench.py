"""What an agent and its shims take while many tasks run that do nothing.

Usage: running_bench.py [--tasks N] [--seconds N]

agent_cpu_percent  CPU time of the agent over the wall time, in per cent of one core, while it samples
                   what each task uses and sends what changed, every 10 s as by default
agent_rss_mib      what the agent has resident at the end
shim_rss_kib       what a shim has resident: the largest of all; shim_pss_kib is its share
"""
import argparse
import pathlib
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "support")]

import bench_report  # noqa: E402
import cluster  # noqa: E402
import process_cost  # noqa: E402
import processes  # noqa: E402


def shims(berth):
    return [pid for pid in processes.with_argument(berth.directory / "node-a" / "attempts")
            if b"berth-shim" in processes.read_proc(pid, "cmdline").split(b"\0")[0]]


def main():
    parser = argparse.ArgumentParser(description="What an agent with running tasks takes.")
    parser.add_argument("--tasks", type=int, default=1000, help="that run (1000)")
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (60)")
    options = parser.parse_args()
    inventory = {"cpu": options.tasks, "memory": f"{options.tasks * 16}Mi"}
    berth = cluster.Cluster(inventory=inventory)
    try:
        berth.start()
        job = berth.submit("--array", f"0-{options.tasks - 1}", "--cpu", "0.5", "--memory", "16Mi",
                           "--", "sleep", "100000")
        agent = berth.agents["node-a"].pid
        berth.wait_for(lambda: len(shims(berth)) == options.tasks, "every task to run", seconds=120)
        berth.wait_for(lambda: berth.states(job) == {"running"}, "berthd to know it", seconds=60)
        time.sleep(15)  # the first samples are of everything
        before, started = process_cost.cpu_seconds(agent), time.monotonic()
        time.sleep(options.seconds)
        elapsed = time.monotonic() - started
        bench_report.report(
            "running", tasks=options.tasks, seconds=options.seconds, isolation=berth.isolation,
            agent_cpu_percent=round(100 * (process_cost.cpu_seconds(agent) - before) / elapsed, 3),
            agent_rss_mib=round(process_cost.memory_mib(agent, "Rss"), 1),
            shim_rss_kib=max(round(process_cost.memory_mib(pid, "Rss") * 1024) for pid in shims(berth)),
            shim_pss_kib=max(round(process_cost.memory_mib(pid, "Pss") * 1024) for pid in shims(berth)))
        berth.run("cancel", job)
    finally:
        berth.close()


if __name__ == "__main__":
    main()
