"""What is wrong gets a clear answer, the right exit code, and leaves nothing half-done."""
import json
import os
import pathlib
import socket
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

FAILED, USAGE, NOT_FOUND, UNAVAILABLE = 1, 2, 3, 5


class SubmissionsTest(cluster.IntegrationTest):
    """Each refusal names the field or the thing, exits 2, and admits nothing."""

    @classmethod
    def setUpClass(cls):
        cls.berth = cluster.Cluster().start()

    @classmethod
    def tearDownClass(cls):
        cls.berth.close()

    def setUp(self):
        self.jobs_before = self.berth.ok("get", "jobs", "-o", "name")
        self.addCleanup(lambda: self.assertEqual(
            self.jobs_before, self.berth.ok("get", "jobs", "-o", "name"), "a job was admitted"))

    def refused(self, *arguments, words, code=USAGE, **options):
        self.assert_refused(self.berth.run(*arguments, **options), code, *words)

    def job_file(self, text, name="job.yaml"):
        path = self.berth.directory / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    # ---- the command line ----

    def test_unknown_flag_and_verb(self):
        self.refused("submit", "--memroy", "1Gi", "--", "true", words=["--memroy"])
        self.refused("sumbit", "--", "true", words=["sumbit"])

    def test_wrong_units(self):
        self.refused("submit", "--memory", "2", "--", "true", words=["--memory", "2Gi"])
        self.refused("submit", "--memory", "2Gb", "--", "true", words=["--memory", "2Gb"])
        self.refused("submit", "--cpu", "2Gi", "--", "true", words=["--cpu", "2Gi"])
        self.refused("submit", "--time-limit", "5", "--", "true", words=["--time-limit"])

    def test_negative_amounts(self):
        self.refused("submit", "--memory=-1Gi", "--", "true", words=["--memory", "-1Gi"])
        self.refused("submit", "--cpu=-1", "--", "true", words=["--cpu", "-1"])
        self.refused("submit", "--retries=-1", "--", "true", words=["--retries", "-1"])

    def test_overflowing_amounts(self):
        self.refused("submit", "--memory", "99999999999Ti", "--", "true",
                     words=["--memory", "99999999999Ti"])
        self.refused("submit", "--cpu", "99999999999999999999", "--", "true", words=["--cpu"])
        self.refused("submit", "--memory", "8Ei", "--", "true", words=["8Ei"])

    def test_counts_of_none_and_of_too_many(self):
        self.refused("submit", "--array", "0-2147483648", "--", "true", words=["2147483648"])
        self.refused("submit", "--array", "0-2147483647", "--", "true", words=["array"])
        self.refused("submit", "--array", "5-4", "--", "true", words=["5-4"])
        self.refused("submit", "--array", "", "--", "true", words=["array"])
        self.refused("submit", "--gpus", "0", "--", "true", words=["--gpus", "0"])
        self.refused("submit", "--gpus", "2147483648", "--", "true", words=["--gpus"])
        self.refused("submit", "--max-processes", "0", "--", "true", words=["--max-processes"])
        self.refused("submit", "--memory", "0", "--", "true", words=["--memory"])

    def test_empty_commands(self):
        self.refused("submit", "--", words=["command"])
        self.refused("submit", "--", "", words=["command"])
        self.refused("submit", words=["berth submit"])
        self.refused("run", words=["--"])

    def test_invalid_utf8(self):
        self.refused("submit", "--", os.fsdecode(b"tr\xffue"), words=["UTF-8"])
        self.refused("submit", "--name", os.fsdecode(b"\xc3\x28"), "--", "true", words=["UTF-8"])

    def test_names_that_do_not_exist(self):
        self.refused("submit", "--queue", "fast", "--", "true", words=["fast", "default"],
                     code=NOT_FOUND)
        self.refused("submit", "--profile", "fast", "--", "true", words=["fast", "default"],
                     code=NOT_FOUND)
        self.refused("describe", "99", words=["99"], code=NOT_FOUND)
        self.refused("wait", "99", words=["99"], code=NOT_FOUND)
        self.refused("cancel", "99", words=["99"], code=NOT_FOUND)
        self.refused("logs", "99.1", words=["99"], code=NOT_FOUND)
        self.refused("wait", "nonsense", words=["nonsense"])

    # ---- job files ----

    GOOD = """
kind: Job
groups:
- template:
    payload: {command: ["true"]}
"""

    def test_an_unknown_key_is_named_with_file_line_and_column(self):
        self.refused("submit", self.job_file("kind: Job\nquee: default\ncommand: [\"true\"]\n"),
                     words=["job.yaml:2:1", "quee", "did you mean", "queue"])

    def test_text_that_is_no_yaml_and_no_text(self):
        self.refused("submit", self.job_file("kind: Job\n  : [\n"), words=["job.yaml:"])
        self.refused("submit", self.job_file(b"kind: Job\nname: \xff\xfe\n"),
                     words=["job.yaml", "UTF-8"])
        self.refused("submit", self.job_file(""), words=["job.yaml"])
        self.refused("submit", self.job_file("kind: Sandwich\n"), words=["job.yaml", "Sandwich"])

    def test_a_file_that_is_too_large_or_not_there(self):
        self.refused("submit", self.job_file("#" * (2 << 20)), words=["job.yaml"])
        self.refused("submit", self.berth.directory / "no-such.yaml",
                     words=["no-such.yaml", "No such file"])
        self.refused("submit", self.berth.directory, words=[str(self.berth.directory)])

    def test_a_file_together_with_a_command(self):
        self.refused("submit", self.job_file(self.GOOD), "--", "true", words=["job.yaml"])


