"""tools/quickstart.sh with the programs of this build: works, and leaves nothing, however it ends."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cgroup_tree  # noqa: E402
import cluster  # noqa: E402
import processes  # noqa: E402

SCRIPT = cluster.ROOT / "tools" / "quickstart.sh"


@unittest.skipIf(os.geteuid() != 0, "needs root")
class QuickstartTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="berth-test-"))
        self.addCleanup(shutil.rmtree, self.tmp, True)
        self.addCleanup(self.remove_all)
        self.env = {**os.environ, "TMPDIR": str(self.tmp), "BERTH_BUILD_DIR": str(cluster.BUILD)}

    def remove_all(self):
        """What a run that went wrong may have left."""
        processes.kill(processes.with_argument(f"{self.tmp}/"))
        for folder in self.tmp.glob("berth-*"):
            cgroup_tree.remove(folder.name)

    def start(self, *arguments):
        return subprocess.Popen([SCRIPT, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                start_new_session=True)

    def run_script(self, *arguments):
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=120)
        return process.returncode, out

    def assert_nothing_left(self, out):
        self.assertEqual([], list(self.tmp.iterdir()), out)
        left = processes.with_argument(f"{self.tmp}/")
        self.assertEqual([], left, processes.describe(left))
        cgroups = [name for name in re.findall(r"berth-\w{4}\b", out)
                   if cgroup_tree.directories(name)]
        self.assertEqual([], cgroups)

    def test_shows_that_it_works_and_takes_everything_down(self):
        code, out = self.run_script()
        self.assertEqual(0, code, out)
        self.assertIn("100/100 done, 0 failed", out)
        self.assertIn("ok  no process is left", out)
        self.assert_nothing_left(out)

    def test_keeps_a_fresh_cluster_until_it_is_stopped(self):
        code, out = self.run_script("--keep")
        self.assertEqual(0, code, out)
        address = re.search(r"^export BERTH_SERVER=(unix:(.*)/berthd\.sock)$", out, re.MULTILINE)
        self.assertIsNotNone(address, out)
        env = {**self.env, "BERTH_SERVER": address[1]}
        first = subprocess.run([cluster.BIN / "berth", "run", "-q", "--", "sh", "-c",
                                "echo $BERTH_JOB_ID"], env=env, capture_output=True, text=True)
        self.assertEqual((0, "1\n"), (first.returncode, first.stdout), first.stderr)
        # Whatever runs in it ends with it.
        subprocess.run([cluster.BIN / "berth", "submit", "--", "sleep", "1000"], env=env, check=True,
                       capture_output=True)
        self.assertIn(f"--stop {address[2]}", out)
        code, said = self.run_script("--stop", address[2])
        self.assertEqual(0, code, said)
        self.assert_nothing_left(out)

    def test_an_interrupt_takes_everything_down(self):
        process = self.start()
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("$ berth submit"):  # in the middle of the transcript
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
                break
        out, _ = process.communicate(timeout=60)
        self.assertEqual(130, process.returncode, seen + out)
        self.assert_nothing_left(seen + out)

    def test_stops_nothing_that_it_did_not_start(self):
        code, out = self.run_script("--stop", str(self.tmp))
        self.assertEqual(1, code)
        self.assertIn(str(self.tmp), out)
        self.assertTrue(self.tmp.is_dir())

    def test_wrong_arguments(self):
        code, out = self.run_script("--kep")
        self.assertEqual(2, code)
        self.assertIn("--kep", out)
