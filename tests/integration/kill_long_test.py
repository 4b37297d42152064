"""The rounds of kill_test.py in number: 50 of each. Only with --long."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import kill_rounds  # noqa: E402


class KillLongTest(kill_rounds.KillRounds):
    def test_of_berthd_loses_nothing_and_repeats_nothing(self):
        self.run_rounds(50, kill_rounds.berthd)

    def test_of_an_agent_leaves_its_tasks_running(self):
        self.run_rounds(50, kill_rounds.an_agent)

    def test_of_everything_at_once_loses_nothing_and_repeats_nothing(self):
        self.run_rounds(50, kill_rounds.all_of_them)