class ProgramsTest(cluster.IntegrationTest):
    """Programs and directories that are not there are known on the node only: the task fails."""

    def setUp(self):
        self.berth = self.start_cluster()

    def failed(self, *command, words, flags=()):
        result = self.berth.run("run", *flags, "--", *command)
        self.assert_refused(result, 125, *words)
        self.assertEqual("failed", self.berth.json("describe", "last").get("state", "failed"))

    def test_a_program_that_does_not_exist(self):
        self.failed("no-such-program", words=["no-such-program", "PATH"])
        self.failed("/no/such/program", words=["/no/such/program"])
        self.assertEqual("PROGRAM_NOT_FOUND", self.berth.tasks("1")[0]["attempt"]["reason"])

    def test_a_program_that_is_not_executable(self):
        plain = self.berth.directory / "plain.txt"
        plain.write_text("not a program\n")
        plain.chmod(0o644)
        self.failed("./plain.txt", words=["plain.txt", "chmod +x"])
        self.assertEqual("PROGRAM_NOT_EXECUTABLE", self.berth.tasks("1")[0]["attempt"]["reason"])

    def test_a_working_directory_that_does_not_exist(self):
        self.failed("true", flags=("--workdir", "/no/such/directory"),
                    words=["/no/such/directory"])
        self.assertEqual("WORKING_DIRECTORY_MISSING",
                         self.berth.tasks("1")[0]["attempt"]["reason"])


class ServerTest(cluster.IntegrationTest):
    def test_an_address_where_nobody_listens(self):
        berth = self.new_cluster()
        self.assert_refused(berth.run("get", "jobs"), UNAVAILABLE, str(berth.socket),
                            "BERTH_SERVER")
        port = cluster.free_port()
        self.assert_refused(berth.run("--server", f"127.0.0.1:{port}", "get", "jobs"), UNAVAILABLE,
                            str(port))
        self.assertEqual(125, berth.run("run", "--", "true").code)

    def test_an_address_that_is_none(self):
        berth = self.new_cluster()
        for address in ("nonsense", "http://127.0.0.1:1", "unix:relative", "127.0.0.1:99999"):
            with self.subTest(address=address):
                self.assert_refused(berth.run("--server", address, "get", "jobs"), USAGE, address)


