"""Cgroups that cannot be written: from the start, and from some moment on under running tasks."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import own_namespaces  # noqa: E402

own_namespaces.enter()

import cgroup_tree  # noqa: E402
import cluster  # noqa: E402
import processes  # noqa: E402


def remount(mode):
    """For this test's mount namespace alone."""
    for hierarchy in cgroup_tree.hierarchies():
        own_namespaces.command("mount", "-o", f"remount,bind,{mode}", hierarchy)


@own_namespaces.needed
class ReadOnlyCgroupsTest(cluster.IntegrationTest):
    def setUp(self):
        if not cgroup_tree.is_writable():
            self.skipTest("needs cgroups")
        self.addCleanup(remount, "rw")

    def test_an_agent_does_not_start_without_what_it_shall_hold_tasks_by(self):
        berth = self.new_cluster(isolation="auto")
        berth.start_berthd()
        remount("ro")
        agent = berth.agents["node-a"]
        agent.start()
        processes.wait_until(lambda: not agent.is_running(), berth.logs)
        self.assertEqual(1, agent.process.returncode)
        for word in ("Read-only file system", "isolation: none"):
            self.assertIn(word, agent.log_tail(1))

    def test_without_isolation_tasks_run_and_that_is_shown(self):
        remount("ro")
        berth = self.start_cluster(isolation="none")
        self.assertEqual("well\n", berth.ok("run", "-q", "--", "echo", "well"))
        self.assertIn("none", berth.ok("describe", "node", "node-a"))
        self.assertIn("tasks are held to nothing", berth.run("node", "diagnose", "node-a").out)
        # What detached itself ends nevertheless.
        job = berth.submit("--", "sh", "-c", "setsid sleep 1234.5 & sleep 1000")
        berth.wait_for(lambda: processes.with_argument("1234.5"), "it to detach itself")
        berth.ok("cancel", job)
        berth.run("wait", job)
        self.assertEqual([], processes.with_argument("1234.5"))

    def test_what_runs_can_be_ended_and_what_comes_is_told_why_it_cannot_start(self):
        berth = self.start_cluster(isolation="auto")
        job = berth.submit("--memory", "64Mi", "--", "sleep", "1000")
        berth.wait_for(lambda: berth.states(job) == {"running"}, "it to run")
        remount("ro")
        waits = berth.submit("--memory", "65Mi", "--", "true")
        berth.wait_for(lambda: berth.ended_attempt(waits), "an attempt to fail")
        told = berth.ok("describe", "task", waits + ".0")
        for word in ("ISOLATION_FAILED", "cgroup", "Read-only file system"):
            self.assertIn(word, told)
        berth.ok("cancel", job)
        berth.run("wait", job)
        self.assertEqual({"cancelled"}, berth.states(job))
        remount("rw")
        self.assertEqual("well\n", berth.ok("run", "-q", "--memory", "66Mi", "--", "echo", "well"))
        berth.ok("wait", waits)
