"""The include checker refuses a tree for each of its rules, and accepts one that keeps them."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKER = ROOT / "tools" / "check_layers.py"

TABLE = """
# comment
berth:
base: berth | spdlog
state: berth, base
store: berth, base, state | rocksdb, proto
plugins: berth
exe: * | grpc
"""

# The one source that no CMakeLists.txt of these trees names.
UNBUILT = "src/exe/old.cc"

SOUND = {
    "include/berth/ids.h": "#pragma once\n",
    "src/base/check.h": '#include <string>\n#include "absl/status/status.h"\n'
                        '#include "berth/ids.h"\n',
    "src/base/logging.cc": '#include "base/check.h"\n#include <spdlog/spdlog.h>\n',
    "src/state/task.h": '#include "base/check.h"\n',
    "src/store/disk.cc": '#include <rocksdb/db.h>\n#include "berth/v1/types.pb.h"\n'
                         '#include "state/task.h"\n',
    "src/exe/main.cc": '#include <grpcpp/grpcpp.h>\n#include "builtin.h"\n'
                       '#include "store/disk.h"\n',
    "src/store/disk.h": "#pragma once\n",
    "plugins/builtin.h": "#pragma once\n",
    "plugins/builtin.cc": '#include "fit/fit.h"\n#include "taint/taint.h"\n',
    "plugins/common/slots.h": '#include "berth/ids.h"\n',
    "plugins/fit/fit.h": '#include "common/slots.h"\n#include "fit/detail.h"\n',
    "plugins/fit/detail.h": "#pragma once\n",
    "plugins/taint/taint.h": "#pragma once\n",
}


class CheckLayersTest(unittest.TestCase):
    def check(self, changes=None, table=TABLE):
        """Runs the checker on the sound tree with `changes`; returns its exit status and output."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "layers.txt").write_text(table)
            tree = SOUND | (changes or {})
            sources = [name.removeprefix("src/") for name in tree if name.startswith("src/")
                       and name.endswith(".cc") and name != UNBUILT]
            tree["src/CMakeLists.txt"] = f"library({' '.join(sources)})  # exe/old.cc\n"
            plugins = [name.removeprefix("plugins/") for name in tree if name.startswith("plugins/")
                       and name.endswith(".cc")]
            for name in plugins:  # relative to the folder that names it
                folder, _, file = name.rpartition("/")
                lists = f"plugins/{folder}/CMakeLists.txt" if folder else "plugins/CMakeLists.txt"
                tree[lists] = tree.get(lists, "") + f"library(\n  {file})\n"
            for name, text in tree.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            command = [sys.executable, CHECKER, "layers.txt", "src", "include", "plugins"]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

    def assert_refused(self, changes, expected):
        status, output = self.check(changes)
        self.assertEqual(status, 1, output)
        self.assertEqual(len(output.splitlines()), 1, output)
        self.assertIn(expected, output)

    def test_accepts_a_tree_that_keeps_the_rules(self):
        status, output = self.check()
        self.assertEqual((status, output), (0, "layers: 17 includes, all downward\n"))

    def test_refuses_a_source_that_nothing_compiles(self):
        self.assert_refused({UNBUILT: "// left behind\n"}, f"{UNBUILT}:1: in no CMakeLists.txt")

    def test_refuses_an_include_upwards(self):
        self.assert_refused({"src/base/up.h": '#pragma once\n#include "state/task.h"\n'},
                            "src/base/up.h:2: base may not include state/task.h")

    def test_refuses_an_include_between_rooms(self):
        self.assert_refused({"src/state/side.cc": '#include "store/disk.h"\n'},
                            "src/state/side.cc:1: state may not include store/disk.h")

    def test_refuses_a_library_behind_anothers_door(self):
        self.assert_refused({"src/state/x.cc": "#include <rocksdb/db.h>\n"},
                            "src/state/x.cc:1: state may not open the 'rocksdb' door")
        self.assert_refused({"src/state/x.cc": "#  include <fmt/core.h>\n"}, "the 'spdlog' door")
        self.assert_refused({"src/state/x.cc": '#include "berth/v1/types.pb.h"\n'},
                            "the 'proto' door")
        self.assert_refused({"src/store/x.cc": '#include "berth/v1/agent.grpc.pb.h"\n'},
                            "the 'grpc' door")

    def test_refuses_a_plugin_that_sees_more_than_an_outside_author(self):
        self.assert_refused({"plugins/fit/x.cc": '#include "base/check.h"\n'},
                            "plugins/fit/x.cc:1: plugins may not include base/check.h")

    def test_refuses_a_plugin_that_includes_another(self):
        self.assert_refused({"plugins/fit/x.cc": '#include "taint/taint.h"\n'},
                            "plugins/fit/x.cc:1: plugin fit may not include taint/taint.h")

    def test_refuses_a_room_that_includes_a_plugin(self):
        self.assert_refused({"src/state/x.cc": '#include "fit/fit.h"\n'},
                            "state may not include fit/fit.h")

    def test_refuses_the_sdk_looking_into_the_house(self):
        self.assert_refused({"include/berth/x.h": '#include "base/check.h"\n'},
                            "berth may not include base/check.h")

    def test_refuses_includes_that_are_not_from_an_include_root(self):
        for include in ("src/base/check.h", "../base/check.h", "plugins/fit/fit.h",
                        "tests/support/x.h"):
            self.assert_refused({"src/state/x.cc": f'#include "{include}"\n'},
                                "from an include root")
        self.assert_refused({"src/state/x.cc": '#include "task.h"\n'}, "task.h: not found under")

    def test_refuses_a_folder_that_the_table_does_not_name(self):
        self.assert_refused({"src/attic/x.h": "#pragma once\n"},
                            "folder 'attic' is not in layers.txt")
        self.assert_refused({"src/x.h": "#pragma once\n"}, "src/x.h:1: a file belongs in a folder")

    def test_refuses_a_table_that_contradicts_itself(self):
        for line, expected in (("base: berth, state", "listed twice"),
                               ("queue: nowhere", "'nowhere', which is not in the table"),
                               ("queue: | gates", "'gates', which is no door"),
                               ("no colon", "layers.txt:9: expected")):
            status, output = self.check(table=TABLE + line + "\n")
            self.assertEqual(status, 2, output)
            self.assertIn(expected, output)
        status, output = self.check(table=TABLE.replace("base: berth", "base: berth, store"))
        self.assertEqual(status, 2, output)
        self.assertIn("in a circle: base -> store -> base", output)


if __name__ == "__main__":
    unittest.main()
