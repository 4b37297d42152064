"""A disk that loses writes: nothing that was not synced is ever called done."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import processes  # noqa: E402

LIBRARY = cluster.BUILD / "tests" / "failing_sync.so"


class FailedSyncTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.new_cluster()
        self.trigger = self.berth.directory / "syncs-fail"
        self.ran = self.berth.directory / "ran"

    def preload(self, daemon):
        daemon.wrapper = ["env", f"LD_PRELOAD={LIBRARY}", f"BERTH_TEST_FAIL_SYNC={self.trigger}"]

    def await_end_of(self, daemon):
        """It must end by itself, and not as if all were well."""
        processes.wait_until(lambda: not daemon.is_running(),
                             lambda: f"{daemon.program} to end:\n{self.berth.logs()}")
        self.assertGreater(daemon.process.returncode, 0)
        self.assertIn("sync", daemon.log_tail(5))
        self.trigger.unlink()

    def append(self, text):
        return ["sh", "-c", f"echo {text}$BERTH_ATTEMPT >> {self.ran}"]

    def test_of_berthd(self):
        self.preload(self.berth.berthd)
        self.berth.start()
        first = self.berth.submit("--", *self.append("first"))
        self.berth.ok("wait", first)
        self.trigger.touch()
        submit = self.berth.popen("submit", "-q", "--", *self.append("second"))
        self.await_end_of(self.berth.berthd)
        self.assertIsNone(submit.poll(), "answered although nothing was synced")

        # Whether the record reached the disk or not: the client repeats it, and it is there once.
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        out, err = submit.communicate(timeout=60)
        self.assertEqual(0, submit.returncode, err)
        second = out.decode().strip()
        self.assertEqual(int(first) + 1, int(second))
        self.berth.ok("wait", second)
        self.assertEqual({first, second},
                         {job["id"] for job in cluster.items(self.berth.json("get", "jobs"))})
        self.assertEqual(["first1", "second1"], self.ran.read_text().splitlines())
        self.assertEqual({"succeeded"}, self.berth.states(first))

    def test_of_an_agent(self):
        agent = self.berth.agents["node-a"]
        self.preload(agent)
        self.berth.start()
        self.trigger.touch()
        job = self.berth.submit("--", *self.append("task"))
        self.await_end_of(agent)
        self.assertFalse(self.ran.exists(), "it was started without a note of it")
        self.assertEqual({"bound"}, self.berth.states(job))

        agent.start()
        self.berth.ok("wait", job)
        self.assertEqual(["task1"], self.ran.read_text().splitlines())
        self.assertEqual({"succeeded"}, self.berth.states(job))
