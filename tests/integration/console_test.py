"""What people do with a running task, with the real programs: exec, attach, run --pty, cp, port-forward.
A captured terminal shows what a person sees."""
import fcntl
import hashlib
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
import unittest
import urllib.request

import cluster
import processes
from processes import wait_until

NOBODY = 65534
CTRL_C = b"\x03"
DETACH = b"\x10\x11"


class Terminal:
    """A command on a terminal of its own, typed into and read by the test."""

    def __init__(self, test, berth, *arguments, rows=31, columns=97):
        self.holder, end = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(end)
        self.end = end
        self.seen = b""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(end, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [cluster.BIN / "berth", *map(str, arguments)], stdin=end, stdout=end, stderr=end,
            cwd=berth.directory, env=berth.environment(TERM="xterm"), preexec_fn=own_terminal)
        test.addCleanup(self.close)

    def resize(self, rows, columns):
        fcntl.ioctl(self.holder, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.holder, text if isinstance(text, bytes) else text.encode())

    def read_some(self, seconds):
        if not select.select([self.holder], [], [], seconds)[0]:
            return
        try:
            self.seen += os.read(self.holder, 65536)
        except OSError:  # nobody has the other end open any more
            pass

    def wait_for(self, pattern, seconds=30):
        """Until the pattern is seen; what was seen up to its end is forgotten then."""
        deadline = time.monotonic() + seconds
        wanted = re.compile(pattern.encode(), re.DOTALL)
        while not (found := wanted.search(self.seen)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"the terminal did not show {pattern!r} but {self.seen!r}")
            self.read_some(min(left, 1))
        self.seen = self.seen[found.end():]
        return found

    def wait(self, seconds=30):
        """Its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end; the terminal showed {self.seen!r}")
            self.read_some(0.1)
        self.read_some(0)
        return self.process.returncode

    def is_as_before(self):
        return termios.tcgetattr(self.end) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.holder)
        os.close(self.end)


class ConsoleTest(cluster.IntegrationTest):
    @classmethod
    def setUpClass(cls):
        cls.berth = cluster.Cluster(nodes=["node-a"], berthd={"socketMode": "0666"})
        # Another user reaches the socket and its files.
        cls.berth.directory.chmod(0o711)
        cls.berth.start()

    @classmethod
    def tearDownClass(cls):
        cls.berth.close()

    def setUp(self):
        self.addCleanup(self.show_logs, self.berth)

    def start_task(self, *arguments, **options):
        job = self.berth.ok("submit", "-q", *arguments, **options).strip()
        self.addCleanup(lambda: self.berth.run("cancel", job))
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"},
                            lambda: f"job {job} to run; it is {self.berth.states(job)}")
        return job

    def scratch(self, name):
        folder = self.berth.directory / f"{self.id().rsplit('.', 1)[-1]}-{name}"
        folder.mkdir()
        return folder

    def agent_counts(self):
        pid = self.berth.agents["node-a"].pid
        children = [p for p in processes.pids()
                    if f"PPid:\t{pid}\n".encode() in processes.read_proc(p, "status")]
        return len(os.listdir(f"/proc/{pid}/fd")), len(children)

    # ---- exec ----

    def test_exec_ends_as_its_command_and_keeps_its_streams_apart(self):
        job = self.start_task("--env", "COLOUR=green", "--workdir", "/tmp", "--", "sleep", "1000")
        result = self.berth.run("exec", job, "--", "sh", "-c",
                                "echo $COLOUR $PWD $BERTH_TASK_ID; echo oops >&2; exit 3")
        self.assertEqual((3, f"green /tmp {job}.0\n", "oops\n"), result)
        self.assertEqual(137, self.berth.run("exec", job, "--", "sh", "-c", "kill -9 $$").code)
        self.assert_refused(self.berth.run("exec", job, "--", "no-such-program"), 127,
                            "no-such-program", "PATH")
        self.assert_refused(self.berth.run("exec", job, "--", "/etc/hostname"), 126,
                            "#! line")

    def test_exec_takes_standard_input_to_its_end(self):
        job = self.start_task("--", "sleep", "1000")
        data = os.urandom(3_000_000)
        process = self.berth.popen("exec", job, "--", "sha256sum", stdin=subprocess.PIPE)
        out, err = process.communicate(data, timeout=60)
        self.assertEqual(0, process.returncode, err)
        self.assertEqual(hashlib.sha256(data).hexdigest(), out.decode().split()[0])

    def test_exec_is_in_the_tasks_cgroup(self):
        if self.berth.isolation == "none":
            self.skipTest("no cgroups can be made here")
        job = self.start_task("--", "sh", "-c", "cat /proc/self/cgroup; sleep 1000")
        self.berth.wait_for(lambda: "pids" in self.berth.ok("logs", job), "the task's cgroup")
        mine = self.berth.ok("exec", job, "--", "cat", "/proc/self/cgroup")
        self.assertEqual(self.berth.ok("logs", job), mine)

    def test_exec_is_killed_with_all_it_started_when_the_client_goes(self):
        job = self.start_task("--", "sleep", "1000")
        mark = f"MARK-{self.berth.directory.name}"
        process = self.berth.popen(
            "exec", job, "--", "sh", "-c",
            f"setsid sh -c 'sleep 999; : {mark}' & echo there; cat", stdin=subprocess.PIPE)
        self.assertEqual(b"there\n", process.stdout.readline())
        wait_until(lambda: len(processes.with_argument(mark)) >= 2, "the command's children")
        process.kill()
        process.communicate()
        wait_until(lambda: not [p for p in processes.with_argument(mark) if processes.is_running(p)],
                   lambda: "nothing of it to be left:\n" +
                   processes.describe(processes.with_argument(mark)))

    def test_exec_ends_with_its_task(self):
        job = self.start_task("--", "sleep", "1000")
        process = self.berth.popen("exec", job, "--", "sh", "-c", "echo there; sleep 999")
        self.assertEqual(b"there\n", process.stdout.readline())
        self.berth.ok("cancel", job)
        process.communicate(timeout=30)
        self.assertNotEqual(0, process.returncode)

    def test_exec_of_what_does_not_run_says_so(self):
        self.assert_refused(self.berth.run("exec", "99999", "--", "true"), 125, "99999")
        self.assert_refused(self.berth.run("exec", "1"), 2, "--")
        job = self.berth.submit("--", "true")
        self.berth.ok("wait", job)
        self.assert_refused(self.berth.run("exec", job, "--", "true"), 125, "succeeded",
                            "running task")

    def test_exec_with_a_terminal_has_its_window_and_follows_it(self):
        job = self.start_task("--", "sleep", "1000")
        screen = Terminal(self, self.berth, "exec", job, "--", "sh")
        screen.type("stty size\n")
        screen.wait_for(r"31 97\r")
        screen.resize(40, 120)
        screen.type("stty size; kill -0 $$ && echo alive\n")
        screen.wait_for(r"40 120\r\nalive")
        screen.type("exit 5\n")
        self.assertEqual(5, screen.wait())
        self.assertTrue(screen.is_as_before())

    # ---- consoles ----

    def test_a_task_with_a_terminal_sees_its_window_keys_and_ctrl_c(self):
        screen = Terminal(self, self.berth, "run", "--pty", "--", "sh", "-c",
                          "trap 'echo INTERRUPTED' INT; stty size; while ! read a; do :; done;"
                          " echo got $a; exit 7")
        screen.wait_for("ctrl-p ctrl-q")
        screen.wait_for(r"31 97\r")
        screen.type(CTRL_C)
        screen.wait_for("INTERRUPTED")
        screen.type("hello\n")
        screen.wait_for("got hello")
        self.assertEqual(7, screen.wait())
        self.assertTrue(screen.is_as_before())

    def test_a_full_screen_program_runs_in_it(self):
        screen = Terminal(self, self.berth, "run", "--pty", "--", "sh", "-c",
                          "top -n 1; echo TOP-$?")
        screen.wait_for("PID")
        screen.wait_for("TOP-0")
        self.assertEqual(0, screen.wait())

    def test_detaching_leaves_it_running_and_attaching_goes_on(self):
        screen = Terminal(self, self.berth, "run", "--pty", "--", "sh", "-c",
                          "echo ready; read a; echo first $a; read b; echo second $b; exit 4")
        screen.wait_for("ready")
        screen.type("one\n")
        screen.wait_for("first one")
        screen.type(DETACH)
        job = screen.wait_for(r"detached from job (\d+)").group(1).decode()
        self.assertEqual(0, screen.wait())
        self.assertTrue(screen.is_as_before())
        self.assertEqual({"running"}, self.berth.states(job))

        again = Terminal(self, self.berth, "attach", job, "--all")
        again.wait_for("first one")
        again.type("two\n")
        again.wait_for("second two")
        self.assertEqual(4, again.wait())
        self.assertTrue(again.is_as_before())

    def test_attaching_goes_on_after_the_agent_was_killed(self):
        berth = self.start_cluster(nodes=["node-a"])
        job = berth.submit("--pty", "--", "sh", "-c", "read a; echo got $a; exit 6")
        berth.wait_for(lambda: berth.states(job) == {"running"}, "the task to run")
        berth.agents["node-a"].kill()
        berth.agents["node-a"].start()
        berth.wait_for_nodes()
        process = berth.popen("attach", job, stdin=subprocess.PIPE)
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        out = b""
        while b"got hello" not in out:
            piece = process.stdout.read1()
            self.assertTrue(piece, process.stderr.read())
            out += piece
        process.stdin.close()
        self.assertEqual(6, process.wait(30))
        self.assertIn("got hello", berth.ok("logs", job))
        process.stdout.close()
        process.stderr.close()

    def test_nobody_has_to_look_for_a_task_with_a_terminal_to_go_on(self):
        job = self.berth.submit("--pty", "--", "sh", "-c", "seq 200000; echo done")
        self.berth.ok("wait", job, seconds=120)
        lines = self.berth.ok("logs", job).split("\n")
        self.assertEqual("done\r", lines[-2])
        self.assertEqual(200002, len(lines))

    def test_what_is_typed_reaches_a_task_with_a_pipe_to_its_end(self):
        process = self.berth.popen("run", "-i", "--", "sh", "-c", "wc -c; exit 3",
                                   stdin=subprocess.PIPE)
        out, _ = process.communicate(b"x" * 2_000_000, timeout=60)
        self.assertEqual(3, process.returncode)
        self.assertIn(b"2000000", out)

    def test_ctrl_c_asks_first_and_d_detaches(self):
        screen = Terminal(self, self.berth, "run", "--", "sh", "-c", "echo ready; sleep 1000")
        screen.wait_for("ready")
        screen.type(CTRL_C)
        screen.wait_for(r"detach \(d\) or cancel \(c\)")
        screen.type("d")
        job = screen.wait_for(r"detached from job (\d+)").group(1).decode()
        self.assertEqual(0, screen.wait())
        self.assertTrue(screen.is_as_before())
        self.assertEqual({"running"}, self.berth.states(job))
        self.berth.ok("cancel", job)

    def test_a_second_ctrl_c_cancels(self):
        screen = Terminal(self, self.berth, "run", "--", "sh", "-c", "echo ready; sleep 1000")
        screen.wait_for("ready")
        screen.type(CTRL_C)
        screen.wait_for("detach")
        screen.type(CTRL_C)
        screen.wait_for("cancelling")
        self.assertNotEqual(0, screen.wait())
        self.assertTrue(screen.is_as_before())

    def test_a_task_without_a_console_cannot_be_attached_to(self):
        job = self.start_task("--", "sleep", "1000")
        self.assert_refused(self.berth.run("attach", job), 1, "no console", "--pty")

    def test_standard_input_and_files_go_with_the_submission(self):
        result = self.berth.run("run", "-q", "--stdin", "/etc/hostname", "--", "cat")
        self.assertEqual((0, pathlib.Path("/etc/hostname").read_text(), ""), result)
        folder = self.scratch("files")
        (folder / "go.sh").write_text("#!/bin/sh\ncat data.txt; pwd\n")
        (folder / "go.sh").chmod(0o755)
        (folder / "data.txt").write_text("some data\n")
        result = self.berth.run("run", "-q", "--upload", folder / "go.sh", "--upload",
                                folder / "data.txt", "--", "./go.sh")
        self.assertEqual(0, result.code, result.err)
        self.assertIn("some data\n", result.out)
        self.assertIn("/scratch/", result.out)
        self.assert_refused(self.berth.run("run", "--upload", "/etc/hostname", "--workdir", "/tmp",
                                           "--", "true"), 2, "--upload", "--workdir")
        (folder / "big").write_bytes(bytes(2 << 20))
        self.assert_refused(self.berth.run("run", "--stdin", folder / "big", "--", "true"), 2,
                            "--stdin", "1Mi")

    # ---- files ----

    def test_100_mb_go_there_and_back_unchanged(self):
        job = self.start_task("--", "sleep", "1000")
        folder = self.scratch("large")
        source = folder / "source"
        with open(source, "wb") as out:
            for _ in range(100):
                out.write(os.urandom(1 << 20))
        there = folder / "there"
        self.berth.ok("cp", source, f"{job}:{there}")
        self.berth.ok("cp", f"{job}:{there}", folder / "back")

        def digest(path):
            with open(path, "rb") as data:
                return subprocess.run(["sha256sum"], stdin=data, capture_output=True,
                                      check=True).stdout

        self.assertEqual(digest(source), digest(there))
        self.assertEqual(digest(source), digest(folder / "back"))

    def test_folders_go_there_and_back(self):
        job = self.start_task("--", "sleep", "1000")
        folder = self.scratch("tree")
        tree = folder / "tree"
        (tree / "deep" / "er").mkdir(parents=True)
        (tree / "deep" / "er" / "\u00fcml\u00e4ut").write_text("text")
        (tree / "run.sh").write_text("#!/bin/sh\n")
        (tree / "run.sh").chmod(0o750)
        (tree / "link").symlink_to("run.sh")
        (tree / "empty").mkdir()
        self.assert_refused(self.berth.run("cp", tree, f"{job}:{folder}/there"), 2, "-r")
        self.berth.ok("cp", "-r", tree, f"{job}:{folder}/there")
        self.berth.ok("cp", "-r", f"{job}:{folder}/there", folder / "back")
        self.assertEqual("", subprocess.run(["diff", "-r", tree, folder / "back"],
                                            capture_output=True, text=True).stdout)
        self.assertEqual("run.sh", os.readlink(folder / "back" / "link"))
        self.assertEqual(0o750, (folder / "back" / "run.sh").stat().st_mode & 0o777)
        self.assertTrue((folder / "back" / "empty").is_dir())

    def test_a_folder_is_one_to_put_it_into(self):
        job = self.start_task("--", "sleep", "1000")
        folder = self.scratch("into")
        tree = folder / "tree"
        tree.mkdir()
        (tree / "file").write_text("text")
        for there in ("one", "two"):
            (folder / there).mkdir()
        self.berth.ok("cp", tree / "file", f"{job}:{folder}/one")
        self.berth.ok("cp", "-r", tree, f"{job}:{folder}/one/")
        self.berth.ok("cp", "-r", f"{tree}/.", f"{job}:{folder}/two")
        self.berth.ok("cp", tree / "file", f"{job}:")  # its working directory
        self.assertEqual("text", self.berth.ok("exec", job, "--", "cat", "file"))
        self.berth.ok("cp", "-r", f"{job}:{folder}/one", folder / "two")
        self.assertEqual({"file", "one/file", "one/tree/file"},
                         {str(path.relative_to(folder / "two"))
                          for path in (folder / "two").rglob("*") if path.is_file()})
        for target in (f"{job}:{folder}/none/", f"{folder}/none/"):
            source = tree / "file" if target.startswith(job) else f"{job}:{tree}/file"
            self.assert_refused(self.berth.run("cp", source, target), 3, "none/: is no folder")

    def test_what_is_not_there_is_told(self):
        job = self.start_task("--", "sleep", "1000")
        self.assert_refused(self.berth.run("cp", f"{job}:/no/such", "."), 3, "/no/such")
        self.assert_refused(self.berth.run("cp", "/no/such", f"{job}:x"), 3, "/no/such")
        self.assert_refused(self.berth.run("cp", "a", "b"), 2, "TASK:PATH")
        self.assert_refused(self.berth.run("cp", f"{job}:/dev/null", "x"), 1, "neither a file")

    def test_the_scratch_directory_of_a_task_that_has_ended_can_be_read(self):
        job = self.berth.submit("--upload", "/etc/hostname", "--", "sh", "-c", "echo 42 > result")
        self.berth.ok("wait", job)
        folder = self.scratch("after")
        self.berth.ok("cp", f"{job}:result", f"{folder}/")
        self.assertEqual("42\n", (folder / "result").read_text())

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    @unittest.skipUnless(cluster.others_reach_programs(), "needs programs that others may run")
    def test_nothing_is_done_that_the_tasks_user_may_not(self):
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        job = self.start_task("--workdir", "/tmp", "--", "sleep", "1000", cwd="/tmp", **options)
        self.assertEqual(f"{NOBODY}\n", self.berth.ok("exec", job, "--", "id", "-u"))
        folder = self.scratch("private")
        (folder / "mine").write_text("secret")
        (folder / "mine").chmod(0o600)
        for user in ({}, {"cwd": "/tmp", **options}):
            self.assert_refused(self.berth.run("cp", f"{job}:{folder}/mine", "/dev/stdout", **user),
                                4, "Permission denied")
            self.assert_refused(self.berth.run("cp", "/etc/hostname", f"{job}:{folder}/new", **user),
                                4, "Permission denied")
        # A folder with one such file is not copied as if it were whole.
        folder.chmod(0o755)
        self.assert_refused(self.berth.run("cp", "-r", f"{job}:{folder}", folder / "copy"), 4,
                            "mine")
        # Nor may another person do it in the task's name.
        other = self.start_task("--", "sleep", "1000")
        for verb in (["exec", other, "--", "true"], ["attach", other],
                     ["cp", f"{other}:/etc/hostname", "/dev/stdout"]):
            result = self.berth.run(*verb, cwd="/tmp", **options)
            self.assertNotEqual(0, result.code)
            self.assertIn("may not", result.err)

    # ---- ports ----

    def test_a_port_of_a_task_is_reached_from_here(self):
        folder = self.scratch("web")
        (folder / "page").write_text("over the channel")
        port = cluster.free_port()
        job = self.start_task("--workdir", folder, "--", "python3", "-m", "http.server", port,
                              "--bind", "127.0.0.1")

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, "the task to listen")
        process = self.berth.popen("port-forward", job, f":{port}")
        address = process.stdout.readline().decode().split()[0]
        for _ in range(20):
            with urllib.request.urlopen(f"http://{address}/page", timeout=30) as page:
                self.assertEqual(b"over the channel", page.read())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(0, process.returncode)

    def test_a_port_where_nobody_listens_is_told(self):
        job = self.start_task("--", "sleep", "1000")
        port = cluster.free_port()
        process = self.berth.popen("port-forward", job, f":{port}")
        host, local = process.stdout.readline().decode().split()[0].split(":")
        with socket.create_connection((host, int(local))) as connection:
            self.assertEqual(b"", connection.recv(1))
        self.assertIn(b"nothing answers", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    # ---- what is left behind ----

    def test_hundreds_of_channels_leave_nothing_behind(self):
        job = self.start_task("-i", "--", "sleep", "1000")
        self.berth.ok("exec", job, "--", "true")  # what the first call makes for all
        before = self.agent_counts()
        for _ in range(10):
            batch = []
            for number in range(20):
                verb = [["exec", job, "--", "sleep", "999"], ["attach", job],
                        ["exec", job, "--", "true"], ["cp", f"{job}:/etc/hostname", "/dev/null"],
                        ["exec", "-t", job, "--", "cat"]][number % 5]
                batch.append(self.berth.popen(*verb, stdin=subprocess.PIPE))
            for process in batch[::2]:
                process.kill()
            for process in batch:
                process.kill()
                process.communicate()
        wait_until(lambda: self.agent_counts() == before,
                   lambda: f"descriptors and children of the agent to be {before} again; they are "
                           f"{self.agent_counts()}", 60)
        self.assertEqual({"running"}, self.berth.states(job))
        self.assertEqual("still\n", self.berth.ok("exec", job, "--", "echo", "still"))


if __name__ == "__main__":
    unittest.main()
