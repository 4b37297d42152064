"""What is wrong with a node, as it and berthd see it."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402


class DiagnoseTest(cluster.IntegrationTest):
    def findings(self, berth, subject):
        """Levels and texts of what is said of a subject."""
        result = berth.run("node", "diagnose", "node-a", "-o", "json")
        document = cluster.json.loads(result.out)
        return [(f["level"], f["text"]) for f in document["findings"] if f["subject"] == subject]

    def test_a_healthy_node(self):
        berth = self.start_cluster()
        # The machine itself may be short of something: that is not this test's concern.
        berth.run("node", "diagnose", "node-a")
        for subject in ("connection", "clock", "starts", "version", "shim", "journal", "heartbeats",
                        "descriptors"):
            (level, text), = self.findings(berth, subject)
            self.assertEqual("good", level, f"{subject}: {text}")
        table = berth.run("node", "diagnose", "node-a").out
        self.assertRegex(table, r"^LEVEL +SUBJECT +FINDING\n")
        self.assertIn("berth-shim runs", table)
        self.assertRegex(berth.ok("describe", "node", "node-a"), r"Clock: +agrees with berthd's")

    def test_what_keeps_tasks_away_is_found(self):
        berth = self.new_cluster()
        flag = berth.directory / "sick"
        berth.add_agent("node-a", prolog={"command": ["/bin/sh", "-c", f"! [ -e {flag} ]"]})
        berth.start()
        berth.ok("cordon", "node-a")
        self.assertEqual("odd", self.findings(berth, "cordon")[0][0])
        berth.ok("uncordon", "node-a")
        # A job's own mistake says nothing against the node.
        job = berth.submit("--workdir", "/no/such/folder", "--", "true")
        berth.run("wait", job)
        result = berth.run("node", "diagnose", "node-a")
        self.assertRegex(result.out, f"good +starts +task {job}.0 could not be started .* ago: .*/no/such/folder")
        self.assertEqual(0, result.code, result.out)
        flag.touch()
        job = berth.submit("--", "true")
        berth.wait_for(lambda: berth.ended_attempt(job), "an attempt to fail")
        result = berth.run("node", "diagnose", "node-a")
        self.assertEqual(1, result.code, result.out)
        self.assertRegex(result.out, f"bad +starts +task {job}.0 could not be started .* ago: .*prolog")

    def test_a_node_that_is_away(self):
        berth = self.start_cluster()
        berth.agents["node-a"].kill()
        berth.wait_for(lambda: berth.nodes()[0]["state"] == "not-ready", "it to be missed")
        result = berth.run("node", "diagnose", "node-a")
        self.assertEqual(1, result.code, result.out)
        self.assertRegex(result.out.splitlines()[1], "^bad +connection +the node is not ready: .*and is "
                                                     "not connected")

    def test_what_is_not_there(self):
        berth = self.start_cluster()
        self.assert_refused(berth.run("node", "diagnose", "node-x"), 3, "node-x")
        self.assert_refused(berth.run("node", "diagnose"), 2, "which node?")
        self.assert_refused(berth.run("node"), 2, "berth node diagnose NODE")


if __name__ == "__main__":
    unittest.main()
