"""Disks that fill up, below berthd and below an agent: new work is refused by name, what runs ends and is
recorded, and it all goes on when there is room again."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import own_namespaces  # noqa: E402

own_namespaces.enter()

import cluster  # noqa: E402
import processes  # noqa: E402

KI, MI = 2**10, 2**20
TASK = ("--cpu", "0.1", "--memory", "32Mi")


class SmallDisk:
    """A file system of its own, and a file on it that takes the room away."""

    def __init__(self, directory, size, filler):
        own_namespaces.mount_small(directory, size)
        self.directory = directory
        self.filler = directory / filler

    def free(self):
        disk = os.statvfs(self.directory)
        return disk.f_bavail * disk.f_frsize

    def leave(self, left):
        with open(self.filler, "ab") as file:
            size = max(0, os.fstat(file.fileno()).st_size + self.free() - left)
            file.truncate(size)
            if size > 0:
                os.posix_fallocate(file.fileno(), 0, size)

    def make_room(self):
        self.filler.unlink()


@own_namespaces.needed
class FullDiskTest(cluster.IntegrationTest):
    def mount(self, directory, size, filler):
        disk = SmallDisk(directory, size, filler)
        self.addCleanup(own_namespaces.unmount, directory)  # before the cluster's folder is removed
        return disk

    def submit_waiting(self, code):
        """A task that runs until the gate opens, and then ends with this code."""
        job = self.berth.submit(*TASK, "--", "sh", "-c",
                                f"while ! [ -e {self.gate} ]; do sleep 0.02; done; exit {code}")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "the task to run")
        return job

    def end_of(self, job):
        task = self.berth.tasks(job)[0]
        return task["state"], task["attempt"].get("exitCode", 0), task["attempts"]


class OfBerthdTest(FullDiskTest):
    """256 MiB is where new work is refused, and 64 MiB the ballast."""

    def start(self):
        self.berth = self.new_cluster()
        self.gate = self.berth.directory / "gate"
        self.data = self.berth.directory / "data"
        # Named so that berthd takes the directory for an empty one.
        self.disk = self.mount(self.data, "448m", "lost+found")
        self.berth.start()
        self.ballast = self.data / "ballast"
        self.assertTrue(self.ballast.exists())

    def check_refused(self):
        # Every way in, as people and as programs see it.
        refused = self.berth.run("submit", "--", "true")
        self.assert_refused(refused, 5, str(self.data), "are left on its file system",
                            "no new work is taken; make room there")
        self.assertNotIn("try again", refused.err)
        self.assert_refused(self.berth.run("run", "--", "true"), 125, "make room there")
        answer = self.berth.run("submit", "-o", "json", "--", "true")
        self.assertEqual(5, answer.code)
        error = json.loads(answer.out)["error"]
        self.assertEqual(("RESOURCE_EXHAUSTED", "DISK_FULL"), (error["code"], error["reason"]))

    def jobs(self):
        return {job["id"]: job["state"] for job in cluster.items(self.berth.json("get", "jobs"))}

    def check_taken_again(self):
        self.assertEqual("42\n", self.berth.run("run", "-q", "--", "echo", "42").out)
        self.assertTrue(self.ballast.exists(), "the ballast is not back")

    def test_new_work_is_refused_and_what_runs_ends_and_is_recorded(self):
        self.start()
        ends, fails, unwanted = (self.submit_waiting(0), self.submit_waiting(3),
                                 self.submit_waiting(4))
        before = self.jobs()
        self.disk.leave(200 * MI)
        self.check_refused()
        # What people do to what is there goes on.
        self.berth.ok("cordon", "node-a")
        self.berth.ok("uncordon", "node-a")
        self.berth.ok("cancel", unwanted)
        self.berth.wait_for(lambda: self.berth.states(unwanted) == {"cancelled"}, "it to be so")
        self.assertEqual(set(before), set(self.jobs()), "what was refused is there")
        self.assertTrue(self.ballast.exists())

        # So little that the ballast is given up for the ends of what runs.
        self.disk.leave(40 * MI)
        self.gate.touch()
        self.assertEqual(1, self.berth.run("wait", ends, fails).code)
        self.assertFalse(self.ballast.exists())
        self.assertGreater(self.disk.free(), 90 * MI)
        self.assertEqual([("succeeded", 0, 1), ("failed", 3, 1)],
                         [self.end_of(job) for job in (ends, fails)])
        self.check_refused()

        # It starts on such a disk, whatever ended it.
        after = self.jobs()
        self.assertEqual(0, self.berth.berthd.stop())
        self.berth.start_berthd()
        self.assertEqual(after, self.jobs())
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.assertEqual(after, self.jobs())
        self.check_refused()

        self.disk.make_room()
        self.berth.wait_for_nodes()
        self.check_taken_again()
        self.assertEqual(after, {id: self.jobs()[id] for id in after})

    def test_a_start_without_any_room_is_refused_by_name_and_loses_nothing(self):
        self.start()
        job = self.submit_waiting(0)
        done = self.berth.submit(*TASK, "--", "true")
        self.berth.ok("wait", done)
        self.disk.leave(40 * MI)
        self.berth.ok("cordon", "node-a")
        self.berth.wait_for(lambda: not self.ballast.exists(), "the ballast to be given up")
        self.disk.leave(0)
        # The log's own room is enough for some commits still, and they are acknowledged.
        self.berth.ok("uncordon", "node-a")
        self.gate.touch()
        self.berth.ok("wait", job)
        before = self.jobs()
        self.berth.berthd.kill()

        for _ in range(2):
            self.berth.berthd.start()
            processes.wait_until(lambda: not self.berth.berthd.is_running(), self.berth.logs)
            self.assertEqual(1, self.berth.berthd.process.returncode, self.berth.logs())
            last = self.berth.berthd.log_tail(1)
            for words in (str(self.data), "only 0 are left on its file system",
                          "make room there, then start berthd again"):
                self.assertIn(words, last)
        self.disk.make_room()
        self.berth.start_berthd()
        self.assertEqual(before, self.jobs())
        self.assertEqual(("succeeded", 0, 1), self.end_of(job))
        self.berth.wait_for_nodes()
        self.check_taken_again()


class OfAnAgentTest(FullDiskTest):
    def start(self):
        self.berth = self.new_cluster(nodes=[])
        self.gate = self.berth.directory / "gate"
        small = self.berth.directory / "small"
        self.disk = self.mount(small, "6m", "filler")
        self.agent = self.berth.add_agent("node-a", stateDir=str(small / "agent"))
        self.berth.start()

    def try_one(self):
        """Submits a task whose command takes room in the journal; why it could not start."""
        job = self.berth.submit(*TASK, "--", "sh", "-c", f"true # {'x' * 120 * KI}")
        self.berth.wait_for(lambda: self.berth.ended_attempt(job), "an attempt to fail")
        task = self.berth.tasks(job)[0]
        self.assertEqual("could-not-start", task["attempt"]["end"])
        self.berth.ok("cancel", job)  # else it is tried again until there is room
        return task["attempt"]["reason"], task["attempt"]["message"]

    def test_new_tasks_are_refused_by_name_and_what_runs_ends_and_is_reported(self):
        self.start()
        ends, fails, late = (self.submit_waiting(code) for code in (0, 3, 5))
        self.disk.leave(0)
        # At first it is the files of the task that have no room; then what the journal keeps ahead
        # for the ends of running ones is touched, and no more is taken at all.
        seen = []
        self.berth.wait_for(lambda: seen.append(self.try_one()) or
                            seen[-1][0] == "AGENT_JOURNAL_FULL",
                            lambda: f"the journal to be full: {seen}")
        for reason, message in seen[:-1]:
            self.assertEqual("DRIVER_ERROR", reason)
            self.assertIn("No space left on device", message)
        self.assertIn('the disk of node "node-a" that holds the agent\'s journal is full',
                      seen[-1][1])
        self.assertEqual("AGENT_JOURNAL_FULL", self.try_one()[0])

        # A killed agent comes back on the full disk, and finds what runs.
        self.agent.kill()
        self.agent.start()
        self.berth.wait_for_nodes()
        self.assertEqual([{"running"}] * 3, [self.berth.states(j) for j in (ends, fails, late)])
        self.gate.touch()
        self.assertEqual(1, self.berth.run("wait", ends, fails, late).code)
        self.assertEqual([("succeeded", 0, 1), ("failed", 3, 1), ("failed", 5, 1)],
                         [self.end_of(job) for job in (ends, fails, late)])

        # Nothing has to happen there for the room to be seen.
        self.assertEqual("AGENT_JOURNAL_FULL", self.try_one()[0])
        said = self.agent.log().count("the journal has room again")
        self.disk.make_room()
        self.berth.wait_for(lambda: self.agent.log().count("the journal has room again") > said,
                            "the agent to see it")
        self.assertEqual("42\n", self.berth.run("run", "-q", "--", "echo", "42").out)