class DaemonTest(cluster.IntegrationTest):
    """berthd and agents that cannot start say why, and change nothing."""

    def setUp(self):
        self.berth = self.new_cluster()

    def fails(self, daemon, *words, code=None):
        """It ends by itself, with these words in its log."""
        before = len(daemon.log())
        daemon.start()
        try:
            ended = daemon.process.wait(20)
        except subprocess.TimeoutExpired:
            self.fail("it runs although it should not\n" + daemon.log())
        log = daemon.log()[before:]
        self.assertNotIn(ended, (0, -6, -11), log)
        if code is not None:
            self.assertEqual(code, ended, log)
        for word in words:
            self.assertIn(word, log)
        return log

    def write(self, **changes):
        self.berth.berthd_config.update(changes)
        self.berth.write_berthd_config()

    def listen(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        return taken.getsockname()[1]

    def test_a_port_in_use(self):
        port = self.listen()
        self.write(httpListen=f"127.0.0.1:{port}")
        self.fails(self.berth.berthd, f"127.0.0.1:{port}", "in use")
        self.assertFalse(self.berth.socket.exists(), "half-done")
        port = self.listen()
        self.write(httpListen=f"127.0.0.1:{cluster.free_port()}", listen=f"127.0.0.1:{port}",
                   insecure=True)
        self.fails(self.berth.berthd, f"127.0.0.1:{port}")
        self.assertFalse(self.berth.socket.exists(), "half-done")

    def test_a_socket_of_a_living_daemon(self):
        self.berth.start_berthd()
        other = self.new_cluster(berthd={"socket": str(self.berth.socket)})
        self.fails(other.berthd, str(self.berth.socket))
        self.assertEqual(0, self.berth.run("version").code, "the first one's socket was taken")

    def test_a_socket_left_by_a_killed_daemon_is_taken_over(self):
        self.berth.start_berthd()
        self.berth.berthd.kill()
        self.assertTrue(self.berth.socket.exists())
        self.berth.start_berthd()

    def test_a_data_directory_of_another_daemon(self):
        self.berth.start_berthd()
        data = self.berth.berthd_config["dataDir"]
        other = self.new_cluster(berthd={"dataDir": data})
        self.fails(other.berthd, data)
        self.assertFalse(other.socket.exists(), "half-done")
        self.assertEqual(0, self.berth.run("version").code)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to give its rights up")
    def test_a_data_directory_that_is_not_writable(self):
        data = self.berth.directory / "data"
        data.mkdir()
        data.chmod(stat.S_IRUSR | stat.S_IXUSR)
        sockets = self.berth.directory / "sockets"
        sockets.mkdir()
        self.write(socket=str(sockets / "berthd.sock"))
        # Not another user: the program may lie where only root gets to.
        self.berth.berthd.wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        self.fails(self.berth.berthd, str(data), "ermission denied")
        self.assertEqual([], list(data.iterdir()), "half-done")
        self.assertEqual([], list(sockets.iterdir()), "half-done")

    def test_a_data_directory_that_is_something_else(self):
        data = self.berth.directory / "data"
        data.mkdir()
        (data / "somebody-elses.txt").write_text("precious")
        self.fails(self.berth.berthd, str(data))
        self.assertEqual(["somebody-elses.txt"], [path.name for path in data.iterdir()])

    def test_an_unknown_key(self):
        self.write(heartbeatIntervall="10s")
        self.fails(self.berth.berthd, "heartbeatIntervall", "did you mean", code=FAILED)
        agent = self.berth.add_agent("node-b", stateDirectory="/tmp")
        self.fails(agent, "stateDirectory", "did you mean", code=FAILED)

    def test_wrong_amounts_in_an_inventory(self):
        for amount in ("12", "-1Gi", "99999999999Ti", "lots"):
            with self.subTest(amount=amount):
                agent = self.berth.add_agent("node-b", inventory={"cpu": 1, "memory": amount})
                self.fails(agent, "inventory.memory", amount, code=FAILED)

    def test_a_file_that_is_not_there(self):
        self.berth.berthd_config_path.unlink()
        self.fails(self.berth.berthd, str(self.berth.berthd_config_path), code=FAILED)

    def test_an_address_beyond_loopback_without_tls(self):
        self.write(listen="0.0.0.0:0", insecure=True)
        self.fails(self.berth.berthd, "listen", code=FAILED)


class AgentTest(cluster.IntegrationTest):
    def test_a_name_that_another_living_agent_has(self):
        berth = self.start_cluster()
        double = cluster.Daemon("berth-agent", berth.directory / "double.yaml",
                                berth.directory / "double.log")
        config = json.loads(berth.agents["node-a"].config_path.read_text())
        config.update(stateDir=str(berth.directory / "double"),
                      cgroupRoot=f"{berth.cgroup_root}/double")
        double.config_path.write_text(json.dumps(config))
        self.addCleanup(double.kill)
        double.start()
        berth.wait_for(lambda: 'node "node-a": another agent of that name' in double.log(),
                       lambda: "a refusal:\n" + double.log())
        self.assertEqual("0", berth.ok("run", "-q", "--", "sh", "-c", "echo $?").strip())

    def test_a_state_directory_of_a_living_agent(self):
        berth = self.start_cluster()
        config = json.loads(berth.agents["node-a"].config_path.read_text())
        double = berth.add_agent("node-b", stateDir=config["stateDir"])
        double.start()
        self.assertNotEqual(0, double.process.wait(20))
        self.assertIn(config["stateDir"], double.log())
        berth.ok("run", "--", "true")

    def test_a_daemon_of_another_cluster_is_refused(self):
        berth = self.start_cluster()
        berth.berthd.kill()
        berth.berthd_config["dataDir"] = str(berth.directory / "another-cluster")
        berth.write_berthd_config()
        berth.berthd.start()
        berth.wait_for_berthd()
        agent = berth.agents["node-a"]
        berth.wait_for(lambda: "its agent belongs to cluster" in agent.log(),
                       lambda: "the agent to refuse it:\n" + agent.log())
        self.assertEqual([], [n for n in berth.nodes() if n["state"] == "ready"])


class ToolsTest(unittest.TestCase):
    def test_help_of_every_program_names_what_it_takes(self):
        for program in ("berth", "berthd", "berth-agent"):
            with self.subTest(program=program):
                done = subprocess.run([cluster.BIN / program, "--help"], capture_output=True,
                                      text=True)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertIn("--", done.stdout)
