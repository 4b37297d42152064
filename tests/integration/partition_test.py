"""Nodes that are cut off from berthd while both go on: what each side does meanwhile, and after it.

The node "far" reaches berthd over TCP at an address that can be cut, "near" over the Unix socket. Tasks
write down themselves when they began and when they were last alive, in the boot time of the machine.
"""
import contextlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import own_namespaces  # noqa: E402

own_namespaces.enter()

import cluster  # noqa: E402
import processes  # noqa: E402

# Arguments: the file of its notes, a file whose appearance ends it, its exit code. Notes are lines
# "attempt event boot-time pid"; the last sign of life is in a file of its own, written over and over.
# SIGTERM is noted, and not obeyed.
WITNESS = """
import os, signal, sys, time
notes, gate, code = sys.argv[1], sys.argv[2], int(sys.argv[3])
attempt = os.environ["BERTH_ATTEMPT"]
now = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
def note(event):
    with open(notes, "a") as file:
        file.write(f"{attempt} {event} {now()} {os.getpid()}\\n")
signal.signal(signal.SIGTERM, lambda *_: note("term"))
sign = os.open(f"{notes}.{attempt}", os.O_WRONLY | os.O_CREAT, 0o644)
os.pwrite(sign, b"%020d" % now(), 0)
note("start")
while not os.path.exists(gate):
    os.pwrite(sign, b"%020d" % now(), 0)
    time.sleep(0.003)
print("attempt", attempt, "is through", flush=True)
note("end")
sys.exit(code)
"""


