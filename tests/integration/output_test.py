"""What tasks wrote: on their nodes, and when those are gone."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402


class OutputTest(cluster.IntegrationTest):
    def finish(self, berth, *words):
        """Submits a job of these words and waits for its end; its id."""
        job = berth.submit(*words)
        berth.run("wait", job)
        return job

    def lose_node(self, berth):
        berth.agents["node-a"].kill()
        berth.wait_for(lambda: all(n["state"] != "ready" for n in berth.nodes())
                       or "is not connected" in berth.run("logs", "1").err
                       or "berthd has kept" in berth.run("logs", "1").err, "the node to be missed")

    def test_the_end_of_the_output_outlives_the_node(self):
        berth = self.start_cluster()
        job = self.finish(berth, "--", "sh", "-c", "echo hello; echo oops >&2; exit 3")
        long_job = self.finish(berth, "--", "sh", "-c", "seq 1 100000")
        silent = self.finish(berth, "--", "true")
        whole = berth.ok("logs", long_job)
        self.lose_node(berth)

        result = berth.run("logs", job)
        self.assertEqual((0, "hello\n"), (result.code, result.out))
        self.assertIn("oops\n", result.err)
        self.assertIn("the end of standard output that berthd has kept, all 6 bytes", result.err)
        self.assertEqual(0, berth.run("logs", "-f", job).code, "it has ended: there is no more")

        result = berth.run("logs", long_job)
        self.assertEqual(0, result.code)
        self.assertEqual(whole[-(32 << 10):], result.out)
        self.assertIn(f"bytes {len(whole) - (32 << 10)} to {len(whole)}", result.err)
        self.assertEqual("100000\n", berth.ok("logs", "--tail", "7", long_job))

        self.assert_refused(berth.run("logs", silent), 5, "node-a", "is not connected")

        # Over a restart of berthd, and gone with a node that comes back.
        berth.berthd.kill()
        berth.start_berthd()
        self.assertEqual("hello\n", berth.run("logs", job).out)
        berth.agents["node-a"].start()
        berth.wait_for_nodes()
        result = berth.run("logs", job)
        self.assertEqual(("hello\n", "oops\n"), (result.out, result.err))

    def test_the_end_of_what_runs_comes_with_heartbeats(self):
        berth = self.start_cluster(berthd={"heartbeatInterval": "1s", "lease": "4s"})
        job = berth.submit("--", "sh", "-c", "echo working; sleep 1000")
        berth.wait_for(lambda: "working" in berth.run("logs", job).out, "it to write")
        # What is counted is published a little later than it comes: of three more, two are after the
        # task has written, and the second of those has it.
        beats = berth.metric("berth_agent_heartbeats_total")
        berth.wait_for(lambda: berth.metric("berth_agent_heartbeats_total") >= beats + 3,
                       "three more heartbeats")
        self.lose_node(berth)
        result = berth.run("logs", job)
        self.assertEqual((0, "working\n"), (result.code, result.out), result.err)
        self.assertIn("berthd has kept", result.err)
        document = berth.json("logs", job)
        self.assertEqual("working\n", document["stdout"])

    def test_what_has_expired_on_the_node_is_shown_from_what_is_kept(self):
        berth = self.start_cluster()
        job = self.finish(berth, "--", "echo", "hello")
        berth.agents["node-a"].stop()
        # As the sweep leaves it after seven days.
        output = berth.directory / "node-a" / "output"
        for day in output.iterdir():
            for file in day.iterdir():
                file.unlink()
        (output / ".expired-through-job").write_text(job)
        berth.agents["node-a"].start()
        berth.wait_for_nodes()
        result = berth.run("logs", job)
        self.assertEqual((0, "hello\n"), (result.code, result.out), result.err)
        self.assertIn("berthd has kept", result.err)

    def test_it_goes_with_its_job(self):
        berth = self.start_cluster(berthd={"retention": {"finishedJobsCount": 1}})
        first = self.finish(berth, "--", "echo", "hello")
        self.finish(berth, "--", "echo", "hello")
        berth.wait_for(lambda: berth.run("logs", first).code == 3, "the first job to be forgotten")

    def test_the_attempt_before(self):
        berth = self.start_cluster()
        job = self.finish(berth, "--retries", "2", "--", "sh", "-c",
                          "echo try $BERTH_ATTEMPT; [ $BERTH_ATTEMPT = 3 ]")
        self.assertEqual("try 3\n", berth.ok("logs", job))
        self.assertEqual("try 2\n", berth.ok("logs", "--previous", job))
        self.assertEqual("try 1\n", berth.ok("logs", "-p", f"{job}.0#2"))
        self.assert_refused(berth.run("logs", "-p", f"{job}.0#1"), 3, f"task {job}.0",
                            "attempt 1 was its first")

    def start_talkers(self, berth, tasks):
        """Submits a job whose tasks say what is put into their files; a function that has one speak,
        and returns when its node has seen it."""
        script = berth.directory / "talk.sh"
        script.write_text(f"""
            n=0
            while :; do
              n=$((n+1)); f={berth.directory}/say-$BERTH_ARRAY_INDEX-$n
              while [ ! -e $f ]; do sleep 0.02; done
              . $f
            done""")
        job = berth.submit("--array", f"0-{tasks - 1}", "--cpu", "0.1", "--memory", "64Mi", "--",
                           "sh", script)
        berth.wait_for(lambda: berth.states(job) == {"running"}, "them to run")
        said = [0] * tasks

        def marks(task):
            path = berth.directory / "node-a" / "attempts" / f"{job}.0.{task}#1" / "marks"
            return path.stat().st_size // 16 if path.exists() else 0

        def say(task, command):
            before = marks(task)
            said[task] += 1
            path = berth.directory / f"say-{task}-{said[task]}"
            path.with_suffix(".new").write_text(command)
            os.rename(path.with_suffix(".new"), path)
            if command != "exit":
                berth.wait_for(lambda: marks(task) > before, "the agent to see it")

        return job, say

    def screen(self, berth, *words):
        """What a person sees who has both streams on one terminal."""
        result = subprocess.run([cluster.BIN / "berth", *words], env=berth.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=60)
        self.assertEqual(0, result.returncode, result.stdout)
        return result.stdout

    def test_what_was_written_first_comes_first(self):
        berth = self.start_cluster()
        job, say = self.start_talkers(berth, 2)
        for task, command in ((0, "echo one"), (1, "echo two >&2"), (0, "echo three >&2"),
                              (1, "echo four"), (0, "echo five; echo six >&2"), (1, "printf seven")):
            say(task, command)
        follower = subprocess.Popen([cluster.BIN / "berth", "logs", "-f", job], text=True,
                                    env=berth.environment(), stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        wanted = (f"{job}.0: one\n{job}.1: two\n{job}.0: three\n{job}.1: four\n{job}.0: five\n"
                  f"{job}.0: six\n{job}.1: seven")
        # While they run, after they have ended, and by who follows them from the one to the other.
        for line in wanted.splitlines()[:-1]:
            self.assertEqual(line, follower.stdout.readline().rstrip("\n"))
        self.assertEqual(wanted + "\n", self.screen(berth, "logs", job))
        say(0, "exit")
        say(1, "exit")
        berth.run("wait", job)
        self.assertEqual(f"{job}.1: seven\n", follower.stdout.read())
        self.assertEqual(0, follower.wait(30))
        self.assertEqual(wanted + "\n", self.screen(berth, "logs", job))
        self.assertEqual("one\nthree\nfive\nsix\n", self.screen(berth, "logs", f"{job}.0"))
        stamped = self.screen(berth, "logs", "--timestamps", "--no-prefix", job).splitlines()
        times = [line.split(" ")[0] for line in stamped]
        self.assertEqual(sorted(times), times)
        self.assertRegex(times[0], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")

    def test_long_lines_and_bytes_that_are_no_text_pass_unharmed(self):
        berth = self.start_cluster()
        script = berth.directory / "line.py"
        script.write_text("import sys\n"
                          "for i in range(800): sys.stdout.buffer.write(bytes([i % 251]) * 65537)\n")
        job = berth.submit("--", "/usr/bin/python3", script)
        berth.ok("wait", job)
        out = berth.directory / "out"
        with open(out, "wb") as file:
            reader = subprocess.Popen([cluster.BIN / "berth", "logs", job], stdout=file,
                                      env=berth.environment())
            _, status, usage = os.wait4(reader.pid, 0)
            reader.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(0, status)
        self.assertLess(usage.ru_maxrss, 80 << 10, "KiB of memory for a line of 50 MB")
        text = out.read_bytes()
        self.assertEqual(b"".join(bytes([i % 251]) * 65537 for i in range(800)), text)

    def test_output_that_has_been_given_up_is_told(self):
        berth = self.start_cluster()
        # More than the 2 x 64 MiB that a node keeps; the last line tells that all is written.
        script = berth.directory / "flood.py"
        script.write_text(
            "import sys, time\n"
            "line = b'x' * 65535 + b'\\n'\n"
            "for _ in range(3000): sys.stdout.buffer.write(line)\n"
            "print('written', flush=True)\n"
            "time.sleep(1000)\n")
        job = berth.submit("--", "/usr/bin/python3", script)
        berth.wait_for(lambda: "written" in berth.run("logs", "--tail", "8", job).out, "the flood",
                       seconds=120)
        berth.wait_for(lambda: (berth.directory / "node-a" / "attempts" / f"{job}.0.0#1" / "stdout")
                       .stat().st_blocks * 512 < 100 << 20, "its beginning to be given up")
        result = berth.run("logs", job, seconds=120)
        self.assertEqual(0, result.code, result.err)
        self.assertIn("of standard output are gone: a node keeps only the last", result.err)
        self.assertLess(len(result.out), 129 << 20)
        self.assertGreaterEqual(len(result.out), 64 << 20)
        self.assertEqual({"x", "w"}, {line[0] for line in result.out.splitlines() if line})
        result = berth.run("logs", "--tail", "190Mi", job, seconds=120)
        self.assertIn("of standard output are left", result.err)
        result = berth.run("logs", "--tail", "8", job)
        self.assertEqual("", result.err, "that much is there")


if __name__ == "__main__":
    cluster.unittest.main()
