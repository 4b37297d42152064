"""Attempts that were started after a snapshot, once that snapshot is put back: listed, adopted, killed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

MEMORY = ("--memory", "16Mi")


class ReconcileTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(
            nodes=["node-a"],  # 4 cpu
            berthd={"heartbeatInterval": "1s", "lease": "3s", "lostAfter": "30s"})
        self.notes = self.berth.directory / "notes"
        self.notes.mkdir()

    def submit(self, name, *arguments):
        """Each of its tasks notes its attempt, waits for a gate of its own, and exits with 7."""
        return self.berth.submit(
            *arguments, *MEMORY, "--", "sh", "-c",
            f"note={self.notes}/{name}.${{BERTH_ARRAY_INDEX:-0}}; echo $BERTH_ATTEMPT >> $note; "
            "while ! test -e $note.gate; do sleep 0.05; done; exit 7")

    def started(self, name):
        """The attempts of it that were ever started."""
        note = self.notes / name
        return [int(line) for line in note.read_text().split()] if note.exists() else []

    def open(self, name):
        (self.notes / f"{name}.gate").touch()

    def quarantined(self):
        return {item["id"]: item["attempt"]
                for item in self.berth.json("admin", "reconcile")["items"]}

    def wait_started(self, name, count=1):
        self.berth.wait_for(lambda: len(self.started(name)) == count,
                            lambda: f"{count} starts of {name}: {self.started(name)}")

    def task(self, job, index):
        return self.berth.tasks(job)[index]

    def test_what_the_restored_state_does_not_know_is_listed_adopted_and_killed(self):
        berth = self.berth
        kept = self.submit("kept", "--cpu", "1")
        array = self.submit("array", "--array", "0-1", "--cpu", "2")
        self.wait_started("kept.0")
        self.wait_started("array.0")
        berth.wait_for(lambda: berth.states(array) == {"running", "parked"}, "one to be parked")
        snapshot = berth.directory / "saved"
        berth.ok("admin", "snapshot", "save", snapshot)

        # After it: the array's second task gets its only attempt, and a job comes.
        self.open("array.0")
        self.wait_started("array.1")
        late = self.submit("late", "--cpu", "1")
        self.wait_started("late.0")
        self.assertEqual(0, berth.berthd.stop())
        berth.ok("admin", "snapshot", "restore", snapshot, "--config", berth.berthd_config_path)
        berth.start_berthd()
        berth.wait_for_nodes()

        known, unknown = f"{array}.1#1", f"{late}.0#1"
        found = self.quarantined()
        self.assertEqual({known, unknown}, set(found))
        self.assertTrue(found[known]["jobKnown"])
        self.assertFalse(found[unknown]["jobKnown"])
        self.assertEqual({"node-a"}, {attempt["node"] for attempt in found.values()})
        self.assertEqual(2000, found[known]["resources"]["cpuMilli"])
        berth.wait_for(lambda: berth.metric("berth_attempts_quarantined") == 2, "the metric")
        self.assertIn("2 attempts; see 'berth admin reconcile", berth.ok("describe", "node", "node-a"))
        self.assertIn("'berth admin reconcile --node node-a'", berth.berthd.log())
        # The known job's tasks wait: for the others to have been heard, and for that attempt.
        self.assertEqual({"queued"}, berth.states(array))
        self.assertEqual("ATTEMPT_NOT_ENDED", self.task(array, 1)["reason"])
        self.assertIn(f"attempt {known} of it has not ended on node \"node-a\", where it is in quarantine",
                      berth.ok("explain", f"{array}.1"))

        # One is adopted, the other cannot be, and says why.
        self.assert_refused(berth.run("admin", "reconcile", "--adopt"), 1,
                            f"{unknown} on node \"node-a\"", f"job {late} is not known here",
                            f"berth admin reconcile --kill {unknown}", "berth submit")
        adopted = self.task(array, 1)
        self.assertEqual(("running", 1, "node-a"), (adopted["state"], adopted["attempt"]["number"],
                                                    adopted["attempt"]["node"]))
        self.assertEqual({unknown}, set(self.quarantined()))

        # It is durable; what is in quarantine is found again.
        berth.berthd.kill()
        berth.start_berthd()
        berth.wait_for_nodes()
        self.assertEqual("running", self.task(array, 1)["state"])
        self.assertEqual({unknown}, set(self.quarantined()))

        self.assert_refused(berth.run("admin", "reconcile", "--kill"), 2, "--all")
        self.assert_refused(berth.run("admin", "reconcile", "--kill", kept, known), 3,
                            f"{kept}: nothing of it is in quarantine", f"berth cancel {array}.1")
        self.assertIn("told to end", berth.ok("admin", "reconcile", "--kill", late))
        berth.wait_for(lambda: berth.metric("berth_cpu_allocated_cores") == 3, "its room to be free")
        self.assertEqual("nothing is in quarantine\n", berth.ok("admin", "reconcile"))
        self.assertFalse((self.notes / "late.0.gate").exists())

        # The adopted one's end is recorded, and makes room for the task that was under way in the
        # snapshot and is over: that one alone is run again.
        self.open("array.1")
        self.assertEqual(1, berth.run("wait", array).code)
        self.assertEqual(("failed", 1, 7), (lambda task: (
            task["state"], task["attempt"]["number"], task["attempt"]["exitCode"]))(
                self.task(array, 1)))
        self.assertEqual([1], self.started("array.1"))
        self.assertEqual([1, 10**6 + 1], self.started("array.0"))
        self.assertEqual([1], self.started("late.0"))

        # Nothing else was touched.
        self.assertEqual(("running", 1), (self.task(kept, 0)["state"],
                                          self.task(kept, 0)["attempt"]["number"]))
        self.open("kept.0")
        self.assertEqual(1, berth.run("wait", kept).code)
        self.assertEqual([1], self.started("kept.0"))
        self.assertEqual(7, self.task(kept, 0)["attempt"]["exitCode"])


if __name__ == "__main__":
    import unittest
    unittest.main()
