"""Real processes: how they begin and end, and that nothing of them is left."""
import os
import pathlib
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cgroup_tree  # noqa: E402
import cluster  # noqa: E402
import processes  # noqa: E402

# A task that tries to leave children behind: one in a session of its own, one forked twice, both
# deaf to SIGTERM. Prints "ready" when both are there.
ESCAPE = r"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
seen, ready = os.pipe()
def stay():
    os.setsid()
    os.write(ready, b"x")
    while True:
        time.sleep(1000)
if os.fork() == 0:
    stay()
if os.fork() == 0:
    if os.fork() == 0:
        stay()
    os._exit(0)
os.wait()
there = 0
while there < 2:
    there += len(os.read(seen, 2))
print("ready", flush=True)
while os.environ.get("THEN") != "exit":
    time.sleep(1000)
"""


class ProcessesTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster()
        # In the environment of the task and of all that it starts, whatever they do.
        self.mark = f"BERTHTEST_MARK={uuid.uuid4()}"

    def marked(self):
        return processes.with_environment(self.mark)

    def submit_escape(self, *flags):
        script = self.berth.directory / "escape.py"
        script.write_text(ESCAPE)
        return self.berth.submit("--env", self.mark, "--grace", "100ms", *flags, "--",
                                 "/usr/bin/python3", script)

    def test_cancel_leaves_no_process(self):
        job = self.submit_escape()
        self.berth.wait_for(lambda: "ready" in self.berth.run("logs", job).out, "its children")
        self.assertEqual(3, len(self.marked()))
        self.berth.ok("cancel", job)
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual([], self.marked(), processes.describe(self.marked()))
        self.assertEqual({"cancelled"}, self.berth.states(job))

    def test_an_end_leaves_no_process(self):
        job = self.submit_escape("--env", "THEN=exit")
        self.assertEqual(0, self.berth.run("wait", job).code)
        self.assertEqual([], self.marked(), processes.describe(self.marked()))

    def test_a_time_limit_ends_everything(self):
        job = self.submit_escape("--time-limit", "1s")
        result = self.berth.run("wait", job)
        self.assertEqual(1, result.code)
        self.assertEqual([], self.marked(), processes.describe(self.marked()))
        self.assertEqual("timed-out", self.berth.tasks(job)[0]["attempt"]["end"])

    @unittest.skipUnless(cgroup_tree.is_writable(), "needs cgroups")
    def test_more_memory_than_asked_for_is_told_apart(self):
        result = self.berth.run("run", "--memory", "32Mi", "--", "/usr/bin/python3", "-c",
                                "x = bytearray(256 << 20)")
        self.assertEqual(137, result.code, result.err)
        self.assertIn("out of memory at its limit of 32Mi", result.err)

    @unittest.skipUnless(cgroup_tree.is_writable(), "needs cgroups")
    def test_no_more_processes_than_asked_for(self):
        result = self.berth.run("run", "--max-processes", "3", "--", "sh", "-c",
                                "for i in 1 2 3 4 5; do sleep 1000 & done; wait")
        self.assertNotEqual(0, result.code)
        self.assertEqual([], self.berth.task_processes())

    def test_a_task_gets_what_it_was_told_and_nothing_of_the_agent(self):
        out = self.berth.ok("run", "-q", "--env", "GREETING=hello", "--array", "5", "--", "sh", "-c",
                            'echo "$GREETING $BERTH_JOB_ID $BERTH_TASK_ID $BERTH_ARRAY_INDEX '
                            '$BERTH_ATTEMPT"; pwd; ls /proc/self/fd | wc -l; id -u')
        lines = out.split("\n")
        self.assertEqual("hello 1 1.5 5 1", lines[0])
        self.assertEqual(str(self.berth.directory), lines[1])
        self.assertEqual(str(os.geteuid()), lines[3])
        self.assertLessEqual(int(lines[2]), 4, "descriptors of the agent are open in the task")

    def test_run_ends_with_the_tasks_code(self):
        for command, code in ((["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137),
                              (["true"], 0)):
            with self.subTest(command=command):
                self.assertEqual(code, self.berth.run("run", "--", *command).code)

    def test_retries_are_attempts_of_their_own(self):
        job = self.berth.submit("--retries", "2", "--", "sh", "-c",
                                "echo try $BERTH_ATTEMPT; [ $BERTH_ATTEMPT = 3 ]")
        self.berth.ok("wait", job)
        self.assertEqual("try 3\n", self.berth.ok("logs", job))
        self.assertEqual("try 1\n", self.berth.ok("logs", f"{job}.0#1"))
        self.assertEqual(3, self.berth.tasks(job)[0]["attempts"])

    def test_an_interrupt_of_run_cancels(self):
        process = self.berth.popen("run", "--env", self.mark, "--", "sleep", "1000")
        self.berth.wait_for(self.marked, "the task to run")
        process.terminate()
        out, err = process.communicate(timeout=30)
        self.assertEqual(143, process.returncode, out + err)
        self.assertIn(b"cancelled", err)
        self.berth.wait_for(lambda: not self.marked(), "the task's process to be gone")

    def test_output_comes_back_whole(self):
        size = 300_000
        out = self.berth.ok("run", "-q", "--", "/usr/bin/python3", "-c",
                            f"import sys; sys.stdout.buffer.write(bytes(range(33, 93)) * {size // 60})")
        self.assertEqual(bytes(range(33, 93)).decode() * (size // 60), out)
        self.assertEqual(out, self.berth.ok("logs", "last"))


class PlacementTest(cluster.IntegrationTest):
    def test_tasks_hold_what_they_ask_for_and_wait_for_more(self):
        berth = self.start_cluster(inventory={"cpu": 2, "memory": "1Gi"})
        gate = berth.directory / "gate"
        waits = ["sh", "-c", f"while ! [ -e {gate} ]; do sleep 0.02; done"]
        first = berth.submit("--cpu", "2", "--memory", "64Mi", "--", *waits)
        berth.wait_for(lambda: berth.states(first) == {"running"}, "the first to run")
        second = berth.submit("--cpu", "1", "--memory", "64Mi", "--", "true")
        berth.wait_for(lambda: berth.states(second) == {"parked"}, "the second to be parked")
        self.assertIn("0/1 nodes fit: 1 insufficient cpu", berth.ok("explain", second))
        started = time.monotonic()
        gate.touch()
        berth.ok("wait", second)
        self.assertLess(time.monotonic() - started, 20)
        placed = berth.ok("explain", second)
        self.assertIn("node-a", placed)

    def test_a_cordoned_node_gets_nothing_new(self):
        berth = self.start_cluster(nodes=["node-a", "node-b"])
        berth.ok("cordon", "node-a")
        job = berth.submit("--array", "0-7", "--cpu", "0.5", "--memory", "32Mi", "--", "true")
        berth.ok("wait", job)
        self.assertEqual({"node-b"}, {t["attempt"]["node"] for t in berth.tasks(job)})
        berth.ok("uncordon", "node-a")
        job = berth.submit("--cpu", "4", "--array", "0-1", "--memory", "32Mi", "--",
                           "sh", "-c", "sleep 0.5")
        berth.ok("wait", job)
        self.assertEqual({"node-a", "node-b"}, {t["attempt"]["node"] for t in berth.tasks(job)})
