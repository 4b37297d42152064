"""Orderly ends and new beginnings of berthd and of agents, with work running."""
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402


class RestartTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(nodes=["node-a", "node-b"])
        self.gate = self.berth.directory / "gate"

    def submit_waiting(self, tasks):
        job = self.berth.submit(
            "--array", f"0-{tasks - 1}", "--cpu", "1", "--memory", "32Mi", "--", "sh", "-c",
            f"while ! [ -e {self.gate} ]; do sleep 0.02; done; echo done; exit $BERTH_ARRAY_INDEX")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "the tasks to run")
        return job

    def check_end(self, job, tasks):
        self.gate.touch()
        self.assertEqual(1 if tasks > 1 else 0, self.berth.run("wait", job).code)
        rows = self.berth.tasks(job)
        self.assertEqual(list(range(tasks)), [t["attempt"]["exitCode"] for t in rows])
        self.assertEqual([1] * tasks, [t["attempts"] for t in rows])

    def test_of_berthd_leaves_running_tasks_alone(self):
        job = self.submit_waiting(4)
        self.assertEqual(0, self.berth.berthd.stop())
        self.assertFalse(self.berth.socket.exists(), "its socket stays behind")
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        self.assertEqual({"running"}, self.berth.states(job))
        self.check_end(job, 4)

    def test_of_agents_leaves_running_tasks_alone(self):
        job = self.submit_waiting(4)
        for agent in self.berth.agents.values():
            self.assertEqual(0, agent.stop())
        self.berth.wait_for(lambda: {n["state"] for n in self.berth.nodes()} == {"not-ready"},
                            "the nodes to be not ready")
        for agent in self.berth.agents.values():
            agent.start()
        self.berth.wait_for_nodes()
        self.assertEqual({"running"}, self.berth.states(job))
        self.check_end(job, 4)

    def test_of_both_keeps_what_has_ended_and_its_output(self):
        self.gate.touch()
        job = self.berth.submit("--array", "0-2", "--", "sh", "-c", "echo $((BERTH_ARRAY_INDEX * 7))")
        self.berth.ok("wait", job)
        for daemon in self.berth.daemons():
            self.assertEqual(0, daemon.stop())
        self.berth.start()
        self.assertEqual({"succeeded"}, self.berth.states(job))
        self.assertEqual("14\n", self.berth.ok("logs", f"{job}.2"))
        self.assertEqual(str(int(job) + 1), self.berth.submit("--", "true"), "ids go on")

    def test_work_submitted_without_any_agent_waits_for_one(self):
        for agent in self.berth.agents.values():
            agent.stop()
        self.berth.wait_for(lambda: {n["state"] for n in self.berth.nodes()} == {"not-ready"},
                            "the nodes to be not ready")
        job = self.berth.submit("--", "true")
        self.berth.wait_for(lambda: self.berth.states(job) == {"parked"}, "it to be parked")
        self.assertIn("not ready", self.berth.ok("explain", job))
        self.berth.agents["node-b"].start()
        self.berth.ok("wait", job)
        self.assertEqual("node-b", self.berth.tasks(job)[0]["attempt"]["node"])

    def test_berthd_ends_soon_although_clients_follow(self):
        job = self.submit_waiting(1)
        waiting = self.berth.popen("wait", job)
        following = self.berth.popen("logs", "-f", job)
        # A client that never reached berthd gives up at once: this is about those that have.
        self.berth.wait_for(lambda: self.berth.metric("berth_watches") >= 1, "a watch to be open")
        self.berth.berthd.signal(signal.SIGTERM)
        self.assertEqual(0, self.berth.berthd.process.wait(20))
        self.berth.start_berthd()
        self.gate.touch()
        self.assertEqual(0, waiting.wait(30))
        following.communicate(timeout=30)
