"""Scorers outside of berthd: one that works, is killed and comes back, and others that lie."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import grpc  # noqa: E402

import cluster  # noqa: E402
import wire_client  # noqa: E402

EXAMPLE = cluster.ROOT / "plugins" / "example_scorer" / "price_scorer.py"
SMALL = ("--cpu", "0.1", "--memory", "32Mi")
BEST = 1 << 20


class ScorerTest(cluster.IntegrationTest):
    def setUp(self):
        self.stubs = wire_client.generate()
        self.berth = self.new_cluster(nodes=[])
        self.socket = self.address("scorer")
        self.configure(self.socket)
        for name, price in (("node-a", "9"), ("node-b", "1"), ("node-c", "5")):
            self.berth.add_agent(name, inventory={"cpu": 4, "memory": "8Gi",
                                                  "labels": {"price": price}})
        self.berth.start()

    def tearDown(self):
        self.assertEqual(0, self.berth.metric("berth_placements_wrong_total"))
        self.assertTrue(self.berth.berthd.is_running())

    def address(self, name):
        return f"unix:{self.berth.directory}/{name}.sock"

    def configure(self, address, **args):
        """A profile in which the scorer has the say; in force at the next start or reload."""
        self.berth.berthd_config.update(checkPlacements=1, profiles=[{
            "name": "default",
            "plugins": {"score": {"enabled": [{"name": "RemoteScorer", "weight": 100}]}},
            "pluginConfig": [{"name": "RemoteScorer", "args": {
                "address": address, "timeout": "1s", "interval": "100ms", "timeToLive": "3s",
                "longestPause": "1s", **args}}],
        }])
        self.berth.write_berthd_config()

    def start_scorer(self, address, *arguments):
        """The example, as a person would run it; its process."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, EXAMPLE, "--listen", address,
             *arguments], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(self.stubs)})

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        self.assertEqual(f"listening on {address}\n", process.stdout.readline())
        return process

    def shapes(self, state):
        return self.berth.metric(f'berth_scorer_shapes_{state}{{profile="default"}}')

    def calls(self, result):
        return self.berth.metric(
            f'berth_scorer_calls_total{{profile="default",result="{result}"}}')

    def wait_for_shapes(self, state, number=1):
        self.berth.wait_for(lambda: self.shapes(state) == number, f"{number} shape to be {state}")

    def place(self):
        """Submits a task of the one shape there is; where it went, once it is there."""
        job = self.berth.submit(*SMALL, "--", "sleep", "600")
        self.berth.wait_for(lambda: self.berth.tasks(job)[0].get("attempt", {}).get("node"),
                            "it to be placed")
        return self.berth.tasks(job)[0]["attempt"]["node"]

    def explained(self):
        """Its note and its weight in the explanation of job 1."""
        explanation = self.berth.json("explain", "1")
        [note] = explanation["scoreNotes"]
        self.assertEqual("RemoteScorer", note["plugin"])
        # What is 0 is left out in JSON.
        [plugin] = [p for p in explanation["scoresNow"][0]["plugins"]
                    if p["plugin"] == "RemoteScorer"]
        return note["text"], int(plugin.get("weight", 0))

    # ---- the example ----

    def test_placement_follows_it_goes_on_without_it_and_follows_it_again(self):
        scorer = self.start_scorer(self.socket)
        self.place()
        self.wait_for_shapes("scored")
        self.assertEqual(["node-b"] * 3, [self.place() for _ in range(3)])
        text, weight = self.explained()
        self.assertIn("as of epoch", text)
        self.assertEqual(100, weight)
        page = self.berth.ok("explain", "1")
        self.assertIn("RemoteScorer x100", page)
        self.assertIn("as of epoch", page)
        plan = json.loads(self.berth.ok("plan", "-o", "json", *SMALL, "--", "true"))
        self.assertEqual("node-b", plan["tasks"][0]["decision"]["winner"]["node"])

        logged = len(self.berth.berthd.log())
        scorer.send_signal(signal.SIGKILL)
        self.wait_for_shapes("stale")
        self.assertEqual(0, self.shapes("scored"))
        text, weight = self.explained()
        self.assertIn("counts as 0: its scores are stale since", text)
        self.assertIn(f"the scorer at {self.socket} fails:", text)
        self.assertEqual(0, weight)
        # Without it the rest of the profile spreads tasks over the nodes.
        self.assertEqual({"node-a", "node-c"}, {self.place() for _ in range(4)})
        self.assertGreater(self.calls("unreachable"), 0)
        self.berth.wait_for(
            lambda: self.berth.metric('berth_scorer_breaker_state{profile="default"}') == 2,
            "the breaker to open")
        # Two lines, however many calls there were: it fails, and it is asked more seldom.
        warnings = [line for line in self.berth.berthd.log()[logged:].splitlines()
                    if self.socket in line]
        self.assertEqual(2, len(warnings), warnings)

        prices = self.berth.directory / "prices.json"
        prices.write_text(json.dumps({"node-c": 0.5}))
        self.start_scorer(self.socket, "--prices", prices)
        self.wait_for_shapes("scored")
        self.berth.wait_for(lambda: self.place() == "node-c", "tasks to go to node-c")
        self.assertIn("answers again", self.berth.berthd.log())
        # Another mind of the scorer's own, without a change of the cluster.
        prices.write_text(json.dumps({"node-a": 0.1}))
        self.berth.wait_for(
            lambda: self.berth.json("explain", "1")["scoresNow"][0]["node"] == "node-a",
            "node-a to be best")

    def test_scores_end_with_their_time_and_a_restarted_scorer_is_told_everything(self):
        self.configure(self.socket, failures=100, timeToLive="6s")  # the breaker is not what ends them
        self.assertTrue(self.reload())
        scorer = self.start_scorer(self.socket)
        self.place()
        self.wait_for_shapes("scored")
        scorer.send_signal(signal.SIGKILL)
        scorer.wait()
        self.berth.wait_for(lambda: self.calls("unreachable") >= 3, "calls to fail")
        self.assertEqual(1, self.shapes("scored"))
        self.wait_for_shapes("stale")
        self.assertEqual(0, self.berth.metric('berth_scorer_breaker_state{profile="default"}'))
        self.start_scorer(self.socket)
        self.berth.wait_for(lambda: self.calls("unknown_snapshot") >= 1, "it to say so")
        self.wait_for_shapes("scored")
        self.assertEqual("node-b", self.place())

    def test_scores_come_back_after_a_restart_of_berthd(self):
        self.start_scorer(self.socket)
        self.place()
        self.wait_for_shapes("scored")
        self.berth.berthd.kill()
        self.berth.start_berthd()
        self.berth.wait_for_nodes()
        self.place()
        self.wait_for_shapes("scored")
        self.assertEqual("node-b", self.place())

    # ---- configuration ----

    def reload(self):
        before = self.berth.berthd.log().count("configuration reloaded")
        refused = self.berth.berthd.log().count("reload refused")
        self.berth.berthd.signal(signal.SIGHUP)
        self.berth.wait_for(
            lambda: self.berth.berthd.log().count("configuration reloaded") > before or
            self.berth.berthd.log().count("reload refused") > refused, "the reload")
        return self.berth.berthd.log().count("configuration reloaded") > before

    def test_a_reload_changes_and_removes_it_and_keeps_it_on_errors(self):
        self.start_scorer(self.socket)
        self.place()
        self.wait_for_shapes("scored")
        for args, path in ((dict(timeout="soon"), "args.timeout"),
                           (dict(address="10.1.2.3:7470"), "args.address"),
                           (dict(adress="x"), "args.adress")):
            self.configure(**{"address": self.socket, **args})
            self.assertFalse(self.reload())
            self.assertIn(f"profiles[0].pluginConfig[0].{path}: ", self.berth.berthd.log())
        self.assertEqual("node-b", self.place())

        prices = self.berth.directory / "prices.json"
        prices.write_text(json.dumps({"node-a": 0, "node-b": 8}))
        other = self.address("other")
        self.start_scorer(other, "--prices", prices)
        self.configure(other)
        self.assertTrue(self.reload())
        self.wait_for_shapes("scored")
        self.assertEqual("node-a", self.place())

        self.berth.berthd_config["profiles"] = [{"name": "default"}]
        self.berth.write_berthd_config()
        self.assertTrue(self.reload())
        self.assertNotIn("scoreNotes", self.berth.json("explain", "1"))
        self.berth.wait_for(lambda: self.place() != "node-a", "others to be preferred")

    def test_a_second_one_in_a_profile_is_refused(self):
        profile = self.berth.berthd_config["profiles"][0]
        profile["plugins"]["score"]["enabled"] *= 2
        self.berth.write_berthd_config()
        self.assertFalse(self.reload())
        self.assertIn('profiles[0].plugins.score.enabled[1].name: "RemoteScorer" stands in this list twice',
                      self.berth.berthd.log())

    # ---- those that lie ----

    def test_lies_are_refused_named_and_counted_and_berthd_lives(self):
        pb = wire_client.module("berth.v1.scorer_pb2")
        pb_grpc = wire_client.module("berth.v1.scorer_pb2_grpc")
        ended = threading.Event()
        self.addCleanup(ended.set)

        huge = pb.ScoreResponse(column=pb.ScoreColumn(shape=1, scores=[1] * (5 << 20)))

        class Liar(pb_grpc.ScorerServiceServicer):
            """Says what it is told to say; knows no snapshot but whole ones."""
            lie = "none"

            def Score(self, requests, context):
                lie = self.lie
                snapshot, shapes = None, []
                for request in requests:
                    if request.HasField("snapshot"):
                        snapshot = request.snapshot
                        if lie == "forgets all":
                            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "what snapshot?")
                        if lie == "does not read":
                            return
                    shapes.extend(request.shapes.shapes)
                if lie == "hangs":
                    ended.wait()
                if lie == "says nothing":
                    return
                yield pb.ScoreResponse(accepted=pb.ScorerAccepted(
                    sequence=snapshot.sequence - (lie == "another snapshot"),
                    epoch=snapshot.epoch + (lie == "another epoch")))
                if lie == "breaks off":
                    context.abort(grpc.StatusCode.INTERNAL, "the middle of it")
                size = snapshot.slots + {"too short": -1, "too long": 1}.get(lie, 0)
                scores = [0] * size
                scores[1] = BEST + 1 if lie == "out of range" else BEST
                while True:
                    yield pb.ScoreResponse(column=pb.ScoreColumn(
                        shape=shapes[0].id + (lie == "another shape"), scores=scores))
                    if lie == "goes on and on":
                        continue
                    break
                if lie == "too large":
                    yield huge

        liar = Liar()
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=32))
        pb_grpc.add_ScorerServiceServicer_to_server(liar, server)
        self.assertNotEqual(0, server.add_insecure_port(self.socket))
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        self.place()
        self.wait_for_shapes("scored")

        for lie, result, words in (
                ("out of range", "refused", "it gave slot 1 the score 1048577"),
                ("too short", "refused", "it gave 2 scores for 3 slots"),
                ("too long", "refused", "it gave 4 scores for 3 slots"),
                ("another epoch", "refused", "of epoch"),
                ("another snapshot", "refused", "it answered to snapshot"),
                ("another shape", "refused", "which it was not asked about"),
                ("goes on and on", "refused", "has answered already"),
                ("says nothing", "refused", "without accepting the snapshot"),
                ("does not read", "refused", "without accepting the snapshot"),
                ("breaks off", "error", "the middle of it"),
                ("forgets all", "error", "what snapshot?"),
                ("too large", "error", "larger than max"),
                ("hangs", "timeout", "it has not answered within 1s")):
            with self.subTest(lie=lie):
                before = self.calls(result)
                liar.lie = lie
                self.berth.wait_for(lambda: self.calls(result) > before, f"a {result} call")
                self.berth.wait_for(lambda: words in self.explained()[0],
                                    lambda: f"{words}, not {self.explained()[0]}")
                self.assertIn(self.socket, self.explained()[0])
                self.place()
        self.wait_for_shapes("stale")
        self.assertEqual(0, self.explained()[1])

        liar.lie = "none"
        self.wait_for_shapes("scored")
        [second] = [n for n in self.berth.nodes() if n["name"] == self.place()]
        self.assertEqual(0, self.berth.metric('berth_plugin_errors_total{plugin="RemoteScorer"}'),
                         second)


if __name__ == "__main__":
    import unittest
    unittest.main()
