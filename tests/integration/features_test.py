"""Task features on a real cluster: what is read, learned and shown, through kills and mistakes."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

BUSY = ("bash", "-c", "head -c 40m /dev/zero | tail -c 20m | wc -c")


class FeaturesTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.new_cluster(nodes=[])
        self.berth.berthd_config.update(features={
            "fill": "off", "namespaces": [{"name": "default", "fill": "suggest"}]})
        self.berth.write_berthd_config()
        self.berth.add_agent("node-a", inventory={"cpu": 4, "memory": "256Gi"})
        self.berth.start()

    def show(self, job):
        return self.berth.json("features", "show", str(job))

    def values(self, job):
        return self.show(job)["groups"][0]["features"]["values"]

    def value(self, job, field, source):
        found = [v for v in self.values(job) if v["field"] == field and v["source"] == source]
        self.assertEqual(1, len(found), self.values(job))
        return found[0]

    def report(self):
        return self.berth.json("features", "report")

    def outcomes(self, field, source):
        return sum(one["outcomes"] for one in self.report().get("calibration", [])
                   if one["field"] == field and one["source"] == source)

    def run_one(self, *flags):
        return self.berth.run("run", "--name", "crunch", *flags, "--", *BUSY)

    def test_a_description_is_read_and_moves_scores_alone(self):
        job = self.berth.submit("--cpu", "0.1", "--memory", "64Mi", "--description",
                                "memory-heavy join of two tables, needs 12 GB", "--", "true")
        self.assertEqual("score", self.value(job, "computation-class", "rules")["use"])
        text = self.value(job, "memory", "rules")
        self.assertEqual((12 << 30, "overruled"), (text["number"], text["use"]))
        asked = self.value(job, "memory", "declared")
        self.assertEqual(64 << 20, asked["number"])
        spec = self.berth.json("get", "job", str(job))
        self.assertIn("64Mi", json.dumps(spec), "what was asked for is as it was")

    def test_history_warns_and_outlives_a_kill(self):
        for _ in range(6):
            self.run_one("--memory", "64Gi")
        self.berth.wait_for(lambda: self.outcomes("memory", "declared") == 6, "6 ends learned")
        warned = self.run_one("--memory", "64Gi")
        self.assertIn("you ask for 64Gi", warned.err)
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for(lambda: self.outcomes("memory", "declared") == 7,
                            "what ended before the kill to be known, once")
        warned = self.run_one("--memory", "64Gi")
        self.assertIn("you ask for 64Gi", warned.err)
        self.assertGreater(self.berth.metric("berth_feature_history_groups"), 0)

    def test_people_say_what_they_think(self):
        job = self.berth.submit("--cpu", "0.1", "--memory", "64Mi", "--", "true")
        self.berth.run("features", "correct", str(job), "memory=20Mi", "class=io",
                       "--comment", "it copies")
        self.berth.run("features", "rate", str(job), "4")
        shown = self.show(job)
        self.assertEqual(["memory", "computation-class"],
                         [v["field"] for v in shown["groups"][0]["correction"]["values"]])
        self.assertEqual(4, shown["rating"]["stars"])
        report = self.report()
        self.assertEqual([0, 0, 0, 1, 0], report["ratings"])
        self.assertEqual([{"source": "declared", "agreed": 0, "differed": 1}], report["corrected"])
        for wrong, words in ((("show", "99"), "none of that id"),
                             (("show",), "which job"),
                             (("correct", str(job)), "what is right"),
                             (("correct", str(job), "memroy=1Gi"), 'did you mean "memory"'),
                             (("rate", str(job), "6"), "5"),
                             ((), "show|correct|rate")):
            failed = self.berth.run("features", *wrong)
            self.assertNotEqual(0, failed.code, wrong)
            self.assertIn(words, failed.err)

    def test_declared_features_win(self):
        path = pathlib.Path(self.berth.directory) / "job.yaml"
        path.write_text("apiVersion: berth/v1\nkind: Job\ndescription: memory-heavy join\n"
                        "features: {computationClass: network, inputs: [{name: imagenet}]}\n"
                        "command: [\"true\"]\nresources: {cpu: 0.1, memory: 64Mi}\n")
        job = self.berth.submit(str(path))
        self.assertEqual("score", self.value(job, "computation-class", "declared")["use"])
        self.assertEqual("overruled", self.value(job, "computation-class", "rules")["use"])

    def test_what_is_left_open_is_told(self):
        answer = self.berth.run("submit", "--description", "it needs 12 GB of memory", "--", "true")
        self.assertIn("memory was left open", answer.err)


if __name__ == "__main__":
    import unittest
    unittest.main()
