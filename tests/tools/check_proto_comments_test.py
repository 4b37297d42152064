"""The checker of the protos' comments finds each field that says nothing of itself."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_proto_comments.py"

SOUND = """syntax = "proto3";
// What a job is.
message Job {
  // Name. Required.
  string name = 1;
  map<string, string> labels = 2;  // at most 64
  reserved 3 to 5;
  oneof how {
    // By a program.
    Command command = 6;
    // By a script.
    bytes script = 7;
  }
  // A state. Never UNSPECIFIED.
  optional berth.v1.State state = 8 [deprecated = true];
  enum State {
    STATE_UNSPECIFIED = 0;
    STATE_RUNNING = 1;
  }
}
message Empty {}
service Jobs {
  rpc Get(Empty) returns (Job);
}
"""


class CheckProtoCommentsTest(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "job.proto"
            path.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, str(CHECKER), str(path)], capture_output=True,
                                  text=True, timeout=60, check=False)
            return done.returncode, done.stdout

    def test_a_sound_file_passes(self):
        self.assertEqual(self.check(SOUND), (0, "5 fields, each with its comment\n"))

    def test_each_field_needs_its_own(self):
        for line, field in ((4, "Job.name"), (6, "Job.labels"), (11, "Job.script"), (14, "Job.state")):
            with self.subTest(field=field):
                lines = SOUND.splitlines()
                if "//" in lines[line - 1] and lines[line - 1].strip().startswith("//"):
                    del lines[line - 1]
                else:
                    lines[line - 1] = lines[line - 1].split("//")[0]
                status, out = self.check("\n".join(lines))
                self.assertEqual(status, 1)
                self.assertEqual(out.count("\n"), 1, out)
                self.assertIn(f": {field} has no comment", out)

    def test_without_files_it_says_how_it_is_used(self):
        done = subprocess.run([sys.executable, str(CHECKER)], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("Usage:", done.stderr)


if __name__ == "__main__":
    unittest.main()
