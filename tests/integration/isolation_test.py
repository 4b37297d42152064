"""What tasks are held to on a node, and what becomes of those that ask for more."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cgroup_tree  # noqa: E402
import cluster  # noqa: E402

CPUS = len(os.sched_getaffinity(0))
IS_ROOT = os.geteuid() == 0


@unittest.skipUnless(cgroup_tree.is_writable(), "needs cgroups")
class IsolationTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(inventory={"cpu": 4, "memory": "8Gi", "storage": "10Gi",
                                                   "bandwidth": "1Gbit"})

    def attempt(self, job):
        return self.berth.tasks(job)[0]["attempt"]

    @staticmethod
    def namespaces():
        return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()

    def test_a_cpu_limit_is_never_passed(self):
        # A quarter of a second of CPU at a quarter of a core takes a second at least.
        out = self.berth.ok("run", "-q", "--cpu", "0.25", "--cpu-limit", "0.25", "--", "python3", "-c",
                            "import time\nbegan = time.monotonic()\n"
                            "while time.process_time() < 0.4: pass\n"
                            "print(time.monotonic() - began)")
        self.assertGreater(float(out), 0.9)

    @unittest.skipUnless(CPUS >= 2, "needs two CPUs")
    def test_dedicated_cpus_are_a_tasks_own(self):
        show = "grep Cpus_allowed_list /proc/self/status | cut -f2"
        own = self.berth.submit("--cpu", "1", "--cpu-placement", "numa", "--", "sh", "-c",
                                f"{show}; sleep 1000")
        self.berth.wait_for(lambda: self.berth.run("logs", own).out.strip(), "the first to run")
        cpu = self.berth.ok("logs", own).strip()
        others = self.berth.ok("run", "-q", "--cpu", "1", "--", "sh", "-c", show).strip()
        self.assertNotEqual(cpu, others)
        self.assertNotIn("not_enforced", self.attempt(own))
        # One CPU stays for those that share: who wants all that there are can never have them.
        most = self.berth.run("run", "--cpu", str(CPUS), "--cpu-placement", "dedicated", "--", "true")
        self.assert_refused(most, 125, "dedicated-cpus")
        # Who wants what is left but for that waits until they are free.
        if CPUS == 2:
            waits = self.berth.submit("--cpu", "1", "--cpu-placement", "dedicated", "--", "true")
            self.berth.wait_for(lambda: self.berth.states(waits) == {"parked"}, "it to wait")
            self.assertIn("insufficient dedicated-cpus", self.berth.ok("explain", waits + ".0"))
        self.berth.ok("cancel", own)
        self.berth.run("wait", own)
        if CPUS == 2:
            self.berth.ok("wait", waits)
        self.assertNotEqual(others, self.berth.ok("run", "-q", "--", "sh", "-c", show).strip())

    def test_what_is_not_enforced_is_shown(self):
        job = self.berth.submit("--bandwidth", "10Mbit", "--", "true")
        self.berth.ok("wait", job)
        self.assertIn("bandwidth", self.attempt(job)["notEnforced"])
        self.assertIn("Not enforced", self.berth.ok("describe", "task", job + ".0"))

    def test_disk_traffic_is_told(self):
        job = self.berth.submit("--", "sh", "-c", "dd if=/dev/zero of=big bs=1M count=8 conv=fsync")
        self.berth.ok("wait", job)
        self.assertGreaterEqual(int(self.attempt(job)["usage"]["ioWrittenBytes"]), 8 << 20)

    def test_a_task_that_was_killed_at_its_memory_limit_gets_more(self):
        # 56 MiB and Python fit into 32 x 1.5 x 1.5 only.
        job = self.berth.submit("--memory", "32Mi", "--on-oom", "256Mi", "--", "python3", "-c",
                                "x = bytearray(56 << 20)")
        self.berth.ok("wait", job)
        task = self.berth.tasks(job)[0]
        self.assertGreaterEqual(task["attempts"], 2)
        self.assertGreater(int(task["resources"]["memoryBytes"]), 48 << 20)

    def test_a_task_that_fills_its_scratch_directory_is_ended(self):
        spec = self.berth.directory / "fill.yaml"
        spec.write_text("""
apiVersion: berth/v1
kind: Job
command: [sh, -c, "head -c 30000000 /dev/zero > big; sleep 1000"]
resources: {storage: 8Mi}
grace: 100ms
""")
        job = self.berth.submit("-f", spec)
        self.assertEqual(1, self.berth.run("wait", job).code)
        attempt = self.attempt(job)
        self.assertEqual("out-of-storage", attempt["end"])
        self.assertIn("asked for 8Mi of storage", attempt["message"])

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_a_network_of_its_own_has_its_bandwidth_enforced(self):
        before = self.namespaces()
        # 10 Mbit/s: 4 MB take three seconds, and would take none on the node's own network.
        server = ("import socket,sys; s=socket.socket(); s.bind((\"0.0.0.0\", 0)); s.listen(1); "
                  "print(s.getsockname()[1], flush=True); c,_=s.accept(); n=0\n"
                  "while d:=c.recv(65536): n+=len(d)\nprint(n)")
        client = ("import socket,sys,time,os; t=time.monotonic(); "
                  "gate=os.popen(\"ip route show default\").read().split()[2]; "
                  "c=socket.create_connection((gate, int(sys.argv[1]))); "
                  "c.sendall(bytes(4_000_000)); c.shutdown(socket.SHUT_WR); c.recv(1); "
                  "print(time.monotonic()-t)")
        listen = self.berth.submit("--", "python3", "-u", "-c", server)
        self.berth.wait_for(lambda: self.berth.run("logs", listen).out.strip(), "the server's port")
        port = self.berth.ok("logs", listen).split()[0]
        out = self.berth.ok("run", "-q", "--network", "isolated", "--bandwidth", "10Mbit", "--",
                            "python3", "-c", client, port)
        self.assertGreater(float(out), 2.0)
        self.berth.ok("wait", listen)
        job = self.berth.submit("--network", "isolated", "--", "cat", "/proc/net/dev")
        self.berth.ok("wait", job)
        self.assertNotIn("notEnforced", self.attempt(job))
        self.assertEqual({"lo", "eth0"}, {line.split(":")[0].strip() for line in
                                          self.berth.ok("logs", job).splitlines() if ":" in line})
        self.berth.wait_for(lambda: not (self.namespaces() - before), "the namespaces to go")

    def test_bad_amounts_are_refused_by_name(self):
        for flags, word in (
            (["--cpu-placement", "dedicated", "--cpu", "0.5"], "whole number"),
            (["--cpu", "2", "--cpu-limit", "1"], "below the 2"),
            (["--io-weight", "5000"], "--io-weight"),
            (["--network", "bridge"], "host or isolated"),
            (["--on-oom", "1Mi", "--memory", "1Gi"], "not above"),
            (["--restart", "always"], "--service"),
            (["--service", "--retries", "3"], "retries"),
        ):
            with self.subTest(flags=flags):
                self.assert_refused(self.berth.run("submit", *flags, "--", "true"), 2, word)


if __name__ == "__main__":
    unittest.main()
