"""An installation, and what the service manager is told."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
from processes import wait_until  # noqa: E402


class Notifications:
    """The socket of a service manager."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path.replace("@", "\0", 1))
        self.socket.setblocking(False)
        self.heard = []

    def lines(self):
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def of(self, *keys):
        """What was told of these, in order, each once in a row."""
        told = [line for line in self.lines() if line.split("=")[0] in keys]
        return [line for i, line in enumerate(told) if i == 0 or told[i - 1] != line]


class NotifyTest(cluster.IntegrationTest):
    def listen(self, daemon, path, **environment):
        """Has a service manager listen to a daemon that is not started yet."""
        notifications = Notifications(path)
        self.addCleanup(notifications.socket.close)
        words = {"NOTIFY_SOCKET": path, **environment}
        daemon.wrapper = ["env", *(f"{key}={value}" for key, value in words.items())]
        return notifications

    def check(self, berth, daemon, notifications):
        berth.wait_for(lambda: "READY=1" in notifications.lines(), "READY")
        berth.wait_for(lambda: notifications.lines().count("WATCHDOG=1") >= 3, "three WATCHDOGs")
        daemon.signal(signal.SIGHUP)
        berth.wait_for(lambda: notifications.lines().count("READY=1") >= 2, "READY after a reload")
        self.assertEqual(0, daemon.stop())
        self.assertEqual(["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"],
                         notifications.of("READY", "RELOADING", "STOPPING"))
        return notifications.of("STATUS")

    def test_berthd_says_how_it_is(self):
        berth = self.new_cluster()
        heard = self.listen(berth.berthd, f"{berth.directory}/notify", WATCHDOG_USEC="200000")
        berth.start_berthd()
        status = self.check(berth, berth.berthd, heard)
        self.assertEqual(f"STATUS=Serving on unix:{berth.socket}", status[0])

    def test_an_agent_says_how_it_is(self):
        berth = self.new_cluster()
        agent = berth.agents["node-a"]
        # An abstract socket, as some supervisors have it.
        heard = self.listen(agent, f"@{berth.directory}/notify", WATCHDOG_USEC="200000")
        berth.start()
        berth.wait_for(lambda: "STATUS=0 tasks; in session with berthd" in heard.lines(), "its state")
        job = berth.submit("--", "sleep", "1000")
        berth.wait_for(lambda: "STATUS=1 tasks; in session with berthd" in heard.lines(), "its task")
        self.check(berth, agent, heard)
        berth.agents["node-a"].start()
        berth.ok("cancel", job)

    def test_a_watchdog_of_another_process_is_not_ours(self):
        berth = self.new_cluster()
        heard = self.listen(berth.berthd, f"{berth.directory}/notify", WATCHDOG_USEC="1000",
                            WATCHDOG_PID="1")
        berth.start_berthd()
        berth.wait_for(lambda: "READY=1" in heard.lines(), "READY")
        self.assertEqual(0, berth.berthd.stop())
        self.assertNotIn("WATCHDOG=1", heard.lines())


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = pathlib.Path(tempfile.mkdtemp(prefix="berth-test-")) / "usr"
        cls.addClassCleanup(shutil.rmtree, cls.prefix.parent)
        subprocess.run(["cmake", "--install", cluster.BUILD, "--prefix", cls.prefix], check=True,
                       stdout=subprocess.DEVNULL)

    def test_everything_is_where_it_is_looked_for(self):
        for name in ("bin/berth", "bin/berthd", "bin/berth-agent", "libexec/berth/berth-shim",
                     "libexec/berth/berth-files"):
            self.assertTrue(os.access(self.prefix / name, os.X_OK), name)
        for name in ("lib/systemd/system/berthd.service", "lib/systemd/system/berth-agent.service",
                     "lib/sysusers.d/berth.conf", "share/berth/config/berthd.yaml",
                     "share/berth/config/agent.yaml", "share/doc/berth/install.md"):
            self.assertTrue((self.prefix / name).is_file(), name)
        subprocess.run([self.prefix / "bin/berthd", "config", "check",
                        self.prefix / "share/berth/config/berthd.yaml"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([self.prefix / "bin/berth-agent", "--check", "--config",
                        self.prefix / "share/berth/config/agent.yaml"], check=True,
                       stdout=subprocess.DEVNULL)

    def test_an_installed_agent_finds_its_shim(self):
        berth = cluster.Cluster()
        self.addCleanup(berth.close)
        berth.agents["node-a"].bin = self.prefix / "bin"
        berth.start()
        self.assertEqual("hello\n", berth.ok("run", "-q", "--", "echo", "hello"))

    def test_the_units_are_right(self):
        units = self.prefix / "lib/systemd/system"
        agent = (units / "berth-agent.service").read_text()
        for line in ("Type=notify", "KillMode=process", "Delegate=yes", "Restart=always",
                     "OOMPolicy=continue", "StateDirectory=berth-agent"):
            self.assertRegex(agent, f"(?m)^{line}$")
        berthd = (units / "berthd.service").read_text()
        for line in ("Type=notify", "User=berth", "StateDirectory=berth", "NoNewPrivileges=yes"):
            self.assertRegex(berthd, f"(?m)^{line}$")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_systemd_takes_the_units(self):
        # The programs of another prefix are not there: these ones stand in for them.
        units = self.prefix / "checked"
        units.mkdir()
        for unit in (self.prefix / "lib/systemd/system").iterdir():
            text = re.sub(r"(?m)^ExecStart=\S*/", f"ExecStart={self.prefix}/bin/", unit.read_text())
            (units / unit.name).write_text(text)
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
             *sorted(units.iterdir())], capture_output=True, text=True)
        ours = [line for line in (checked.stdout + checked.stderr).splitlines() if "berth" in line]
        self.assertEqual([], ours)
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr)


