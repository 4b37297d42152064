"""Stored state that is damaged: the start is refused by name, nothing is changed by that, and the way on that
is printed leads on."""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import processes  # noqa: E402

CORRUPT = cluster.BUILD / "tests" / "corrupt_record"
TASK = ("--cpu", "0.1", "--memory", "32Mi")


class CorruptRecordTest(cluster.IntegrationTest):
    def refused_start(self, daemon):
        """Starts it; it must end by itself, with exit code 1. What it said last."""
        daemon.start()
        processes.wait_until(lambda: not daemon.is_running(), self.berth.logs)
        self.assertEqual(1, daemon.process.returncode, self.berth.logs())
        return daemon.log_tail(1)

    # ---- berthd ----

    def start_with_snapshot(self):
        self.berth = self.start_cluster()
        self.data = pathlib.Path(self.berth.berthd_config["dataDir"])
        self.gate = self.berth.directory / "gate"
        self.done = self.berth.submit(*TASK, "--", "sh", "-c", "exit 3")
        self.assertEqual(1, self.berth.run("wait", self.done).code)
        self.open = self.berth.submit(*TASK, "--", "sh", "-c",
                                      f"while ! [ -e {self.gate} ]; do sleep 0.02; done")
        self.berth.wait_for(lambda: self.berth.states(self.open) == {"running"}, "it to run")
        self.saved = self.berth.directory / "saved"
        self.berth.ok("admin", "snapshot", "save", self.saved)
        self.later = self.berth.submit(*TASK, "--", "true")
        self.berth.ok("wait", self.later)
        self.assertEqual(0, self.berth.berthd.stop())

    def corrupt(self, table):
        """Damages the first record of a table; what a person calls it."""
        return subprocess.run([CORRUPT, self.data, table], check=True, text=True,
                              capture_output=True).stdout.strip()

    def digest(self, data=None):
        """A number that any change of any record changes."""
        return subprocess.run([CORRUPT, data or self.data], check=True, text=True,
                              capture_output=True).stdout

    def check_refusal(self, table, what):
        said = self.refused_start(self.berth.berthd)
        for words in (f'data directory "{self.data}"', f"table {table}, {what}",
                      "berth admin snapshot restore FILE --data-dir"):
            self.assertIn(words, said)
        return said

    def restore(self, said, *more):
        """Follows what was printed, with a snapshot for FILE."""
        command = re.search(r"berth (admin snapshot restore FILE --data-dir \S+)", said).group(1)
        words = [self.saved if word == "FILE" else word for word in shlex.split(command)]
        return self.berth.run(*words, *more)

    def check_restored(self):
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        self.assertEqual({"failed"}, self.berth.states(self.done))
        self.assertEqual({"running"}, self.berth.states(self.open))
        self.assertNotIn(self.later,
                         {job["id"] for job in cluster.items(self.berth.json("get", "jobs"))})
        self.gate.touch()
        self.berth.ok("wait", self.open)
        self.assertEqual(1, self.berth.tasks(self.open)[0]["attempts"])
        self.berth.ok("run", "--", "true")

    def test_of_each_table_is_refused_by_name(self):
        self.start_with_snapshot()
        whole = self.berth.directory / "whole"
        shutil.copytree(self.data, whole)
        for table, what in (("jobs", f"job {self.done}"), ("tasks", f"a task of job {self.done}"),
                            ("nodes", "slot 0"), ("node links", "slot 0"), ("blobs", "blob "),
                            ("change log", "epoch "), ("score sheets", ""), ("requests", "")):
            with self.subTest(table=table):
                shutil.rmtree(self.data)
                shutil.copytree(whole, self.data)
                named = self.corrupt(table)
                self.assertIn(what, named)
                self.check_refusal(table, named)

    def test_the_refusal_changes_nothing_and_a_snapshot_leads_on(self):
        self.start_with_snapshot()
        whole = self.digest()
        named = self.corrupt("jobs")
        before = self.digest()
        self.assertNotEqual(whole, before)
        said = self.check_refusal("jobs", named)
        again = self.check_refusal("jobs", f"job {self.done}")
        self.assertEqual(said.partition("data directory")[2], again.partition("data directory")[2])
        self.assertEqual(before, self.digest())
        done = self.restore(said)
        self.assertEqual(0, done.code, done.err)
        self.assertIn("generation 1", done.out)
        self.assertNotEqual(before, self.digest())
        self.check_restored()

    def test_when_the_generation_is_damaged_too_the_next_message_asks_for_it(self):
        self.start_with_snapshot()
        said = self.check_refusal("meta", self.corrupt("meta"))
        refused = self.restore(said)
        self.assert_refused(refused, 1, "give --generation N")
        done = self.restore(said, "--generation", "5")
        self.assertEqual(0, done.code, done.err)
        self.assertIn("generation 5", done.out)
        self.check_restored()
        self.assertEqual(5 * 10**10 + 1, min(
            int(job["id"]) for job in cluster.items(self.berth.json("get", "jobs"))
            if int(job["id"]) > 10**10))

    # ---- an agent ----

    def test_the_torn_end_of_an_agents_journal_is_cut_off_and_its_task_goes_on(self):
        self.berth = self.start_cluster()
        agent = self.berth.agents["node-a"]
        gate = self.berth.directory / "gate"
        job = self.berth.submit(*TASK, "--", "sh", "-c",
                                f"while ! [ -e {gate} ]; do sleep 0.02; done; exit 5")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "it to run")
        agent.kill()
        journal = self.berth.directory / "node-a" / "journal"
        content = journal.read_bytes()
        journal.write_bytes(content + content[:30])  # of a group that was being written
        agent.start()
        self.berth.wait_for_nodes()
        self.assertIn("the journal's last 30 bytes were not whole and were cut off", agent.log())
        gate.touch()
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual(1, self.berth.tasks(job)[0]["attempts"])
        self.assertEqual(5, self.berth.tasks(job)[0]["attempt"]["exitCode"])

    def test_of_an_agents_journal_is_refused_by_name_and_the_way_on_leads_on(self):
        self.berth = self.start_cluster()
        agent = self.berth.agents["node-a"]
        self.berth.ok("wait", self.berth.submit(*TASK, "--", "true"))
        ran, gate = self.berth.directory / "ran", self.berth.directory / "gate"
        job = self.berth.submit(
            *TASK, "--", "sh", "-c",
            f"echo $BERTH_ATTEMPT $$ >> {ran}; while ! [ -e {gate} ]; do sleep 0.02; done")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "it to run")
        first = int(ran.read_text().split()[1])
        self.assertEqual(0, agent.stop())
        journal = self.berth.directory / "node-a" / "journal"
        content = bytearray(journal.read_bytes())
        content[40] ^= 0x10  # of the first group; whole ones follow
        journal.write_bytes(content)

        said = self.refused_start(agent)
        for words in (f"journal {journal} is damaged at byte 0", "To go on without it: mv "):
            self.assertIn(words, said)
        self.assertEqual(bytes(content), journal.read_bytes())
        self.assertEqual(said.partition("journal")[2],
                         self.refused_start(agent).partition("journal")[2])
        self.assertTrue(processes.is_running(first), "the task was not left alone")

        command = re.search(r"To go on without it: (mv \S+ \S+), and start", said).group(1)
        subprocess.run(shlex.split(command), check=True)
        agent.start()
        self.berth.wait_for_nodes()
        self.berth.wait_for(lambda: len(ran.read_text().splitlines()) == 2,
                            "the task to get a new attempt")
        self.assertEqual(["1", "2"], [line.split()[0] for line in ran.read_text().splitlines()])
        self.berth.wait_for(lambda: not processes.is_running(first), "the first attempt to be ended")
        gate.touch()
        self.berth.ok("wait", job)
        self.assertEqual(2, self.berth.tasks(job)[0]["attempts"])
        self.berth.ok("run", "--", "true")
