"""100,000 tasks on one agent: what Berth holds afterwards is what it held before. Only with --long.

BERTH_SOAK_TASKS: how many instead, at least 40,000."""
import os
import pathlib
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cgroup_tree  # noqa: E402
import cluster  # noqa: E402
import processes  # noqa: E402

TASKS = int(os.environ.get("BERTH_SOAK_TASKS", "100000"))
ROUND = 10_000
MEBIBYTE = 1 << 20
# Allocators give back what they please; 100,000 tasks that leave 100 bytes each are above it. The
# buffers of berthd's database fill up over some 100,000 tasks, to 24 MiB, and stay so.
SLACK = {"agent": 8 * MEBIBYTE, "berthd": 32 * MEBIBYTE}
# gRPC adds one to its pool when all are busy at once, and keeps it.
MORE_THREADS = {"berthd: threads": 4, "agent: threads": 4}


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no Rss")


def descriptors(pid, leaving_out):
    """How many, but for files in the folder: a database opens and closes its own as it likes."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        count += not target.startswith(f"{leaving_out}/")
    return count


def below(folder):
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


@unittest.skipUnless(cgroup_tree.is_writable(), "needs root and cgroups")
class SoakLongTest(cluster.IntegrationTest):
    def setUp(self):
        # What berthd remembers is bounded by number, and the bounds are reached in the first rounds.
        self.berth = self.start_cluster(inventory={"cpu": 64, "memory": "64Gi"},
                                        berthd={"retention": {"finishedJobsCount": 2},
                                                "watchHistoryEpochs": 1000})
        self.node = self.berth.directory / "node-a"
        self.mark = f"BERTHTEST_SOAK={uuid.uuid4()}"

    def round(self):
        small = ["--cpu", "0.5", "--memory", "16Mi", "--env", self.mark]
        jobs = [self.berth.submit("--array", f"0-{ROUND - 501}", *small, "--", "true"),
                self.berth.submit("--array", "0-499", *small, "--", "sh", "-c",
                                  "setsid sleep 1000 & (sleep 1000 &); exit 3")]
        for job in jobs:
            self.berth.run("wait", "-q", job, seconds=600)

    def counts(self):
        held = {}
        for name, daemon in (("berthd", self.berth.berthd), ("agent", self.berth.agents["node-a"])):
            held[f"{name}: descriptors"] = descriptors(daemon.pid, self.berth.directory / "data")
            held[f"{name}: threads"] = len(os.listdir(f"/proc/{daemon.pid}/task"))
        held["processes"] = len(self.berth.own_processes())
        held["processes of tasks"] = len(processes.with_environment(self.mark))
        held["cgroups"] = len(cgroup_tree.directories(self.berth.cgroup_root))
        held["files of attempts"] = below(self.node / "attempts")
        held["files of output"] = below(self.node / "output")
        held["scratch directories"] = below(self.node / "scratch")
        return held

    def memory(self):
        return {"berthd": resident(self.berth.berthd.pid),
                "agent": resident(self.berth.agents["node-a"].pid)}

    def test_what_is_held_does_not_grow(self):
        for _ in range(2):
            self.round()
        before, memory_before = self.counts(), self.memory()
        for _ in range(TASKS // ROUND - 2):
            self.round()

        def grown():
            return {what: (before[what], number) for what, number in self.counts().items()
                    if number > before[what] + MORE_THREADS.get(what, 0)}

        self.berth.wait_for(lambda: not grown(), lambda: f"what has grown, before and now: {grown()}")
        after = self.memory()
        print(f"{TASKS} tasks; held: {before}, then {self.counts()}; resident: {memory_before}, then {after}")
        for name, size in after.items():
            self.assertLess(size, memory_before[name] + SLACK[name], name)
