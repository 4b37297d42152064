"""Nodes that are not heard from: stopped agents, killed ones, and their return; and tasks that end by
themselves meanwhile."""
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import processes  # noqa: E402


class SilenceTest(cluster.IntegrationTest):
    def start(self, lost_after):
        self.berth = self.start_cluster(
            nodes=["node-a", "node-b"],
            berthd={"heartbeatInterval": "1s", "lease": "3s", "lostAfter": lost_after})
        self.ran = self.berth.directory / "ran"
        self.gate = self.berth.directory / "gate"
        self.job = self.berth.submit(
            "--memory", "32Mi", "--", "sh", "-c",
            f"echo $BERTH_ATTEMPT $$ >> {self.ran}; while ! [ -e {self.gate} ]; do sleep 0.02; done")
        self.berth.wait_for(lambda: self.pid_of(1), "the first attempt to run")
        self.node = self.task()["attempt"]["node"]
        self.agent = self.berth.agents[self.node]

    def task(self):
        return self.berth.tasks(self.job)[0]

    def pid_of(self, attempt):
        """The process that an attempt wrote down itself; None: it never began."""
        lines = self.ran.read_text().splitlines() if self.ran.exists() else []
        pids = [int(line.split()[1]) for line in lines if line.split()[0] == str(attempt)]
        self.assertLessEqual(len(pids), 1, f"attempt {attempt} ran twice")
        return pids[0] if pids else None

    def state_of_node(self):
        return next(n["state"] for n in self.berth.nodes() if n["name"] == self.node)

    def check_tried_elsewhere(self):
        self.berth.wait_for(lambda: self.state_of_node() == "not-ready", "the node's lease to end")
        self.assertEqual(1, self.task()["attempts"], "it was given up with the lease")
        self.berth.wait_for(lambda: self.pid_of(2), "the second attempt to run")
        self.assertNotEqual(self.node, self.task()["attempt"]["node"])
        # Nothing on the node was told so far: both run, as docs/life_of_a_task.md warns.
        self.assertTrue(processes.is_running(self.pid_of(1)))
        self.berth.wait_for(lambda: self.berth.metric("berth_attempts_lost_total") == 1,
                            "the metric to count it")

    def check_one_is_left(self):
        self.berth.wait_for(lambda: not processes.is_running(self.pid_of(1)),
                            "the attempt that was given up to be ended")
        self.berth.wait_for_nodes()
        self.assertTrue(processes.is_running(self.pid_of(2)))
        self.gate.touch()
        self.assertEqual(0, self.berth.run("wait", self.job).code)
        self.assertEqual(2, self.task()["attempts"])
        self.assertIn("NODE_LOST", self.berth.ok("describe", f"{self.job}.0"))

    def test_an_agent_that_stands_still(self):
        self.start("8s")
        self.agent.signal(signal.SIGSTOP)
        self.check_tried_elsewhere()
        self.agent.signal(signal.SIGCONT)
        self.check_one_is_left()

    def test_an_agent_that_is_gone_for_long(self):
        self.start("8s")
        self.agent.kill()
        self.check_tried_elsewhere()
        self.agent.start()
        self.check_one_is_left()

    def test_an_agent_that_is_back_in_time(self):
        self.start("5m")
        self.agent.signal(signal.SIGSTOP)
        self.berth.wait_for(lambda: self.state_of_node() == "not-ready", "the node's lease to end")
        self.agent.signal(signal.SIGCONT)
        self.berth.wait_for_nodes()
        self.gate.touch()
        self.assertEqual(0, self.berth.run("wait", self.job).code)
        self.assertEqual(1, self.task()["attempts"])

    def test_a_berthd_that_stood_still_gives_nothing_up(self):
        self.start("6s")
        self.berth.berthd.signal(signal.SIGSTOP)
        # Nobody answers for longer than lostAfter and what counts as a standstill.
        unanswered = self.berth.run("--request-timeout", "9s", "get", "jobs")
        self.assert_refused(unanswered, 5, "no answer within 9s")
        self.berth.berthd.signal(signal.SIGCONT)
        self.berth.wait_for_nodes()
        self.gate.touch()
        self.assertEqual(0, self.berth.run("wait", self.job).code)
        self.assertEqual(1, self.task()["attempts"])