@own_namespaces.needed
class PartitionTest(cluster.IntegrationTest):
    def start(self, lease, lost_after):
        self.wire = own_namespaces.Wire()
        self.addCleanup(self.wire.mend)
        address = f"{self.wire.address}:{cluster.free_port()}"
        self.berth = self.new_cluster(
            nodes=["near"],
            berthd={"heartbeatInterval": "1s", "lease": lease, "lostAfter": lost_after,
                    "listen": address, "insecure": True, "insecureAgents": True})
        self.berth.add_agent("far", server=address)
        self.witness = self.berth.directory / "witness.py"
        self.witness.write_text(WITNESS)
        self.berth.start()

    # ---- tasks, and what they noted ----

    def submit(self, name, *options, code=0):
        return self.berth.submit("--name", name, "--memory", "64Mi", *options, "--",
                                 sys.executable, self.witness, self.berth.directory / name,
                                 self.gate(name), code)

    @contextlib.contextmanager
    def only_far(self):
        """What is submitted within can only go to the node that will be cut off."""
        self.berth.ok("cordon", "near")
        yield
        self.berth.ok("uncordon", "near")

    def submit_to_far(self, name, *options, **more):
        with self.only_far():
            job = self.submit(name, *options, **more)
            self.wait_for_start(name, 1)
        self.assertEqual("far", self.task(job)["attempt"]["node"])
        return job

    def gate(self, name):
        return self.berth.directory / f"{name}.gate"

    def noted(self, name, attempt, event):
        """(boot time, pid) of an event of an attempt; None: it has not noted such."""
        path = self.berth.directory / name
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        found = [(int(line[2]), int(line[3])) for line in lines
                 if line[:2] == [str(attempt), event]]
        self.assertTrue(event == "term" or len(found) <= 1, f"{name}: attempt {attempt} ran twice")
        return found[0] if found else None

    def pid(self, name, attempt=1):
        return self.noted(name, attempt, "start")[1]

    def is_alive(self, name, attempt=1):
        return processes.is_running(self.pid(name, attempt))

    def last_sign(self, name, attempt):
        return int((self.berth.directory / f"{name}.{attempt}").read_text())

    def wait_for_start(self, name, attempt, seconds=30):
        self.berth.wait_for(lambda: self.noted(name, attempt, "start"),
                            f"attempt {attempt} of {name} to run", seconds)

    def wait_for_end(self, name, attempt=1):
        self.berth.wait_for(lambda: not self.is_alive(name, attempt),
                            f"attempt {attempt} of {name} to end")

    def check_still_alive(self, name, attempt=1):
        """Not only there: it goes on."""
        before = self.last_sign(name, attempt)
        self.berth.wait_for(lambda: self.last_sign(name, attempt) > before, f"{name} to go on")
        self.assertTrue(self.is_alive(name, attempt))

    # ---- what berthd says ----

    def task(self, job):
        return self.berth.tasks(job)[0]

    def state_of_far(self):
        return next(n["state"] for n in self.berth.nodes() if n["name"] == "far")

    def wait_for_silence(self):
        self.berth.wait_for(lambda: self.state_of_far() == "not-ready", "the node's lease to end")

    def check_succeeded(self, job, attempts):
        self.assertEqual("", self.berth.run("wait", "-q", job).err)
        task = self.task(job)
        self.assertEqual(("succeeded", attempts, attempts, 0),
                         (task["state"], task["attempts"], task["attempt"]["number"],
                          task["attempt"]["exitCode"]))
        self.assertEqual(f"attempt {attempts} is through\n", self.berth.ok("logs", job))

    def check_never_together(self, name):
        """The first attempt showed its last sign of life before the second one's first."""
        self.assertLess(self.last_sign(name, 1), self.noted(name, 2, "start")[0])

    def lost(self):
        return self.berth.metric("berth_attempts_lost_total")

    # ---- the cases ----

    def test_shorter_than_the_lease_nothing_happens(self):
        self.start("2m", "5m")
        ends, fails, stays = (self.submit_to_far("ends"), self.submit_to_far("fails", code=3),
                              self.submit_to_far("stays"))
        self.wire.cut()
        for name in ("ends", "fails"):
            self.gate(name).touch()
            self.wait_for_end(name)
        with self.only_far():
            late = self.submit("late")
        self.check_still_alive("stays")
        # What happened there is not known here, and nothing is made of it.
        self.assertEqual("ready", self.state_of_far())
        for job in (ends, fails, stays):
            self.assertEqual("running", self.task(job)["state"])
        self.assertEqual("bound", self.task(late)["state"])
        self.assertIsNone(self.noted("late", 1, "start"))

        self.wire.mend()
        self.check_succeeded(ends, 1)
        self.assertEqual(1, self.berth.run("wait", fails).code)
        self.assertEqual((3, 1), (self.task(fails)["attempt"]["exitCode"],
                                  self.task(fails)["attempts"]))
        self.assertEqual("attempt 1 is through\n", self.berth.ok("logs", fails))
        self.wait_for_start("late", 1)
        for job, name in ((stays, "stays"), (late, "late")):
            self.gate(name).touch()
            self.check_succeeded(job, 1)
        self.assertEqual(0, self.lost())

    def test_longer_than_the_lease_the_node_is_not_ready_until_it_is_back(self):
        self.start("3s", "5m")
        stays, ends, unwanted = (self.submit_to_far("stays"), self.submit_to_far("ends"),
                                 self.submit_to_far("unwanted", "--grace", "1s"))
        self.wire.cut()
        self.wait_for_silence()
        self.gate("ends").touch()
        self.wait_for_end("ends")
        self.berth.ok("cancel", unwanted)
        self.assertEqual("stopping", self.task(unwanted)["state"])
        # Nothing new goes there, though nothing else has room.
        whole = self.submit("whole", "--cpu", "4")
        more = self.submit("more", "--cpu", "1")
        self.wait_for_start("whole", 1)
        self.berth.wait_for(lambda: self.task(more)["state"] == "parked", "the next to be parked")
        for name in ("stays", "unwanted"):
            self.check_still_alive(name)
        self.assertEqual({1}, {self.task(job)["attempts"] for job in (stays, ends, unwanted)})

        self.wire.mend()
        self.berth.wait_for_nodes()
        self.check_succeeded(ends, 1)
        self.berth.wait_for(lambda: self.task(unwanted)["state"] == "cancelled",
                            "what was cancelled meanwhile to be so")
        self.assertFalse(self.is_alive("unwanted"))
        self.wait_for_start("more", 1)
        self.assertEqual("far", self.task(more)["attempt"]["node"])
        self.assertTrue(self.is_alive("stays"))
        for job, name in ((stays, "stays"), (whole, "whole"), (more, "more")):
            self.gate(name).touch()
            self.check_succeeded(job, 1)
        self.assertEqual(0, self.lost())

    def check_given_up_and_held(self, job):
        """Of a task of 3 cores that was tried again at "near" while its first attempt ran on: the node
        is back, and the first is asked to end, but has not yet."""
        # Neither node has 3 cores but for what the old attempt holds.
        waits = self.submit("waits", "--cpu", "3")
        self.berth.wait_for(lambda: self.task(waits)["state"] == "parked", "it to be parked")
        self.wire.mend()
        self.berth.wait_for(lambda: self.noted("twice", 1, "term"),
                            "the attempt that was given up to be told to stop")
        self.berth.wait_for_nodes()
        # The scheduler has been at it since.
        self.berth.ok("run", "--cpu", "1", "--", "true")
        self.assertTrue(self.is_alive("twice", 1))
        self.assertEqual("parked", self.task(waits)["state"])
        # Only now.
        self.gate("twice.first").touch()
        self.wait_for_start("waits", 1)
        self.assertEqual("far", self.task(waits)["attempt"]["node"])
        self.assertLess(self.last_sign("twice", 1), self.noted("waits", 1, "start")[0])
        self.assertTrue(self.is_alive("twice", 2))
        self.gate("waits").touch()
        self.check_succeeded(waits, 1)
        self.gate("twice").touch()
        self.check_succeeded(job, 2)
        self.assertEqual("near", self.task(job)["attempt"]["node"])
        self.assertIn("NODE_LOST", self.berth.ok("describe", f"{job}.0"))

    def submit_held(self):
        """As submit_to_far, "twice", of 3 cores; its first attempt waits for "twice.first.gate"."""
        command = (f"gate={self.gate('twice')}; "
                   f"[ $BERTH_ATTEMPT = 1 ] && gate={self.gate('twice.first')}; "
                   f"exec {sys.executable} {self.witness} {self.berth.directory / 'twice'} $gate 0")
        with self.only_far():
            job = self.berth.submit("--name", "twice", "--cpu", "3", "--memory", "64Mi", "--grace",
                                    "5m", "--", "sh", "-c", command)
            self.wait_for_start("twice", 1)
        return job

    def test_longer_than_lost_after_another_attempt_runs_and_the_first_is_stopped(self):
        self.start("3s", "5s")
        job = self.submit_held()
        self.wire.cut()
        self.wait_for_start("twice", 2)
        # Both run: docs/life_of_a_task.md says so.
        self.check_still_alive("twice", 1)
        self.check_still_alive("twice", 2)
        self.check_given_up_and_held(job)
        self.assertEqual(1, self.lost())

    def test_fenced_tasks_end_by_themselves_before_they_are_tried_elsewhere(self):
        self.start("6s", "5m")
        kill = self.submit_to_far("kill", "--on-partition", "kill", "--grace", "1s")
        keep = self.submit_to_far("keep")
        self.wire.cut()
        self.wait_for_start("kill", 2, 60)
        self.check_never_together("kill")
        self.assertFalse(self.is_alive("kill", 1))
        self.assertIsNotNone(self.noted("kill", 1, "term"), "it was not asked first")
        self.assertEqual("near", self.task(kill)["attempt"]["node"])
        self.check_still_alive("keep")
        self.assertEqual((1, "running"), (self.task(keep)["attempts"], self.task(keep)["state"]))

        self.wire.mend()
        self.berth.wait_for_nodes()
        self.assertTrue(self.is_alive("kill", 2))
        self.assertTrue(self.is_alive("keep"))
        for job, name, attempts in ((kill, "kill", 2), (keep, "keep", 1)):
            self.gate(name).touch()
            self.check_succeeded(job, attempts)
        self.assertIn("NODE_LOST", self.berth.ok("describe", f"{kill}.0"))
        self.assertEqual(1, self.lost())
        self.assertIsNone(self.noted("kill", 3, "start"))

    def test_berthd_killed_meanwhile_gives_nothing_up_too_early(self):
        self.start("6s", "5m")
        stays, ends = self.submit_to_far("stays"), self.submit_to_far("ends")
        kill = self.submit_to_far("kill", "--on-partition", "kill", "--grace", "1s")
        self.wire.cut()
        self.berth.berthd.kill()
        self.gate("ends").touch()
        self.wait_for_end("ends")
        self.berth.start_berthd()
        self.assertEqual({"running"},
                         {self.task(job)["state"] for job in (stays, ends, kill)})
        self.wait_for_start("kill", 2, 60)
        self.check_never_together("kill")

        self.wire.mend()
        self.berth.wait_for_nodes()
        self.check_succeeded(ends, 1)
        self.assertTrue(self.is_alive("stays"))
        for job, name, attempts in ((stays, "stays", 1), (kill, "kill", 2)):
            self.gate(name).touch()
            self.check_succeeded(job, attempts)

    def test_berthd_killed_again_and_again_holds_the_room_of_what_was_given_up(self):
        self.start("3s", "5s")
        job = self.submit_held()
        self.wire.cut()
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.wait_for_start("twice", 2)
        self.check_still_alive("twice", 1)
        # It has given the first one up, and forgets that not.
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for_nodes(["near"])
        self.assertEqual(2, self.task(job)["attempts"])
        self.check_given_up_and_held(job)
