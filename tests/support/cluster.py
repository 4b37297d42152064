"""A whole Berth for a test: the real programs in a temporary folder, with free ports and cgroups of
their own, killed and removed at the end whatever happened in between.

    class MyTest(cluster.IntegrationTest):
        def test_something(self):
            berth = self.start_cluster(nodes=["node-a"])
            self.assertEqual("42\\n", berth.run("run", "-q", "--", "echo", "42").out)
"""
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import cgroup_tree
import processes
from processes import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BERTH_BUILD_DIR", ROOT / "build" / "release"))
BIN = BUILD / "bin"
GOLDEN_NODE = {"cpu": 4, "memory": "8Gi"}

Result = collections.namedtuple("Result", "code out err")


def others_reach_programs():
    """Whether every user can run what was built: not below somebody's private folder."""
    return all(folder.stat().st_mode & 0o001 for folder in (BIN, *BIN.resolve().parents))


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """One berthd or berth-agent: may be started, killed and started again with the same files."""

    def __init__(self, program, config_path, log_path, wrapper=()):
        self.program = program
        self.config_path = config_path
        self.log_path = log_path
        self.wrapper = list(wrapper)
        self.bin = BIN
        self.process = None

    def start(self):
        assert not self.is_running(), f"{self.program} runs already"
        with open(self.log_path, "ab") as log:
            # pdeathsig: not even a test that is killed leaves it behind. The kernel means the thread
            # that calls this, so call it from one that stays.
            self.process = subprocess.Popen(
                [*self.wrapper, "setpriv", "--pdeathsig", "KILL", self.bin / self.program,
                 "--config", self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        """SIGSTOP: returns when it stands still."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(lambda: processes.is_stopped(self.pid), f"{self.program} to stand still")

    def kill(self):
        """kill -9: no chance to tidy up."""
        if self.is_running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])


class Cluster:
    """berthd with agents. Nothing runs until it is started; close() leaves nothing."""

    def __init__(self, nodes=("node-a",), berthd=None, inventory=None, isolation=None):
        """`nodes`: names. `berthd`: further keys of berthd.yaml. `inventory`: of every agent."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="berth-test-"))
        # Not by the process's number: that is this one's alone in its own namespace only.
        self.cgroup_root = self.directory.name
        self.http_port = free_port()
        self.socket = self.directory / "berthd.sock"
        self.address = f"unix:{self.socket}"
        self.berthd_config = {
            "dataDir": str(self.directory / "data"),
            "socket": str(self.socket),
            "httpListen": f"127.0.0.1:{self.http_port}",
            **(berthd or {}),
        }
        self.berthd_config_path = self.directory / "berthd.yaml"
        self.write_berthd_config()
        self.berthd = Daemon("berthd", self.berthd_config_path, self.directory / "berthd.log")
        if isolation is None:
            isolation = "auto" if cgroup_tree.is_writable() else "none"
        self.isolation = isolation
        self.inventory = inventory or GOLDEN_NODE
        self.agents = {}
        for name in nodes:
            self.add_agent(name)

    def write_berthd_config(self):
        self.berthd_config_path.write_text(json.dumps(self.berthd_config, indent=2))

    def add_agent(self, name, inventory=None, environment=None, **config):
        """A further node; start it by agents[name].start(). `environment`: what it has beside ours."""
        path = self.directory / f"{name}.yaml"
        path.write_text(json.dumps({
            "server": self.address,
            "nodeName": name,
            "stateDir": str(self.directory / name),
            "cgroupRoot": f"{self.cgroup_root}/{name}",
            "isolation": self.isolation,
            "allowRoot": os.geteuid() == 0,
            "inventory": inventory or self.inventory,
            **config,
        }, indent=2))
        wrapper = ["env", *(f"{key}={value}" for key, value in environment.items())] if environment else []
        self.agents[name] = Daemon("berth-agent", path, self.directory / f"{name}.log", wrapper)
        return self.agents[name]

    # ---- up and down ----

    def start(self):
        """Starts everything, and returns when every node is ready."""
        self.start_berthd()
        for agent in self.agents.values():
            agent.start()
        self.wait_for_nodes()
        return self

    def start_berthd(self):
        self.berthd.start()
        self.wait_for_berthd()

    def wait_for_berthd(self):
        self.wait_for(lambda: self.run("version").code == 0, "berthd to answer")

    def wait_for_nodes(self, names=None):
        wanted = set(names or self.agents)
        self.wait_for(lambda: wanted <= {n["name"] for n in self.nodes() if n["state"] == "ready"},
                      lambda: f"nodes {sorted(wanted)} to be ready; they are {self.nodes()}")

    def wait_for(self, condition, what, seconds=30.0):
        """As wait_until; a failure shows the logs, and it fails at once when a daemon has ended."""
        ended = []

        def ask():
            ended.extend(d.program for d in self.daemons()
                         if d.process is not None and d.process.poll() not in (None, -signal.SIGKILL,
                                                                               0))
            return ended or condition()

        def explain():
            text = what() if callable(what) else what
            return f"{text}\n{self.logs()}"

        value = wait_until(ask, explain, seconds)
        if ended:
            raise AssertionError(f"{ended} ended by itself while waiting for {explain()}")
        return value

    def daemons(self):
        return [self.berthd, *self.agents.values()]

    def logs(self):
        return "\n".join(f"---- {d.log_path.name}\n{d.log_tail()}" for d in self.daemons())

    def close(self):
        for daemon in self.daemons():
            daemon.kill()
        cgroup_tree.remove(self.cgroup_root)
        # Shims are in no cgroup of theirs; without isolation, tasks are not either.
        shims = lambda: [p for p in processes.with_argument(self.directory)
                         if processes.is_running(p)]
        wait_until(lambda: processes.kill(shims()) or not shims(), "shims to go")
        shutil.rmtree(self.directory)

    # ---- what people do ----

    def environment(self, **more):
        """Of a person who has followed the README: the server's address, and berth in PATH."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BERTH_")}
        return {**kept, "BERTH_SERVER": self.address, "PATH": f"{BIN}:{os.environ['PATH']}", **more}

    def popen(self, *arguments, **options):
        options.setdefault("cwd", self.directory)
        options.setdefault("env", self.environment())
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([BIN / "berth", *map(os.fspath, map(str, arguments))],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, seconds=60, **options):
        """Runs `berth` to its end, not on a terminal."""
        process = self.popen(*arguments, **options)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"berth {arguments} did not end in {seconds} s\n"
                                 f"{out.decode()}{err.decode()}\n{self.logs()}") from None
        return Result(process.returncode, out.decode(errors="replace"),
                      err.decode(errors="replace"))

    def ok(self, *arguments, **options):
        """Runs `berth`, which must exit 0; its standard output."""
        result = self.run(*arguments, **options)
        if result.code != 0:
            raise AssertionError(f"berth {' '.join(map(str, arguments))}: exit {result.code}\n"
                                 f"{result.out}{result.err}\n{self.logs()}")
        return result.out

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "-o", "json"))

    def submit(self, *arguments):
        """Submits a job; its id."""
        return self.ok("submit", "-q", *arguments).strip()

    def nodes(self):
        result = self.run("get", "nodes", "-o", "json")
        return items(json.loads(result.out)) if result.code == 0 else []

    def metric(self, name):
        """A metric, with its labels as they stand there, as berthd shows it now."""
        url = f"http://127.0.0.1:{self.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"berthd shows no {name}")

    def tasks(self, job):
        return items(self.json("get", "tasks", "--job", job))

    def ended_attempt(self, job):
        """The last attempt of the job's first task, once one has ended; else None."""
        attempt = self.tasks(job)[0].get("attempt", {})
        return attempt if attempt.get("end") else None

    def states(self, job):
        """The states of its tasks, as a set."""
        return {task["state"] for task in self.tasks(job)}

    # ---- what is left behind ----

    def task_processes(self):
        """Processes in the cgroups of this cluster's tasks."""
        return cgroup_tree.processes(self.cgroup_root)

    def own_processes(self):
        """Everything that runs on behalf of this cluster: daemons, shims, tasks in cgroups."""
        return sorted({*processes.with_argument(self.directory), *self.task_processes()})


def items(document):
    """The objects of a list, whether the command printed one or several."""
    if isinstance(document, list):
        return document
    for key in ("items", "nodes", "tasks", "jobs"):
        if key in document:
            return document[key]
    return [document]


class IntegrationTest(unittest.TestCase):
    """Closes its clusters, and shows their logs when the test has failed."""

    longMessage = True
    maxDiff = None

    def start_cluster(self, **options):
        cluster = self.new_cluster(**options)
        return cluster.start()

    def new_cluster(self, **options):
        cluster = Cluster(**options)
        self.addCleanup(cluster.close)
        self.addCleanup(self.show_logs, cluster)
        return cluster

    def show_logs(self, cluster):
        result = self._outcome.result
        if any(test.id().startswith(self.id()) for test, _ in result.failures + result.errors):
            print(cluster.logs(), file=sys.stderr)

    def assert_refused(self, result, code, *words):
        """The exit code, and a message on standard error that has these words."""
        self.assertEqual(code, result.code, result.out + result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertNotIn("Traceback", result.err)


def main_seed():
    """The seed of this run: BERTH_SEED, or a new one. Printed, so that a failure can be repeated."""
    seed = int(os.environ.get("BERTH_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"BERTH_SEED={seed}", file=sys.stderr)
    return seed
