"""What berthd takes when two agents are connected and there is nothing to do.

Usage: idle_bench.py [--seconds N]

cpu_percent  CPU time of berthd over the wall time, in per cent of one core; heartbeats every 10 s
             as by default, and /metrics read every 15 s as Prometheus would
pss_mib      its proportional set size at the end: shared pages are divided by those who map them
"""
import argparse
import pathlib
import sys
import time
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1] / "support")]

import bench_report  # noqa: E402
import cluster  # noqa: E402
from process_cost import cpu_seconds, memory_mib  # noqa: E402

SCRAPE_S = 15


def main():
    parser = argparse.ArgumentParser(description="What an idle berthd takes.")
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (60)")
    options = parser.parse_args()
    berth = cluster.Cluster(nodes=["node-a", "node-b"])
    try:
        berth.start()
        berth.ok("run", "--", "true")  # every path has been walked once
        pid = berth.berthd.pid
        before, started = cpu_seconds(pid), time.monotonic()
        while (left := started + options.seconds - time.monotonic()) > 0:
            time.sleep(min(SCRAPE_S, left))
            urllib.request.urlopen(f"http://127.0.0.1:{berth.http_port}/metrics", timeout=10).read()
        elapsed = time.monotonic() - started
        bench_report.report(
            "idle", cpu_percent=round(100 * (cpu_seconds(pid) - before) / elapsed, 3),
            pss_mib=round(memory_mib(pid, "Pss"), 1), rss_mib=round(memory_mib(pid, "Rss"), 1),
            agents=2, seconds=options.seconds,
            agent_pss_mib=round(memory_mib(berth.agents["node-a"].pid, "Pss"), 1))
    finally:
        berth.close()


if __name__ == "__main__":
    main()
