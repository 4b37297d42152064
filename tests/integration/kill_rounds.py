"""Rounds of kill -9 at random moments while an array runs, and what must hold after each.

Every task appends "<its id> <its attempt>" to one file opened O_APPEND. After a round the file and
berthd's answer are compared: each task succeeded, ran once, and nothing is there twice.
"""
import collections
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

TASKS = 200
# Long enough that an array of them is killed in the middle: 200 of them, 40 at once, take about 1 s.
TASK = 'sleep 0.$((BERTH_ARRAY_INDEX % 4))5; echo "$BERTH_TASK_ID $BERTH_ATTEMPT" >> "$FILE"'
INVENTORY = {"cpu": 4, "memory": "8Gi"}
SPREAD_S = 1.5


class KillRounds(cluster.IntegrationTest):
    """Base of the tests: `rounds` rounds with `victims`, on one cluster that lives on."""

    def setUp(self):
        # An agent that dies between noting an attempt and starting it may leave it to the next one.
        self.agents_live = True

    def run_rounds(self, rounds, victims):
        """`victims`: functions from the cluster to the daemons that a round kills."""
        seed = cluster.main_seed()
        rng = random.Random(seed)
        berth = self.start_cluster(nodes=["node-a", "node-b"], inventory=INVENTORY)
        for number in range(rounds):
            with self.subTest(round=number, seed=seed):
                self.run_round(berth, number, rng, victims)

    def run_round(self, berth, number, rng, victims):
        file = berth.directory / f"round-{number}"
        job = berth.submit("--array", f"0-{TASKS - 1}", "--cpu", "0.2", "--memory", "32Mi",
                           "--env", f"FILE={file}", "--", "sh", "-c", TASK)
        started = time.monotonic()
        for moment in sorted(rng.uniform(0, SPREAD_S) for _ in range(rng.randint(1, 2))):
            # A moment is waited for, not a state: that is what is tried here.
            threading.Event().wait(max(0.0, started + moment - time.monotonic()))
            killed = victims(berth, rng)
            self.agents_live = self.agents_live and killed == [berth.berthd]
            for daemon in killed:
                daemon.kill()
            for daemon in killed:
                daemon.start()
        berth.wait_for_berthd()
        self.assertEqual("", berth.run("wait", "-q", job, seconds=120).err)
        self.check(berth, job, file)

    def check(self, berth, job, file):
        answer = {t["id"]: t for t in berth.tasks(job)}
        self.assertEqual({f"{job}.{i}" for i in range(TASKS)}, set(answer), "tasks lost")
        ran = collections.Counter(file.read_text().splitlines())
        self.assertEqual([], [line for line, count in ran.items() if count > 1], "ran twice")
        self.assertEqual({"succeeded": TASKS},
                         dict(collections.Counter(t["state"] for t in answer.values())))
        # Berth's own account says the same as the tasks': which attempt it was that ran.
        self.assertEqual({f"{id} {t['attempt']['number']}" for id, t in answer.items()}, set(ran))
        if self.agents_live:
            self.assertEqual({1}, {t["attempts"] for t in answer.values()}, "begun again for nothing")
        self.assertEqual({0}, {t["attempt"]["exitCode"] for t in answer.values()})


def berthd(berth, _):
    return [berth.berthd]


def an_agent(berth, rng):
    return [rng.choice(sorted(berth.agents.items()))[1]]


def all_of_them(berth, _):
    return berth.daemons()
