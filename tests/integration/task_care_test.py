"""Services, checks, hooks and nodes that are not well."""
import json
import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402


def hook(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return {"command": [str(path)]}


class TaskCareTest(cluster.IntegrationTest):
    def attempt(self, job):
        return self.berth.tasks(job)[0]["attempt"]

    def submit_yaml(self, **job):
        path = self.berth.directory / "job.yaml"
        path.write_text(json.dumps({"apiVersion": "berth/v1", "kind": "Job", **job}))
        return self.berth.submit("-f", path)

    def test_a_service_is_started_again_until_it_is_cancelled(self):
        self.berth = self.start_cluster()
        job = self.berth.submit("--service", "--", "sh", "-c", "echo $BERTH_ATTEMPT; exit 0")
        self.berth.wait_for(lambda: self.berth.tasks(job)[0]["attempts"] >= 3, "three attempts")
        self.assertEqual("1\n", self.berth.ok("logs", f"{job}.0#1"))
        self.berth.ok("cancel", job)
        self.assertEqual(1, self.berth.run("wait", job).code)

    def test_readiness_is_told_and_a_failed_health_check_ends_the_attempt(self):
        self.berth = self.start_cluster()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serve = ("import http.server,os\n"
                 "class H(http.server.BaseHTTPRequestHandler):\n"
                 " def do_GET(self):\n"
                 "  self.send_response(503 if os.path.exists('bad') else 200); self.end_headers()\n"
                 f"http.server.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n")
        check = {"http": {"port": port, "path": "/health"}, "period": "1s", "failures": 2}
        job = self.submit_yaml(command=["python3", "-c", serve], readinessCheck={"tcpPort": port},
                               healthCheck={**check, "initialDelay": "5s"}, grace="100ms",
                               workingDirectory=str(self.berth.directory))
        self.berth.wait_for(lambda: self.attempt(job).get("ready"), "it to be ready")
        self.assertIn("Ready", self.berth.ok("describe", "task", job + ".0"))
        (self.berth.directory / "bad").touch()
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertEqual("unhealthy", self.attempt(job)["end"])
        self.assertIn("status 503 (2 times in a row)", self.attempt(job)["message"])

    def test_prolog_and_epilog_run_around_each_task(self):
        self.berth = self.new_cluster(nodes=())
        log = self.berth.directory / "hooks.log"
        said = f'echo $(basename $0) $BERTH_TASK_ID $BERTH_ATTEMPT >> {log}\n'
        self.berth.add_agent("node-a", prolog=hook(self.berth.directory / "prolog", said),
                             epilog=hook(self.berth.directory / "epilog", said))
        self.berth.start()
        job = self.berth.submit("--", "sh", "-c", f"echo task >> {log}")
        self.berth.ok("wait", job)
        self.assertEqual([f"prolog {job}.0 1", "task", f"epilog {job}.0 1"],
                         log.read_text().splitlines())

    def test_a_prolog_that_fails_keeps_the_task_away_and_the_node_is_cordoned(self):
        self.berth = self.new_cluster(nodes=())
        mended = self.berth.directory / "mended"
        self.berth.add_agent("node-a", prolog=hook(self.berth.directory / "prolog",
                                                   f"[ -e {mended} ] || {{ echo no such mount; exit 1; }}\n"))
        self.berth.start()
        run = self.berth.popen("run", "--", "true")
        self.berth.wait_for(lambda: self.berth.run("describe", "1").code == 0 and
                            self.berth.ended_attempt("1"), "the first attempt to fail")
        self.assertIn("exited with 1: no such mount", self.berth.ok("explain", "1.0"))
        job = self.berth.submit("--array", "0-19", "--", "true")
        self.berth.wait_for(lambda: self.berth.nodes()[0].get("cordoned"), "the node to be cordoned")
        self.assertIn("10 starts in a row", self.berth.ok("describe", "node", "node-a"))
        self.assertNotIn("failed", self.berth.states(job))
        # Nothing was the tasks' fault: they run when the node is mended.
        mended.touch()
        self.berth.ok("uncordon", "node-a")
        self.berth.ok("wait", job)
        out, err = run.communicate(timeout=60)
        self.assertEqual(0, run.returncode, err)
        self.assertIn(b"queued again (the node's prolog", err)

    def test_a_node_that_is_not_well_gets_no_new_tasks(self):
        self.berth = self.new_cluster(nodes=())
        bad = self.berth.directory / "bad"
        check = hook(self.berth.directory / "check", f"[ ! -e {bad} ] || {{ echo disk is gone; exit 1; }}\n")
        self.berth.add_agent("node-a", healthCheck={**check, "period": "200ms"})
        self.berth.start()
        self.berth.ok("run", "--", "true")
        bad.touch()
        self.berth.wait_for(lambda: self.berth.nodes()[0].get("taints"), "the taint")
        self.assertIn("disk is gone", json.dumps(self.berth.nodes()[0]["taints"]))
        job = self.berth.submit("--", "true")
        self.berth.wait_for(lambda: self.berth.states(job) == {"parked"}, "it to wait")
        bad.unlink()
        self.berth.ok("wait", job)


if __name__ == "__main__":
    unittest.main()
