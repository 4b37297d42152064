"""Kernels for several instruction sets answer the same, bit by bit."""
import os
import pathlib
import subprocess
import unittest

PROGRAMS = pathlib.Path(os.environ["BERTH_BUILD_DIR"]) / "tests"
SEED = os.environ.get("BERTH_SEED", "20261122")


def answers(program):
    result = subprocess.run([PROGRAMS / program, SEED], capture_output=True, text=True, timeout=100, check=True)
    return result.stdout.splitlines()


def flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return line.split(":")[1].split()
    return []


class VectorPathsTest(unittest.TestCase):
    def setUp(self):
        print(f"BERTH_SEED={SEED}")
        self.best = answers("vector_paths")
        self.assertGreater(len(self.best), 100)

    def test_what_every_machine_has_answers_as_the_best_that_this_one_has(self):
        self.assertEqual(answers("vector_paths_portable"), self.best)

    def test_avx2_answers_as_the_best_that_this_machine_has(self):
        if not {"avx2", "bmi2", "fma"} <= set(flags()):
            self.skipTest("this machine has no AVX2")
        self.assertEqual(answers("vector_paths_avx2"), self.best)

    def test_other_clusters_have_other_answers(self):
        other = subprocess.run([PROGRAMS / "vector_paths", str(int(SEED) + 1)], capture_output=True, text=True,
                               timeout=100, check=True)
        self.assertNotEqual(other.stdout.splitlines(), self.best)


if __name__ == "__main__":
    unittest.main()
