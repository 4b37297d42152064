"""A library of plugins, made as its author makes it: against the installed SDK, outside of this tree."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

BEST = 1 << 20


def of_build(name):
    """A variable of the build that is under test; "" when it has none of this name."""
    found = re.search(rf"(?m)^{name}:\w+=(.*)$", (cluster.BUILD / "CMakeCache.txt").read_text())
    return found.group(1) if found else ""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")


def profile(**args):
    """The default one, in which LabelPreference outweighs all others."""
    return {"name": "default",
            "plugins": {"score": {"enabled": [{"name": "LabelPreference", "weight": 100}]}},
            "pluginConfig": [{"name": "LabelPreference", "args": args}]}


class PluginLibraryTest(cluster.IntegrationTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("cmake", "--install", cluster.BUILD, "--component", "sdk", "--prefix", cls.folder / "sdk")
        # A copy: nothing of the tree is above it that it could lean on.
        shutil.copytree(cluster.ROOT / "plugins" / "example_so", cls.folder / "source")
        sanitizer = of_build("BERTH_SANITIZE")
        run("cmake", "-S", cls.folder / "source", "-B", cls.folder / "build", "-G", "Ninja",
            f"-DCMAKE_PREFIX_PATH={cls.folder / 'sdk'}", "-DCMAKE_INSTALL_LIBDIR=lib",
            f"-DCMAKE_CXX_COMPILER={of_build('CMAKE_CXX_COMPILER')}",
            "-DCMAKE_CXX_FLAGS=-Werror" + (f" -fsanitize={sanitizer}" if sanitizer else ""))
        run("cmake", "--build", cls.folder / "build")
        run("cmake", "--install", cls.folder / "build", "--prefix", cls.folder / "usr")
        cls.plugins = cls.folder / "usr" / "lib" / "berth" / "plugins"

    def with_broken(self):
        """A folder with the library, and with one of another ABI."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copy(self.plugins / "label_preference.so", folder)
        shutil.copy(cluster.BUILD / "tests" / "plugin_libraries" / "other_version.so", folder)
        return folder

    def start_berthd(self, berth):
        """Of a configuration that is refused: how berthd ends."""
        done = subprocess.run([cluster.BIN / "berthd", "--config", berth.berthd_config_path],
                              capture_output=True, text=True, timeout=60)
        return cluster.Result(done.returncode, done.stdout, done.stderr)

    def reload(self, berth, **args):
        """What the log says to another preference."""
        before = len(berth.berthd.log())
        berth.berthd_config["profiles"] = [profile(**args)]
        berth.write_berthd_config()
        berth.berthd.signal(signal.SIGHUP)
        answer = lambda: re.search(r"configuration reloaded.*|reload refused.*",
                                   berth.berthd.log()[before:])
        berth.wait_for(answer, "the reload")
        return answer().group()

    def decision(self, berth):
        """Where a new job was put: (node, LabelPreference's score there)."""
        job = berth.submit("--", "true")
        berth.ok("wait", job)
        winner = berth.json("explain", job)["decision"]["winner"]
        scores = {p["plugin"]: (p["score"], p["weight"]) for p in winner["plugins"]}
        score, weight = scores["LabelPreference"]
        self.assertEqual(100, weight)
        return winner["node"], score

    def test_only_the_sdk_is_in_its_component(self):
        files = {str(p.relative_to(self.folder / "sdk")) for p in (self.folder / "sdk").rglob("*")
                 if p.is_file()}
        self.assertIn("include/berth/plugin_library.h", files)
        self.assertEqual([], sorted(f for f in files if not re.match(
            r"include/berth/\w+\.h$|lib[\w/-]*/cmake/berth-sdk/berth-sdk\w+\.cmake$", f)))

    def test_it_scores_and_is_explained(self):
        berth = self.new_cluster(nodes=(), berthd={
            "pluginDir": str(self.plugins), "profiles": [profile(key="disk", value="ssd")]})
        for name, disk in (("node-a", "hdd"), ("node-b", "ssd"), ("node-c", "tape")):
            berth.add_agent(name, inventory={**cluster.GOLDEN_NODE, "labels": {"disk": disk}})
        berth.start()
        self.assertIn(f"plugins from {self.plugins}/label_preference.so: LabelPreference",
                      berth.berthd.log())
        # Ties go by a rank that is drawn for each cluster: three times would be chance only seldom.
        for _ in range(3):
            self.assertEqual(("node-b", BEST), self.decision(berth))
        job = berth.submit("--memory", "100Gi", "--", "true")  # waits
        self.assertRegex(berth.ok("explain", "1"), r"LabelPreference x100")
        berth.ok("cancel", job)
        now = {node["node"]: {p["plugin"]: p["score"] for p in node["plugins"]}["LabelPreference"]
               for node in berth.json("explain", "1")["scoresNow"]}
        self.assertEqual({"node-a": 0, "node-b": BEST, "node-c": 0}, now)

        # A reload makes the plugin anew, from the library that is loaded.
        self.assertIn("configuration reloaded", self.reload(berth, key="disk", value="tape"))
        self.assertEqual(("node-c", BEST), self.decision(berth))
        refused = self.reload(berth, key="disk", valeu="tape")
        self.assertIn("profiles[0].pluginConfig[0].args.valeu: unknown argument; accepted: key, "
                      "value", refused)
        self.assertIn("berthd.yaml:", refused)
        self.assertEqual(("node-c", BEST), self.decision(berth))

    def test_any_value_of_a_key(self):
        berth = self.new_cluster(nodes=("node-a",), berthd={
            "pluginDir": str(self.plugins), "profiles": [profile(key="disk")]})
        berth.add_agent("node-b", inventory={**cluster.GOLDEN_NODE, "labels": {"disk": "new"}})
        berth.start()
        self.assertEqual(("node-b", BEST), self.decision(berth))

    def test_the_directory_is_not_read_again(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        berth = self.new_cluster(nodes=(), berthd={"pluginDir": str(folder)})
        berth.start_berthd()
        shutil.copy(self.plugins / "label_preference.so", folder)
        self.assertIn("no plugin is named \"LabelPreference\"", self.reload(berth, key="disk"))
        berth.berthd_config["pluginDir"] = str(self.plugins)
        berth.berthd_config["profiles"] = [{"name": "default"}]
        before = len(berth.berthd.log())
        berth.write_berthd_config()
        berth.berthd.signal(signal.SIGHUP)
        berth.wait_for(lambda: "a restart is needed for pluginDir" in berth.berthd.log()[before:],
                       "the word on a restart")

    def test_a_broken_library_keeps_berthd_from_starting(self):
        folder = self.with_broken()
        berth = self.new_cluster(nodes=(), berthd={
            "pluginDir": str(folder), "profiles": [profile(key="disk")]})
        why = f"pluginDir: {folder}/other_version.so: has version 7 of the plugin ABI, and berthd has 0"
        self.assert_refused(self.start_berthd(berth), 1, f"{berth.berthd_config_path}:", why)
        self.assertFalse((berth.directory / "data").exists())

        berth.berthd_config["ignoreBrokenPlugins"] = True
        berth.write_berthd_config()
        berth.start_berthd()
        self.assertRegex(berth.berthd.log(), f"warn.*a library of plugins is left out: {re.escape(why)}")
        self.assertIn(f"plugins from {folder}/label_preference.so: LabelPreference", berth.berthd.log())

    def test_a_profile_that_names_what_was_left_out_is_refused(self):
        folder = self.with_broken()
        (folder / "label_preference.so").write_text("not a library")
        berth = self.new_cluster(nodes=(), berthd={
            "pluginDir": str(folder), "ignoreBrokenPlugins": True, "profiles": [profile(key="disk")]})
        self.assert_refused(
            self.start_berthd(berth), 1,
            f"is left out: pluginDir: {folder}/label_preference.so: is not a shared library",
            "profiles[0].pluginConfig[0].name: no plugin is named \"LabelPreference\"")

    def test_a_check_makes_the_plugin(self):
        berth = self.new_cluster(nodes=(), berthd={"pluginDir": str(self.plugins)})
        for args, words in (({"key": "disk"}, ": ok"),
                            ({}, "profiles[0].pluginConfig[0].args.key: is missing"),
                            ({"key": 7}, "pluginConfig[0].args.key: must be a text"),
                            ({"key": "disk", "value": True}, "args.value: must be a text"),
                            ({"kee": "disk"}, "args.kee: unknown argument; accepted: key, value")):
            berth.berthd_config["profiles"] = [profile(**args)]
            berth.write_berthd_config()
            done = subprocess.run(
                [cluster.BIN / "berthd", "config", "check", berth.berthd_config_path],
                capture_output=True, text=True, timeout=60)
            self.assertIn(words, done.stderr, json.dumps(args))
            self.assertEqual(0 if words == ": ok" else 1, done.returncode, done.stderr)


if __name__ == "__main__":
    unittest.main()