class FenceTest(cluster.IntegrationTest):
    """onPartition: kill."""

    # Notes its attempt, its process, and which processes of attempts before it are still there.
    SCRIPT = """trap '' TERM
for before in $(cut -d ' ' -f 2 {notes}); do [ -d /proc/$before ] && alive=$alive,$before; done
echo $BERTH_ATTEMPT $$ $alive >> {notes}
while ! [ -e {gate} ]; do sleep 0.02; done"""

    def submit(self, what):
        notes = self.berth.directory / what
        notes.touch()
        return self.berth.submit("--memory", "32Mi", "--on-partition", what, "--grace", "1s", "--",
                                 "sh", "-c", self.SCRIPT.format(notes=notes, gate=self.gate))

    def note_of(self, what, attempt):
        """What an attempt noted, as words; None: it never began."""
        lines = (self.berth.directory / what).read_text().splitlines()
        notes = [line.split() for line in lines if line.split()[0] == str(attempt)]
        self.assertLessEqual(len(notes), 1, f"attempt {attempt} ran twice")
        return notes[0] if notes else None

    def task(self, job):
        return self.berth.tasks(job)[0]

    def test_a_fenced_task_has_ended_before_it_is_tried_elsewhere(self):
        # Above what a busy machine holds up an acknowledgement.
        self.berth = self.start_cluster(
            nodes=["node-a", "node-b"],
            berthd={"heartbeatInterval": "1s", "lease": "6s", "lostAfter": "5m"})
        self.gate = self.berth.directory / "gate"
        self.berth.ok("cordon", "node-b")
        kill, keep = self.submit("kill"), self.submit("keep")
        self.berth.wait_for(lambda: self.note_of("kill", 1) and self.note_of("keep", 1),
                            "both to run")
        self.berth.ok("uncordon", "node-b")

        agent = self.berth.agents["node-a"]
        agent.signal(signal.SIGSTOP)
        self.berth.wait_for(lambda: self.note_of("kill", 2), "the fenced task to run elsewhere", 60)
        self.assertEqual(2, len(self.note_of("kill", 2)), "the first attempt was still there")
        self.assertEqual("node-b", self.task(kill)["attempt"]["node"])
        self.assertTrue(processes.is_running(int(self.note_of("keep", 1)[1])))
        self.assertEqual(1, self.task(keep)["attempts"])
        self.berth.wait_for(lambda: self.berth.metric("berth_attempts_lost_total") == 1,
                            "the metric to count it")

        agent.signal(signal.SIGCONT)
        self.berth.wait_for_nodes()
        self.assertTrue(processes.is_running(int(self.note_of("kill", 2)[1])))
        self.gate.touch()
        self.assertEqual(0, self.berth.run("wait", kill, keep).code)
        self.assertEqual([2, 1], [self.task(job)["attempts"] for job in (kill, keep)])
        self.assertIn("NODE_LOST", self.berth.ok("describe", f"{kill}.0"))

    def test_a_fenced_task_ends_when_berthd_is_away_for_long(self):
        self.berth = self.start_cluster(berthd={"heartbeatInterval": "1s", "lease": "6s"})
        self.gate = self.berth.directory / "gate"
        kill, keep = self.submit("kill"), self.submit("keep")
        self.berth.wait_for(lambda: self.note_of("kill", 1) and self.note_of("keep", 1),
                            "both to run")
        self.berth.berthd.kill()
        pid = int(self.note_of("kill", 1)[1])
        self.berth.wait_for(lambda: not processes.is_running(pid), "the fenced task to end by itself")
        self.berth.start_berthd()
        self.berth.wait_for(lambda: self.note_of("kill", 2), "the second attempt to run")
        self.gate.touch()
        self.assertEqual(0, self.berth.run("wait", kill, keep).code)
        self.assertEqual([2, 1], [self.task(job)["attempts"] for job in (kill, keep)])
        self.assertIn("onPartition: kill", self.berth.ok("describe", f"{kill}.0"))
