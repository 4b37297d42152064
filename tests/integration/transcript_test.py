"""What README.md shows is what a stranger sees."""
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]

import cluster  # noqa: E402
import run_transcript  # noqa: E402

README = ROOT / "README.md"


class TranscriptTest(cluster.IntegrationTest):
    def setUp(self):
        self.steps = run_transcript.parse(README.read_text(encoding="utf-8"))
        self.berth = self.start_cluster(nodes=["node-a", "node-b"],
                                        inventory={"cpu": 1, "memory": "12Gi"})

    def test_every_command_prints_what_the_readme_says(self):
        faults = run_transcript.run(self.steps, ROOT, self.berth.environment())
        self.assertEqual([], faults, "\n".join(faults))
        outputs = [int(line.rpartition(": ")[2]) for line in self.berth.ok("logs", "2").splitlines()]
        self.assertEqual([i * i for i in range(100)], sorted(outputs))

    def test_a_line_that_differs_is_noticed(self):
        step = run_transcript.Step("berth version --no-such-flag")
        step.expected = ["job 1 submitted (1 task)"]
        self.assertEqual(1, len(run_transcript.run([step], ROOT, self.berth.environment())))


class ParseTest(unittest.TestCase):
    TEXT = """
words
```
$ tools/quickstart.sh --keep      # prints: something
$ cd config/examples
$ berth wait 2                    →  100/100 done
$ berth run -- sh -c 'exit 3'; echo $?
job 4 failed: exit 3
3
```
$ not a part of it
"""

    def test_commands_lose_their_comment_and_keep_what_they_print(self):
        steps = run_transcript.parse(self.TEXT)
        self.assertEqual(
            [("tools/quickstart.sh --keep", []), ("cd config/examples", []),
             ("berth wait 2", ["100/100 done"]),
             ("berth run -- sh -c 'exit 3'; echo $?", ["job 4 failed: exit 3", "3"])],
            [(step.command, step.expected) for step in steps])

    def test_times_and_sizes_are_masked_and_nothing_else(self):
        self.assertEqual("job 1: <node> → 42 (<time>, <size> peak)",
                         run_transcript.mask("job 1: node-b → 42 (0.1s, 9Mi peak)"))
        self.assertEqual("2.7 of 0-99 in exit 3", run_transcript.mask("2.7 of 0-99 in exit 3"))

    def test_what_was_erased_is_not_seen(self):
        self.assertEqual("job 4 failed\n3", run_transcript.screen("job 4: run\r\x1b[Kjob 4 failed\r\n3"))
