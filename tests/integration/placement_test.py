"""Where tasks go and why, asked of the real programs: rules between tasks, plans, explanations."""
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

SMALL = ("--cpu", "0.1", "--memory", "32Mi")


class PlacementTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.new_cluster(nodes=[])
        for name, zone in (("a1", "a"), ("a2", "a"), ("b1", "b")):
            self.berth.add_agent(name, inventory={"cpu": 4, "memory": "8Gi",
                                                  "labels": {"zone": zone, "host": name}})
        self.berth.start()

    def node_of(self, task):
        return task.get("attempt", {}).get("node", "")

    def placed(self, job):
        return [self.node_of(task) for task in self.berth.tasks(job)]

    # ---- rules between tasks ----

    def test_flags_and_job_files_say_the_rules(self):
        job = self.berth.submit(*SMALL, "--array", "0-3", "--spread", "zone", "--", "sleep", "600")
        self.berth.wait_for(lambda: self.berth.states(job) == {"running"}, "all to run")
        zones = [node[0] for node in self.placed(job)]
        self.assertEqual((2, 2), (zones.count("a"), zones.count("b")))

        path = self.berth.directory / "apart.yaml"
        path.write_text("""apiVersion: berth/v1
kind: Job
name: db
labels: {app: db}
array: 0-3
command: [sleep, "600"]
resources: {cpu: 0.1, memory: 32Mi}
terms:
  - {kind: antiAffinity, topologyKey: host, matchLabels: {app: db}}
""")
        apart = self.berth.submit(path)
        self.berth.wait_for(lambda: len(set(self.placed(apart)) - {""}) == 3, "three to be placed")
        waiting = self.berth.json("explain", apart)
        self.assertIn("3 with a task to be away from in their host", waiting["text"])
        self.berth.ok("cancel", f"{apart}.0")
        self.berth.wait_for(
            lambda: sorted(t["state"] for t in self.berth.tasks(apart)) ==
            ["cancelled", "running", "running", "running"], "the fourth to take its place")

    def test_rules_hold_over_a_restart(self):
        first = self.berth.submit(*SMALL, "--label", "app=db", "--", "sleep", "600")
        self.berth.wait_for(lambda: self.berth.states(first) == {"running"}, "it to run")
        path = self.berth.directory / "away.yaml"
        path.write_text("""apiVersion: berth/v1
kind: Job
name: away
labels: {app: web}
array: 0-1
command: [sleep, "600"]
resources: {cpu: 0.1, memory: 32Mi}
terms: [{kind: antiAffinity, topologyKey: zone, matchLabels: {app: db}}]
""")
        away = self.berth.submit(path)
        self.berth.wait_for(lambda: self.berth.states(away) == {"running"}, "both to run")
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        # It was there before those who keep away from it, and is kept away from them.
        second = self.berth.submit(*SMALL, "--label", "app=db", "--array", "0-3", "--", "sleep", "600")
        self.berth.wait_for(lambda: self.berth.states(second) == {"running"}, "all to run")
        zone = self.placed(first)[0][0]
        self.assertEqual({zone}, {node[0] for node in self.placed(second)})
        self.assertNotIn(zone, {node[0] for node in self.placed(away)})

    # ---- what belongs to no node ----

    def test_licences_are_given_out_once_over_restarts_and_reloads(self):
        self.berth.berthd_config["clusterResources"] = [
            {"name": "matlab", "capacity": 2}, {"name": "uplink", "capacity": 1, "topologyKey": "zone"}]
        self.berth.write_berthd_config()
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        path = self.berth.directory / "licensed.yaml"
        path.write_text("""apiVersion: berth/v1
kind: Job
name: licensed
array: 0-3
command: [sleep, "600"]
resources: {cpu: 0.1, memory: 32Mi, extended: {matlab: 1}}
""")
        job = self.berth.submit(path)

        def running():
            return sum(task["state"] == "running" for task in self.berth.tasks(job))

        self.berth.wait_for(lambda: running() == 2, "two to run")
        text = self.berth.json("explain", f"{job}.3")["text"]
        self.assertIn("3 with insufficient matlab in the cluster (largest free 0)", text)
        self.berth.wait_for(
            lambda: self.berth.metric('berth_cluster_resource_allocated{resource="matlab"}') == 2, "the metric")

        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        self.berth.berthd_config["clusterResources"][0]["capacity"] = 3
        self.berth.write_berthd_config()
        self.berth.berthd.signal(signal.SIGHUP)
        self.berth.wait_for(lambda: running() == 3, "the third to run")
        self.berth.ok("cancel", f"{job}.0")
        self.berth.wait_for(lambda: self.berth.tasks(job)[3]["state"] == "running", "the last to run")

        path.write_text(path.read_text().replace("matlab: 1", "uplink: 1"))
        linked = self.berth.submit(path)
        self.berth.wait_for(lambda: sorted(node[:1] for node in self.placed(linked)) == ["", "", "a", "b"],
                            "one to be placed in each zone")
        self.assertIn("in their zone", self.berth.json("explain", f"{linked}.3")["text"])
        path.write_text(path.read_text().replace("uplink: 1", "maple: 1"))
        self.assert_refused(self.berth.run("submit", path), 1, "maple", "no node of this cluster has it")

    # ---- plans ----

    def everything(self):
        state = self.berth.json("get", "nodes")
        for node in cluster.items(state):
            for part in ("usage", "heartbeat_unix_ms", "latencies", "conditions"):
                node.pop(part, None)
        return (json.dumps(state, sort_keys=True), self.berth.ok("get", "jobs", "-o", "json"),
                self.berth.ok("get", "tasks", "-o", "json"))

    def test_a_plan_says_where_and_changes_nothing(self):
        running = self.berth.submit(*SMALL, "--label", "app=db", "--", "sleep", "600")
        self.berth.wait_for(lambda: self.berth.states(running) == {"running"}, "it to run")
        before = self.everything()
        job = (*SMALL, "--array", "0-2", "--apart", "host", "--", "sleep", "600")
        plan = json.loads(self.berth.ok("plan", "-o", "json", *job))
        self.assertEqual(before, self.everything())
        self.assertEqual(3, plan["tasksPlaced"])
        planned = [task["decision"]["winner"]["node"] for task in plan["tasks"]]
        self.assertEqual({"a1", "a2", "b1"}, set(planned))
        self.assertIn("all 3 tasks would be placed now", self.berth.ok("plan", *job))

        submitted = self.berth.submit(*job)
        self.berth.wait_for(lambda: self.berth.states(submitted) == {"running"}, "all to run")
        self.assertEqual(planned, self.placed(submitted))

    def test_a_plan_that_does_not_place_all_says_why_and_exits_1(self):
        result = self.berth.run("plan", *SMALL, "--array", "0-9", "--apart", "host", "--", "true")
        self.assertEqual(1, result.code, result.err)
        self.assertIn("3 of 10 tasks would be placed now", result.out)
        self.assertIn("Task 3, and 6 more like it", result.out)
        self.assertIn("with a task to be away from in their host", result.out)
        self.assertIn("without its anti-affinity over host", result.out)
        quiet = self.berth.run("plan", "-q", "--memory", "900Gi", "--", "true")
        self.assertEqual((1, "0 of 1 task would be placed now\n"), (quiet.code, quiet.out))

    def test_mistakes_in_a_plan_are_those_of_a_submission(self):
        self.assert_refused(self.berth.run("plan"), 2, "nothing to plan", "berth plan job.yaml")
        self.assert_refused(self.berth.run("plan", "--spread", "zone:0", "--", "true"), 2, "--spread")
        path = self.berth.directory / "wrong.yaml"
        path.write_text("apiVersion: berth/v1\nkind: Job\ncommand: [x]\nterms: [{kind: spread}]\n")
        self.assert_refused(self.berth.run("plan", path), 2, "topology")
        path.write_text("apiVersion: berth/v1\nkind: Job\ncommand: [x]\nqueue: nowhere\n")
        self.assert_refused(self.berth.run("plan", path), 3, "queue", "nowhere")

    # ---- counterfactuals ----

    def test_what_is_suggested_makes_it_fit(self):
        full = self.berth.submit("--cpu", "2", "--memory", "1Gi", "--array", "0-2", "--", "sleep", "600")
        self.berth.wait_for(lambda: "running" in self.berth.states(full), "some to run")
        stuck = self.berth.submit("--cpu", "4", "--memory", "32Mi", "--", "true")
        self.berth.wait_for(lambda: self.berth.states(stuck) == {"parked"}, "it to be parked")
        suggestions = self.berth.json("explain", stuck)["suggestions"]
        free = next(one for one in suggestions if one["kind"].upper().endswith("FREE"))
        self.assertEqual([{"subject": "cpu", "amount": 2000}], free["lacks"])
        self.assertEqual(f"with 2 more cpu free on {free['node']} it fits there now", free["text"])
        there = next(t for t in self.berth.tasks(full) if self.node_of(t) == free["node"])
        self.berth.ok("cancel", there["id"])
        self.berth.wait_for(lambda: self.berth.states(stuck) == {"succeeded"}, "it to have run")
