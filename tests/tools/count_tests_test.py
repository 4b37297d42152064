"""The count of a test run is that of its cases, and nothing that went wrong is lost on the way."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

COUNTER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "count_tests.py"


def suite(*cases):
    return "<testsuites><testsuite>" + "".join(cases) + "</testsuite></testsuites>"


def case(name, inside="", attributes='status="run"'):
    return f'<testcase name="{name}" classname="Suite" {attributes}>{inside}</testcase>'


FAILURE = '<failure message="2 is not 3"/>'
SKIPPED = '<skipped message="no cgroups"/>'


class CountTestsTest(unittest.TestCase):
    def count(self, ctest, reports=None, skips=""):
        """Returns the exit status and the lines printed for these files."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            if ctest is not None:
                (root / "ctest.xml").write_text(ctest)
            (root / "skips.txt").write_text(skips)
            for name, text in (reports or {}).items():
                (root / f"{name}.xml").write_text(text)
            done = subprocess.run([sys.executable, COUNTER, "ctest.xml", ".", "skips.txt"],
                                  cwd=root,
                                  capture_output=True, text=True, check=False)
            lines = done.stdout.splitlines()
            if done.returncode in (0, 1) and lines:
                self.assertEqual((root / "summary.txt").read_text(), lines[-1] + "\n")
            return done.returncode, lines + done.stderr.splitlines()

    def test_counts_the_cases_of_a_binary_and_one_for_a_test_without_report(self):
        status, lines = self.count(suite(case("base_test"), case("script")),
                                   {"base_test": suite(case("A"), case("B"))})
        self.assertEqual((status, lines), (0, ["3 passed, 0 failed, 0 skipped"]))

    def test_names_the_case_that_failed(self):
        status, lines = self.count(suite(case("base_test", FAILURE, 'status="fail"')),
                                   {"base_test": suite(case("A"), case("B", FAILURE))})
        self.assertEqual((status, lines), (1, ["failed: base_test.Suite.B: 2 is not 3",
                                               "1 passed, 1 failed, 0 skipped"]))

    def test_a_binary_that_fails_although_its_cases_pass_is_a_failure(self):
        status, lines = self.count(suite(case("base_test", '<failure message="leak"/>',
                                              'status="fail"')),
                                   {"base_test": suite(case("A"))})
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["failed: base_test: the test as a whole: leak, after 1 cases that "
                                 "passed", "1 passed, 1 failed, 0 skipped"])

    def test_a_binary_that_crashed_before_its_report_is_a_failure(self):
        status, lines = self.count(suite(case("base_test", '<failure message="SEGFAULT"/>',
                                              'status="fail"')))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_binary_that_was_not_built_is_a_failure(self):
        status, lines = self.count(suite(case("a"), case("base_test", "", 'status="notrun"')))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_report_that_is_cut_off_is_a_failure(self):
        status, lines = self.count(suite(case("base_test")),
                                   {"base_test": "<testsuites><testsuite>"})
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_binary_that_ran_no_case_is_a_failure(self):
        status, lines = self.count(suite(case("base_test")), {"base_test": suite()})
        self.assertEqual((status, lines), (1, ["failed: base_test: ran no case",
                                               "0 passed, 1 failed, 0 skipped"]))

    def test_a_listed_skip_is_a_skip_and_shows_its_reason(self):
        status, lines = self.count(suite(case("base_test")),
                                   {"base_test": suite(case("A"), case("B", SKIPPED))},
                                   skips="# why\nbase_test.Suite.*: needs a cgroup v2 hierarchy\n")
        self.assertEqual((status, lines),
                         (0, ["skipped: base_test.Suite.B: needs a cgroup v2 hierarchy",
                              "1 passed, 0 failed, 1 skipped"]))

    def test_an_unlisted_skip_is_a_failure(self):
        for skip in (case("B", SKIPPED), case("DISABLED_B", "", 'status="notrun"')):
            status, lines = self.count(suite(case("base_test")),
                                       {"base_test": suite(case("A"), skip)}, skips="other.*: no\n")
            self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
            self.assertIn("skips.txt does not list it", lines[0])

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.count(suite()), (1, ["no test ran", "0 passed, 1 failed, 0 skipped"]))
        status, lines = self.count(suite(case("base_test")),
                                   {"base_test": suite(case("A", SKIPPED))}, skips="*: all of them\n")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 1 skipped"))
        status, lines = self.count(None)
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_skip_is_listed_with_its_reason_or_not_at_all(self):
        status, lines = self.count(suite(case("a")), skips="base_test.Suite.B\n")
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["skips.txt:1: expected 'test.Suite.Case: reason'"])


if __name__ == "__main__":
    unittest.main()
