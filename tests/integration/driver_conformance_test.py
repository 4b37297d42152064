"""What holds for a task whatever it runs in: one suite, on each driver. With the real programs, as
root, in cgroups of its own; what only an image has is in images_test.py."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cgroup_tree
import cluster
import processes
import root_file_system

NOBODY = 65534
SMALL = ["--cpu", "0.1", "--memory", "64Mi"]
FOREVER = "while :; do sleep 1000; done"


class DriverConformance:
    """The suite. A driver's class says in `flags` how its tasks are asked for."""

    flags = []
    isolation = None

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def setUpClass(cls):
        cls.berth = cluster.Cluster(isolation=cls.isolation, berthd={"socketMode": "0666",
                                                                   "heartbeatInterval": "1s",
                                                                   "lease": "10s"})
        cls.addClassCleanup(cls.berth.close)
        cls.berth.directory.chmod(0o755)
        cls.folder = cls.berth.directory / "shared"
        cls.folder.mkdir()
        cls.folder.chmod(0o777)
        cls.prepare()
        cls.berth.start()

    def setUp(self):
        self.addCleanup(self.show_logs, self.berth)
        # In the environment of the task and of all that it starts, whatever they do.
        self.mark = f"BERTHTEST_MARK={uuid.uuid4()}"

    def sees(self, path):
        """Flags by which a task sees a folder of the node."""
        return []

    def arguments(self, *command, flags=()):
        return [*SMALL, *self.flags, "--env", self.mark, *flags, "--", *command]

    def run_task(self, *command, flags=(), **options):
        return self.berth.run("run", *self.arguments(*command, flags=flags), **options)

    def out(self, *command, flags=(), **options):
        return self.berth.ok("run", "-q", *self.arguments(*command, flags=flags), **options)

    def submit(self, *command, flags=()):
        return self.berth.submit(*self.arguments(*command, flags=flags))

    def attempt(self, job):
        return self.berth.tasks(job)[0]["attempt"]

    def marked(self):
        return processes.with_environment(self.mark)

    def wait_output(self, job, text):
        self.berth.wait_for(lambda: text in self.berth.run("logs", job).out,
                            lambda: f"{text!r} from job {job}: {self.berth.run('logs', job)}")

    def assert_nothing_left(self):
        self.berth.wait_for(lambda: not self.marked(),
                            lambda: "processes to go:\n" + processes.describe(self.marked()))
        self.assertEqual([], self.berth.task_processes())

    def assert_not_started(self, result, *words):
        self.assertEqual(125, result.code, result.out + result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assert_nothing_left()

    # ---- ends ----

    def test_exit_codes(self):
        for code in (0, 3, 255):
            with self.subTest(code=code):
                self.assertEqual(code, self.run_task("sh", "-c", f"exit {code}").code)

    def test_a_code_above_128_is_no_signal(self):
        job = self.submit("sh", "-c", "exit 137")
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual(137, self.attempt(job)["exitCode"])
        self.assertNotIn("signal", self.attempt(job))

    def test_a_signal_is_told_apart(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
            with self.subTest(signal=number):
                job = self.submit("sh", "-c", f"kill -{int(number)} $$")
                self.assertEqual(1, self.berth.run("wait", job).code)
                self.assertEqual(int(number), self.attempt(job)["signal"])

    # ---- starts that fail ----

    def test_a_program_that_is_not_there(self):
        self.assert_not_started(self.run_task("no-such-program"), "no-such-program", "PATH")
        self.assert_not_started(self.run_task("/bin/no-such-program"), "/bin/no-such-program",
                                "does not exist")
        self.assert_not_started(self.run_task("./here"), "./here", "does not exist")

    def test_a_program_that_cannot_be_executed(self):
        plain, no_interpreter = self.folder / "plain", self.folder / "script"
        plain.write_text("just text")
        no_interpreter.write_text("#!/no/such/shell\n")
        no_interpreter.chmod(0o755)
        sees = self.sees(self.folder)
        self.assert_not_started(self.run_task(plain, flags=sees), "may not be executed")
        plain.chmod(0o755)
        self.assert_not_started(self.run_task(plain, flags=sees), "neither a program")
        self.assert_not_started(self.run_task(no_interpreter, flags=sees), "interpreter")

    def test_a_working_directory_that_is_not_there(self):
        result = self.run_task("true", flags=["--workdir", "/no/such/folder"])
        self.assert_not_started(result, "/no/such/folder", "does not exist")

    # ---- what a task is given ----

    def test_environment(self):
        out = self.out("env", flags=["--env", "GREETING=hello world", "--env", "LANG=xx",
                                     "--array", "5"])
        told = dict(line.split("=", 1) for line in out.splitlines())
        self.assertEqual("hello world", told["GREETING"])
        self.assertEqual("xx", told["LANG"])
        self.assertEqual("5", told["BERTH_ARRAY_INDEX"])
        self.assertEqual("1", told["BERTH_ATTEMPT"])
        self.assertEqual(told["BERTH_JOB_ID"] + ".5", told["BERTH_TASK_ID"])
        self.assertTrue(told["PATH"] and told["HOME"])
        self.assertNotIn("BERTH_SERVER", told)

    def test_a_large_environment(self):
        value = "x" * 100_000
        out = self.out("sh", "-c", "echo ${#BIG}", flags=["--env", f"BIG={value}"])
        self.assertEqual("100000\n", out)

    def test_its_own_directory_can_be_written(self):
        script = "cd \"$HOME\" 2>/dev/null; cd - >/dev/null; echo kept > file && cat file"
        self.assertEqual("kept\n", self.out("sh", "-c", script,
                                            flags=["--workdir", self.folder,
                                                   *self.sees(self.folder)]))

    def test_no_descriptor_of_anybody_else(self):
        self.assertEqual("0\n1\n2\n3\n", self.out("ls", "/proc/self/fd"))

    def test_user_and_groups(self):
        program = self.folder / "berth"
        if not program.exists():  # where its user can execute it
            shutil.copy(cluster.BIN / "berth", program)
            program.chmod(0o755)
        out = subprocess.run(
            [program, "run", "-q", *self.arguments("sh", "-c", "id -u; id -g; id -G; echo $HOME; "
                                                   "cat /proc/self/status; echo x >> /dev/stdout",
                                                   flags=["--workdir", "/"])],
            env=self.berth.environment(), cwd="/", user=NOBODY, group=NOBODY, extra_groups=[],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(0, out.returncode, out.stderr + self.berth.logs())
        lines = out.stdout.splitlines()
        self.assertEqual([str(NOBODY), str(NOBODY)], lines[:2])
        self.assertEqual({str(NOBODY)}, set(lines[2].split()))
        self.assertIn("CapEff:\t0000000000000000", out.stdout)
        self.assertEqual("x", lines[-1])

    # ---- output ----

    def test_standard_output_and_error_apart(self):
        result = self.berth.run("run", "-q", *self.arguments("sh", "-c", "echo out; echo err >&2"))
        self.assertEqual("out\n", result.out)
        self.assertEqual("err\n", result.err)

    def test_output_of_any_bytes_and_a_very_long_line(self):
        out = self.berth.popen("run", "-q", *self.arguments(
            "sh", "-c", "printf '\\377\\376\\n'; head -c 3000000 /dev/zero | tr '\\0' x; echo"))
        text, err = out.communicate(timeout=60)
        self.assertEqual(0, out.returncode, err)
        self.assertEqual(b"\xff\xfe\n" + b"x" * 3_000_000 + b"\n", text)

    def test_a_task_that_closes_its_output(self):
        self.assertEqual(4, self.run_task("sh", "-c", "exec >&- 2>&- <&-; exit 4").code)

    def test_a_script(self):
        path = self.berth.directory / f"{uuid.uuid4()}.yaml"
        image = {"image": self.flags[1]} if self.flags else {}
        path.write_text(json.dumps({
            "apiVersion": "berth/v1", "kind": "Job", "script": "#!/bin/sh\necho said: \"$1\"\nexit 6\n",
            "command": ["a b"], "resources": {"cpu": "100m", "memory": "64Mi"}, **image}))
        result = self.berth.run("run", "-f", path)
        self.assertEqual(6, result.code, result.err)
        self.assertEqual("said: a b\n", result.out)

    # ---- limits ----

    def test_more_memory_than_asked_for_is_told_apart(self):
        result = self.run_task("sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1")
        self.assertEqual(137, result.code, result.err)
        self.assertIn("out of memory at its limit of 64Mi", result.err)
        self.assert_nothing_left()

    def test_memory_used_is_counted(self):
        job = self.submit("sh", "-c", "dd if=/dev/zero of=/dev/null bs=32M count=1 2>/dev/null")
        self.assertEqual(0, self.berth.run("wait", job).code)
        peak = int(self.attempt(job)["usage"]["memoryPeakBytes"])
        self.assertGreater(peak, 32 << 20)
        self.assertLess(peak, 60 << 20)

    def test_no_more_processes_than_asked_for(self):
        result = self.run_task("sh", "-c", "for i in 1 2 3 4 5; do sleep 1000 & done; wait",
                               flags=["--max-processes", "3"])
        self.assertNotEqual(0, result.code)
        self.assert_nothing_left()
        self.assertEqual(0, self.run_task("true", flags=["--max-processes", "1"]).code)
        self.assertEqual(0, self.run_task("sh", "-c", "sleep 0.01; exit 0",
                                          flags=["--max-processes", "2"]).code)

    def test_a_time_limit(self):
        job = self.submit("sleep", "1000", flags=["--time-limit", "1s", "--grace", "60s"])
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual("timed-out", self.attempt(job)["end"])
        self.assert_nothing_left()

    # ---- stops ----

    def test_a_cancel_reaches_the_task(self):
        job = self.submit("sh", "-c", "trap 'echo bye; exit 7' TERM; echo ready; "
                          "while :; do sleep 0.05; done", flags=["--grace", "60s"])
        self.wait_output(job, "ready")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.assertEqual("ready\nbye\n", self.berth.run("logs", job).out)
        self.assertEqual("cancelled", self.attempt(job)["end"])
        self.assert_nothing_left()

    def test_a_cancel_ends_what_has_no_handler(self):
        job = self.submit("sleep", "1000", flags=["--grace", "10m"])
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "it to run")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.assertEqual(int(signal.SIGTERM), self.attempt(job)["signal"])

    def test_what_ignores_sigterm_is_killed_after_its_grace(self):
        job = self.submit("sh", "-c", f"trap '' TERM; echo ready; {FOREVER}",
                          flags=["--grace", "200ms"])
        self.wait_output(job, "ready")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.assertEqual(int(signal.SIGKILL), self.attempt(job)["signal"])
        self.assert_nothing_left()

    ESCAPES = (f"setsid sh -c '{FOREVER}' & (setsid sh -c 'sh -c \"{FOREVER}\" &' &) ; "
               "sleep 1000 & echo ready; ")

    def test_a_cancel_reaches_what_has_detached_itself(self):
        job = self.submit("sh", "-c", self.ESCAPES + "wait", flags=["--grace", "100ms"])
        self.wait_output(job, "ready")
        self.berth.wait_for(lambda: len(self.marked()) >= 4, "its children")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.assertEqual([], self.marked(), processes.describe(self.marked()))

    def test_what_is_left_behind_is_killed(self):
        job = self.submit("sh", "-c", self.ESCAPES + "exit 5")
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual(5, self.attempt(job)["exitCode"])
        self.assertEqual([], self.marked(), processes.describe(self.marked()))

    # ---- when something is killed ----

    def shims(self):
        return [p for p in processes.with_argument(self.berth.directory / "node-a" / "attempts")
                if b"berth-shim" in processes.read_proc(p, "cmdline").split(b"\0")[0]
                and processes.is_running(p)]

    def test_a_task_outlives_its_agent(self):
        gate = self.folder / str(uuid.uuid4())
        job = self.submit("sh", "-c", f"echo ready; until [ -e {gate} ]; do sleep 0.05; done; exit 9",
                          flags=self.sees(self.folder))
        self.wait_output(job, "ready")
        agent = self.berth.agents["node-a"]
        agent.kill()
        agent.start()
        self.berth.wait_for_nodes()
        self.assertTrue(self.marked())
        gate.touch()
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual(9, self.attempt(job)["exitCode"])
        self.assertEqual(1, self.berth.tasks(job)[0]["attempts"])

    def test_it_ends_while_no_agent_runs(self):
        gate = self.folder / str(uuid.uuid4())
        job = self.submit("sh", "-c", f"echo ready; until [ -e {gate} ]; do sleep 0.05; done; exit 9",
                          flags=self.sees(self.folder))
        self.wait_output(job, "ready")
        agent = self.berth.agents["node-a"]
        agent.kill()
        gate.touch()
        self.berth.wait_for(lambda: not self.marked(), "the task to end")
        agent.start()
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual(9, self.attempt(job)["exitCode"])

    def test_a_task_does_not_outlive_its_shim(self):
        job = self.submit("sh", "-c", self.ESCAPES + FOREVER)
        self.wait_output(job, "ready")
        shim, = self.shims()
        first = set(self.marked())
        processes.kill([shim])
        self.berth.wait_for(lambda: not first & set(self.marked()), "its processes to go")
        self.berth.wait_for(lambda: self.berth.tasks(job)[0]["attempts"] == 2 or
                            self.berth.states(job) == {"failed"}, "a new attempt")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        shown = self.berth.json("describe", f"{job}.0")
        self.assertIn("lost", json.dumps(shown))
        self.assert_nothing_left()

    def test_a_fenced_task_ends_with_the_lease(self):
        job = self.submit("sh", "-c", f"trap '' TERM; echo ready; {FOREVER}",
                          flags=["--on-partition", "kill", "--grace", "100ms"])
        self.wait_output(job, "ready")
        self.berth.berthd.signal(signal.SIGSTOP)
        try:
            self.berth.wait_for(lambda: not self.marked(), "it to end by itself")
        finally:
            self.berth.berthd.signal(signal.SIGCONT)
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)

    # ---- what stays ----

    # ---- beside it ----

    def running(self, script="", flags=()):
        """A task that runs until the test ends."""
        job = self.submit("sh", "-c", f"{script} echo up; {FOREVER}", flags=flags)
        self.addCleanup(self.assert_nothing_left)
        self.addCleanup(self.berth.run, "wait", job)
        self.addCleanup(self.berth.run, "cancel", job)
        self.wait_output(job, "up")
        return job

    def test_a_command_beside_it(self):
        job = self.running(flags=["--env", "COLOUR=blue"])
        told = self.berth.ok("exec", job, "--", "sh", "-c", "echo $COLOUR; id -u; readlink /proc/$$/root")
        self.assertEqual(["blue", str(os.getuid()), "/"], told.splitlines())
        self.assertEqual(7, self.berth.run("exec", job, "--", "sh", "-c", "exit 7").code)
        missing = self.berth.run("exec", job, "--", "no-such-program")
        self.assertEqual(127, missing.code, missing.err)
        self.assertIn('"no-such-program"', missing.err)

    def test_a_command_beside_it_counts_against_its_limits(self):
        if self.isolation == "none":
            self.skipTest("there are none")
        job = self.running()
        result = self.berth.run("exec", job, "--", "sh", "-c",
                                "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}")
        self.assertNotEqual("200000000\n", result.out)
        self.assertNotEqual(0, result.code)

    def test_files_of_it(self):
        there = self.folder / str(uuid.uuid4())
        here = self.berth.directory / f"copied-{uuid.uuid4()}"
        there.mkdir()
        here.mkdir()
        job = self.running("echo 1 > one; mkdir d; echo 2 > d/two;",
                           flags=[*self.sees(there), "--workdir", str(there)])
        self.berth.ok("cp", f"{job}:one", str(here))
        self.assertEqual("1\n", (here / "one").read_text())
        self.berth.ok("cp", "-r", f"{job}:{there}/d", str(here))
        self.assertEqual("2\n", (here / "d" / "two").read_text())
        (here / "three").write_text("3\n")
        self.berth.ok("cp", str(here / "three"), f"{job}:{there}/")
        self.assertEqual("3\n", self.berth.ok("exec", job, "--", "cat", "three"))
        self.assertEqual("3\n", (there / "three").read_text())
        self.assertIn("none", self.berth.run("cp", f"{job}:none", str(here)).err)

    def footprint(self):
        node = self.berth.directory / "node-a"
        agent = self.berth.agents["node-a"].pid
        return {
            "mounts": pathlib.Path("/proc/self/mountinfo").read_text().count("\n"),
            "mounts of the agent": pathlib.Path(f"/proc/{agent}/mountinfo").read_text().count("\n"),
            "descriptors of the agent": len(os.listdir(f"/proc/{agent}/fd")),
            "threads of the agent": len(os.listdir(f"/proc/{agent}/task")),
            "processes": len(self.berth.own_processes()),
            "attempts": len([p for p in (node / "attempts").iterdir()
                             if not p.name.startswith(".")]),
            "bundles": len(list((node / "bundles").iterdir())),
            "scratch": len(list((node / "scratch").iterdir())),
        }

    def test_a_hundred_tasks_leave_nothing(self):
        def run(indices):
            job = self.submit("sh", "-c", "sleep 1000 & exit 0", flags=["--array", indices])
            self.assertEqual(0, self.berth.run("wait", job, seconds=120).code)

        run("0-9")  # what is made once and kept
        self.berth.wait_for(lambda: self.footprint()["bundles"] == 0, "bundles to be removed")
        before = self.footprint()
        cgroups = len(cgroup_tree.directories(self.berth.cgroup_root))
        run("0-99")
        def grown():
            return {key: number for key, number in self.footprint().items() if number > before[key]}

        self.berth.wait_for(lambda: not grown(), lambda: f"{grown()} to be as before: {before}")
        # Those put aside for the next are bounded by how many ran at once.
        self.assertLessEqual(len(cgroup_tree.directories(self.berth.cgroup_root)),
                             cgroups + 5 * 100)
        self.assertEqual([], self.marked())


@unittest.skipUnless(cgroup_tree.is_writable(), "needs root and cgroups")
class ProcessDriverTest(DriverConformance, cluster.IntegrationTest):
    pass


@unittest.skipUnless(cgroup_tree.is_writable(), "needs root and cgroups")
class OciDriverTest(DriverConformance, cluster.IntegrationTest):
    @classmethod
    def prepare(cls):
        cls.root = root_file_system.make_root(cls.berth.directory / "root")
        cls.flags = ["--image", str(cls.root)]
        cls.content = sorted(str(p) for p in cls.root.rglob("*"))

    def sees(self, path):
        return ["--mount", str(path)]

    def tearDown(self):
        self.assertEqual(self.content, sorted(str(p) for p in self.root.rglob("*")),
                         "the image has changed")


class OciWithoutCgroupsTest(OciDriverTest):
    """What needs no cgroup: signals and ends."""

    isolation = "none"
    test_more_memory_than_asked_for_is_told_apart = None
    test_memory_used_is_counted = None
    test_no_more_processes_than_asked_for = None
