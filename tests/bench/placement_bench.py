"""What one placement by full scan costs, per number of nodes: build/release/bench/placement_bench.

Prints one JSON object a line for each case and number of nodes. Arguments go to the program, which
is of Google Benchmark: --benchmark_filter=CpuTask, --benchmark_min_time=2.
"""
import json
import os
import pathlib
import subprocess
import sys

import bench_report

MICROSECONDS = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    program = pathlib.Path(os.environ["BERTH_BUILD_DIR"]) / "bench" / "placement_bench"
    done = subprocess.run([program, *arguments, "--benchmark_format=json"], check=False,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return done.returncode
    for run in json.loads(done.stdout)["benchmarks"]:
        case, _, nodes = run["name"].partition("/")
        bench_report.report("placement", case=case, nodes=int(nodes),
                            us=round(run["cpu_time"] * MICROSECONDS[run["time_unit"]], 1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
