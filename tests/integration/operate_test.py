"""What an operator does: configuration checked and reloaded, health and metrics read."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402


class OperateTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(nodes=["node-a", "node-b"])

    def get(self, path):
        """Status and body of a page of the HTTP port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.berth.http_port}{path}",
                                        timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def sample(self, name):
        """Sum of a metric over its labels."""
        _, text = self.get("/metrics")
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in values) if values else None

    # ---- health ----

    def test_live_and_ready(self):
        self.assertEqual(200, self.get("/livez")[0])
        self.assertEqual(200, self.get("/readyz")[0])
        status, text = self.get("/readyz?verbose")
        self.assertEqual(200, status)
        self.assertIn("[+]", text)
        self.assertEqual(404, self.get("/nowhere")[0])

    def test_metrics_are_well_formed_and_count_what_happened(self):
        self.berth.ok("wait", self.berth.submit("--array", "0-9", "--cpu", "0.1", "--memory",
                                                "32Mi", "--", "true"))
        status, text = self.get("/metrics")
        self.assertEqual(200, status)
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "promtool is missing: run tools/setup.sh")
        check = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                               capture_output=True)
        self.assertEqual((0, ""), (check.returncode, check.stdout + check.stderr))
        names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
        self.assertTrue(names and all(name.startswith("berth_") or name.startswith("process_")
                                      for name in names), names)
        # The picture that metrics are made from is published now and then.
        self.berth.wait_for(
            lambda: re.search(r'^berth_\S*succeeded\S* 10$|^berth_\S*\{[^}]*"succeeded"[^}]*\} 10$',
                              self.get("/metrics")[1], re.MULTILINE),
            lambda: "ten successes in:\n" + self.get("/metrics")[1])

    # ---- configuration ----

    def berthd(self, *arguments):
        done = subprocess.run([cluster.BIN / "berthd", *arguments], text=True, capture_output=True)
        return cluster.Result(done.returncode, done.stdout, done.stderr)

    def check(self, text):
        path = self.berth.directory / "checked.yaml"
        path.write_text(text)
        return self.berthd("config", "check", path)

    def test_a_misspelt_argument_is_named(self):
        self.assert_refused(self.berthd("--confg", "x.yaml"), 2, "--confg", "did you mean",
                            "--config", "berthd --help")
        self.assert_refused(self.berthd("config", "chekc"), 2, "chekc", "berthd --help")
        self.assert_refused(self.berthd("--data-dir", "/tmp/x"), 2, "--data-dir",
                            "restore-snapshot", "--config FILE")
        self.assert_refused(self.berthd("config", "check", "--config", "/nowhere.yaml"), 1,
                            "/nowhere.yaml", "No such file")

    def test_a_good_file_is_accepted(self):
        self.assertEqual(0, self.check(json.dumps(self.berth.berthd_config)).code)

    def test_every_example_is_accepted(self):
        examples = sorted((cluster.ROOT / "config").glob("berthd*.yaml"))
        self.assertNotEqual([], examples)
        for example in examples:
            with self.subTest(example=example.name):
                result = self.check(example.read_text())
                self.assertEqual(0, result.code, result.err)

    def test_a_misspelt_key_is_named_with_its_line(self):
        result = self.check("socket: /tmp/x.sock\nheartbeatIntervall: 10s\n")
        self.assert_refused(result, 1, "checked.yaml:2", "heartbeatIntervall",
                            "did you mean", "heartbeatInterval")

    def reload(self, text):
        before = self.berth.berthd.log()
        self.berth.berthd_config_path.write_text(text)
        self.berth.berthd.signal(signal.SIGHUP)
        return lambda: self.berth.berthd.log()[len(before):]

    def test_a_good_reload_is_in_force(self):
        config = dict(self.berth.berthd_config)
        config["profiles"] = [{"name": "default"}, {"name": "second"}]
        self.assertEqual(3, self.berth.run("submit", "--profile", "second", "--", "true").code)
        self.reload(json.dumps(config))
        self.berth.wait_for(
            lambda: self.berth.run("submit", "--profile", "second", "--", "true").code == 0,
            "the second profile to be in force")

    def test_a_bad_reload_changes_nothing_and_says_why(self):
        log = self.reload("profiles: [{name: second, plugins: {filter: {enabled: 7}}}]\n")
        self.berth.wait_for(lambda: "profiles[0].plugins.filter.enabled" in log(),
                            lambda: "a complaint that names the field, in:\n" + log())
        self.assertEqual(3, self.berth.run("submit", "--profile", "second", "--", "true").code)
        self.berth.ok("run", "--", "true")

    def test_the_effective_configuration_is_printed(self):
        log = self.berth.berthd.log()
        self.assertIn("heartbeatInterval", log)
        self.assertIn(str(self.berth.directory), log)
        log = self.berth.agents["node-a"].log()
        self.assertIn("allowRoot", log)
        self.assertIn("nodeName: node-a", log)

    def test_a_berthd_that_is_slow_to_answer_is_waited_for(self):
        self.berth = self.start_cluster()
        self.berth.berthd.signal(signal.SIGSTOP)
        patient = self.berth.popen("get", "nodes", "-o", "name")
        self.assertEqual(5, self.berth.run("--request-timeout", "2s", "get", "nodes").code)
        self.berth.berthd.signal(signal.SIGCONT)
        out, err = patient.communicate(timeout=30)
        self.assertEqual((0, b"node/node-a\n", b""), (patient.returncode, out, err))

    def test_the_clusters_name_is_in_the_log_and_in_the_metrics(self):
        self.berth = self.start_cluster(berthd={"clusterName": "lab-1"})
        self.assertIn('cluster "lab-1"', self.berth.berthd.log())
        self.assertRegex(self.get("/metrics")[1], r'berth_build_info{.*cluster="lab-1".*} 1')

    def test_agents_over_tcp_need_their_own_key(self):
        for allowed in (False, True):
            with self.subTest(allowed=allowed):
                address = f"127.0.0.1:{cluster.free_port()}"
                berth = self.new_cluster(
                    berthd={"listen": address, "insecure": True, "insecureAgents": allowed})
                berth.start_berthd()
                agent = berth.add_agent("node-b", server=address)
                agent.start()
                if allowed:
                    berth.wait_for_nodes(["node-b"])
                else:
                    berth.wait_for(lambda: "insecureAgents: true" in agent.log(),
                                   lambda: "the key's name in:\n" + agent.log())
