"""Orderly restarts of everything, one after the other, while clients go on submitting; and what an orderly
stop of berthd looks like from outside."""
import collections
import concurrent.futures
import contextlib
import pathlib
import signal
import sys
import threading
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import wire_client  # noqa: E402

CLIENTS = 3
TASK = ("--cpu", "0.2", "--memory", "32Mi")


class RollingRestartTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(nodes=["node-a", "node-b", "node-c"])
        self.ran = self.berth.directory / "ran"
        self.ran.touch()
        self.acknowledged = {}  # id of a job by the name that its client gave it
        self.stop = threading.Event()

    def submit_until_told(self, client):
        """One job after the other. A client that got no answer asks again, for the same."""
        number = 0
        while not self.stop.is_set():
            name = f"{client}-{number}"
            answer = self.berth.run(
                "submit", "-q", "--name", name, "--request-id", name, *TASK, "--", "sh", "-c",
                f'sleep 0.{number % 4}; echo "$BERTH_TASK_ID" >> {self.ran}')
            if answer.code == 0:
                self.acknowledged[name] = answer.out.strip()
                number += 1
            else:
                self.assertEqual(5, answer.code, answer.err)

    def lines(self):
        return self.ran.read_text().splitlines()

    def await_progress(self, clients):
        """Until each client was answered, and some work was done, since now."""
        answered, done = len(self.acknowledged), len(self.lines())
        self.berth.wait_for(lambda: any(c.done() for c in clients) or
                            (len(self.acknowledged) >= answered + 2 * CLIENTS and
                             len(self.lines()) > done), "work to go on")
        for client in clients:
            self.assertFalse(client.done(), client.done() and client.exception())

    def restart(self, daemon):
        self.assertEqual(0, daemon.stop(), self.berth.logs())
        daemon.start()
        if daemon is self.berth.berthd:
            self.berth.wait_for_berthd()
        self.berth.wait_for_nodes()

    def test_nothing_that_was_acknowledged_is_lost_or_run_twice(self):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self.submit_until_told, n) for n in range(CLIENTS)]
            try:
                # In this thread: a daemon ends with the thread that started it.
                self.await_progress(clients)
                for agent in self.berth.agents.values():
                    for daemon in (self.berth.berthd, agent):
                        self.restart(daemon)
                        self.await_progress(clients)
            finally:
                self.stop.set()
            for client in clients:
                client.result()

        ids = set(self.acknowledged.values())
        self.assertEqual(len(self.acknowledged), len(ids))
        self.assertEqual(0, self.berth.run("wait", "-q", *ids, seconds=120).code)
        jobs = {job["spec"]["name"]: job for job in cluster.items(self.berth.json("get", "jobs"))}
        self.assertEqual(self.acknowledged, {name: job["id"] for name, job in jobs.items()})
        self.assertEqual({"succeeded"}, {job["state"] for job in jobs.values()})
        self.assertEqual({f"{id}.0": 1 for id in ids}, dict(collections.Counter(self.lines())))
        # Nothing was even begun again.
        tasks = cluster.items(self.berth.json("get", "tasks"))
        self.assertEqual({id: 1 for id in ids}, {task["jobId"]: task["attempts"] for task in tasks})


class StopTest(cluster.IntegrationTest):
    """SIGTERM to a berthd that a call keeps from ending at once."""

    def setUp(self):
        self.berth = self.start_cluster()

    @contextlib.contextmanager
    def open_call(self):
        """A call that is begun and never made: an orderly stop gives it a while."""
        wire = wire_client.connect(self.berth.address)
        over = threading.Event()

        def nothing():
            over.wait()
            yield from ()

        with wire.channel:
            # Answered, so the connection is up; then one that says nothing.
            wire.administration.GetVersion(wire.admin.GetVersionRequest(), timeout=30)
            call = wire.channel.stream_unary("/berth.v1.JobService/SubmitJob").future(nothing())
            wire.administration.GetVersion(wire.admin.GetVersionRequest(), timeout=30)
            try:
                yield
            finally:
                over.set()
                call.cancel()

    def probe(self, name):
        """The status of /livez or /readyz; None: nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.berth.http_port}/{name}",
                                        timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except (urllib.error.URLError, ConnectionError):
            return None

    def test_it_says_first_that_it_is_not_ready_and_is_alive_to_the_end(self):
        job = self.berth.submit(*TASK, "--", "sleep", "1000")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "the task to run")
        probes = [(self.probe("readyz"), self.probe("livez"))]
        self.assertEqual([(200, 200)], probes)
        taken = []

        def ask():
            probes.append((self.probe("readyz"), self.probe("livez")))
            answer = self.berth.run("submit", "-q", *TASK, "--", "true")
            if answer.code == 0:
                taken.append(answer.out.strip())
            else:
                self.assertEqual(5, answer.code, answer.err)
            return not self.berth.berthd.is_running()

        with self.open_call():
            self.berth.berthd.signal(signal.SIGTERM)
            self.berth.wait_for(lambda: ask() or probes[-1][0] == 503, "berthd to be not ready")
            # There is nothing to read anew any more; it ends as it was going to.
            self.berth.berthd.signal(signal.SIGHUP)
            self.berth.wait_for(ask, "berthd to end")
        self.assertEqual(0, self.berth.berthd.process.returncode)
        self.assertIn((503, 200), probes)
        self.assertLessEqual({live for _, live in probes}, {200, None})
        ready = [ready for ready, _ in probes]
        self.assertNotIn(200, ready[ready.index(503):], "ready again")

        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        self.assertEqual({"running"}, self.berth.states(job))
        for id in taken:
            self.berth.ok("wait", id)

    def test_a_second_signal_does_not_wait(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second=second.name):
                with self.open_call():
                    job = self.berth.submit(*TASK, "--", "true")
                    self.berth.berthd.signal(signal.SIGTERM)
                    self.berth.wait_for(lambda: self.probe("readyz") == 503, "it to stop")
                    self.berth.berthd.signal(second)
                    # By the signal, not in order.
                    self.assertEqual(-second, self.berth.berthd.process.wait(20))
                self.berth.start_berthd()
                self.berth.ok("wait", job)