class UpgradeTest(cluster.IntegrationTest):
    """Another agent and shim, elsewhere, take over from those that tasks were started by."""

    def version(self, berth, name):
        """A copy of the agent and its shim at a place of their own."""
        folder = berth.directory / name
        folder.mkdir()
        for program in ("berth-agent", "berth-shim"):
            shutil.copy2(cluster.BIN / program, folder)
        return folder

    def test_tasks_run_on_while_agent_and_shim_are_replaced(self):
        berth = self.new_cluster()
        agent = berth.agents["node-a"]
        old = agent.bin = self.version(berth, "v1")
        berth.start()
        go = berth.directory / "go"
        wait = f"while [ ! -e {go} ]; do sleep 0.05; done; "
        good = berth.submit("--", "sh", "-c", f"echo before; {wait} echo after")
        bad = berth.submit("--", "sh", "-c", f"{wait} exit 7")
        for job in (good, bad):
            berth.wait_for(lambda: berth.states(job) == {"running"}, "both to run")
        started = {job: berth.tasks(job)[0]["attempt"]["startedUnixMs"] for job in (good, bad)}

        self.assertEqual(0, agent.stop())
        # One shim's file is replaced, and then all of the old version goes.
        os.replace(shutil.copy2(cluster.BIN / "berth-shim", old / "new"), old / "berth-shim")
        shutil.rmtree(old)
        agent.bin = self.version(berth, "v2")
        agent.start()
        berth.wait_for_nodes()
        for job in (good, bad):
            self.assertEqual({"running"}, berth.states(job))
        new = berth.submit("--", "echo", "by the new one")
        berth.ok("wait", new)

        # An end while no agent runs is found as well.
        self.assertEqual(0, agent.stop())
        go.touch()
        shims = lambda: [p for p in cluster.processes.with_argument(f"{old}/berth-shim")
                         if cluster.processes.is_running(p)]
        wait_until(lambda: not shims(), "the old shims to end")
        agent.bin = self.version(berth, "v3")
        agent.start()
        self.assertEqual(0, berth.run("wait", good).code)
        self.assertEqual(1, berth.run("wait", bad).code)
        self.assertEqual("before\nafter\n", berth.ok("logs", good))
        self.assertEqual("by the new one\n", berth.ok("logs", new))
        task = berth.tasks(bad)[0]
        self.assertEqual(7, task["attempt"]["exitCode"])
        for job in (good, bad):
            task = berth.tasks(job)[0]
            self.assertEqual(1, task["attempt"]["number"], "it was started again")
            self.assertEqual(started[job], task["attempt"]["startedUnixMs"])


if __name__ == "__main__":
    unittest.main()
