"""kill -9 of berthd, of an agent and of both while work runs: nothing is lost, nothing runs twice."""
import concurrent.futures
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import kill_rounds  # noqa: E402


class KillTest(kill_rounds.KillRounds):
    def test_of_berthd_loses_nothing_and_repeats_nothing(self):
        self.run_rounds(5, kill_rounds.berthd)

    def test_of_an_agent_leaves_its_tasks_running(self):
        self.run_rounds(5, kill_rounds.an_agent)

    def test_of_everything_at_once_loses_nothing_and_repeats_nothing(self):
        self.run_rounds(3, kill_rounds.all_of_them)


class AgentAwayTest(cluster.IntegrationTest):
    def test_tasks_go_on_and_their_exit_codes_arrive_when_it_is_back(self):
        berth = self.start_cluster()
        gate = berth.directory / "gate"
        job = berth.submit("--array", "0-2", "--env", f"GATE={gate}", "--", "sh", "-c",
                           'while ! [ -e "$GATE" ]; do sleep 0.02; done; exit $BERTH_ARRAY_INDEX')
        berth.wait_for(lambda: berth.states(job) == {"running"}, "the tasks to run")
        agent = berth.agents["node-a"]
        agent.kill()
        tasks = berth.task_processes()
        gate.touch()
        if berth.isolation != "none":
            self.assertNotEqual([], tasks)
            berth.wait_for(lambda: not berth.task_processes(), "the tasks to end without an agent")
        agent.start()
        self.assertEqual(1, berth.run("wait", job).code)
        self.assertEqual([0, 1, 2], [t["attempt"]["exitCode"] for t in berth.tasks(job)])
        self.assertEqual([1, 1, 1], [t["attempts"] for t in berth.tasks(job)])

    def test_a_task_that_is_cancelled_meanwhile_ends_when_it_is_back(self):
        berth = self.start_cluster()
        job = berth.submit("--", "sleep", "1000")
        berth.wait_for(lambda: berth.states(job) == {"running"}, "the task to run")
        agent = berth.agents["node-a"]
        agent.kill()
        berth.ok("cancel", job)
        self.assertEqual({"stopping"}, berth.states(job))
        agent.start()
        berth.wait_for(lambda: berth.states(job) == {"cancelled"}, "the task to be cancelled")
        berth.wait_for(lambda: not berth.task_processes(), "its process to be gone")


class SubmissionTest(cluster.IntegrationTest):
    """What was acknowledged is there after kill -9; what is repeated is not there twice."""

    JOBS = 300

    def test_survives_kills_of_berthd_with_request_ids(self):
        rng = random.Random(cluster.main_seed())
        berth = self.start_cluster(inventory={"cpu": 16, "memory": "16Gi"})
        acknowledged = {}
        kills = 0

        def submit(number):
            # A client that does not know whether it was heard repeats the same request.
            while True:
                answer = berth.run("submit", "-q", "--name", f"job-{number}", "--cpu", "0.1",
                                   "--request-id", f"request-{number}", "--", "true")
                if answer.code == 0:
                    acknowledged[number] = answer.out.strip()
                    return
                self.assertEqual(5, answer.code, answer.err)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(submit, number) for number in range(self.JOBS)]
            # In this thread: a daemon ends with the thread that started it.
            while not all(client.done() for client in clients):
                concurrent.futures.wait(clients, timeout=rng.uniform(0.02, 0.3))
                berth.berthd.kill()
                berth.start_berthd()
                kills += 1
            for client in clients:
                client.result()
        self.assertGreater(kills, 2, "too quick to be killed in the middle")
        berth.ok("wait", *acknowledged.values(), seconds=120)
        jobs = cluster.items(berth.json("get", "jobs"))
        names = {job["id"]: job["spec"]["name"] for job in jobs}
        self.assertEqual({f"job-{n}" for n in range(self.JOBS)}, set(names.values()))
        self.assertEqual(self.JOBS, len(jobs), "a repeat was admitted twice")
        self.assertEqual({i: f"job-{n}" for n, i in acknowledged.items()}, names)
