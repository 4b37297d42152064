"""The cluster's state saved, looked into and put back, with the real programs."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402
import wire_client  # noqa: E402

EPOCHS = 10**12
JOBS = 10**10
TASK = ("--cpu", "0.1", "--memory", "16Mi")


def tree_of(directory):
    """Every file of a directory with its size and time of change."""
    return {str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(directory.rglob("*"))}


class SnapshotTest(cluster.IntegrationTest):
    def save(self, berth, name="saved"):
        path = berth.directory / name
        berth.ok("admin", "snapshot", "save", path)
        return path

    def inspect(self, berth, path):
        return json.loads(berth.ok("admin", "snapshot", "inspect", path, "-o", "json"))

    def restore(self, berth, path, *arguments):
        where = arguments or ("--config", berth.berthd_config_path)
        return json.loads(berth.ok("admin", "snapshot", "restore", path, *where, "-o", "json"))

    def jobs(self, berth):
        return {int(job["id"]): job["state"] for job in cluster.items(berth.json("get", "jobs"))}

    def watch_from(self, berth, epoch):
        """The code of a watch that begins there; OK when it is taken."""
        wire = wire_client.connect(berth.address)
        with wire.channel:
            stream = wire.jobs.Watch(wire.scheduler.WatchRequest(
                kinds=[wire.scheduler.OBJECT_KIND_JOB], from_epoch=epoch), timeout=30)
            return self.code_of(lambda: next(stream))

    def code_of(self, call):
        try:
            call()
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()

    def page(self, berth, token=""):
        """One job of the list, and the token of what follows."""
        wire = wire_client.connect(berth.address)
        with wire.channel:
            return wire.jobs.ListJobs(
                wire.scheduler.ListJobsRequest(page_size=1, page_token=token),
                timeout=30).next_page_token

    # ---- the whole way ----

    def test_what_was_saved_is_back_and_what_came_later_is_gone(self):
        berth = self.start_cluster(nodes=["node-a", "node-b"])
        first = berth.submit("--array", "0-4", *TASK, "--", "true")
        berth.ok("wait", first)
        # Saved while others submit, and while tasks start and end.
        stop = threading.Event()
        submitted = []

        def submit():
            while not stop.is_set():
                submitted.append(int(berth.submit("--array", "0-2", *TASK, "--", "true")))

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            berth.wait_for(lambda: len(submitted) > 3, "some jobs")
            path = self.save(berth)
            berth.wait_for(lambda: len(submitted) > 6, "more jobs")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        found = self.inspect(berth, path)
        self.assertEqual(0, found["generation"])
        self.assertGreaterEqual(found["jobs"], 4)
        self.assertEqual(2, found["nodes"])
        self.assertEqual(path.stat().st_size, found["bytes"])
        later = int(berth.submit(*TASK, "--", "true"))
        berth.ok("wait", str(later))
        before = self.jobs(berth)
        old_epoch = int(json.loads(berth.ok("version", "-o", "json"))["server"]["epoch"])
        token = self.page(berth)
        self.assertEqual(grpc.StatusCode.OK, self.code_of(lambda: self.page(berth, token)))
        self.assertEqual(0, berth.berthd.stop())

        done = self.restore(berth, path)
        self.assertEqual((1, EPOCHS + found["epoch"]), (done["generation"], done["epoch"]))
        self.assertTrue(pathlib.Path(done["movedAside"]).is_dir(), done)
        berth.start_berthd()
        self.assertIn(f"restored from a snapshot: epoch {found['epoch']} of generation 0, saved at",
                      berth.berthd.log())
        after = self.jobs(berth)
        self.assertEqual(found["jobs"], len(after))
        self.assertEqual("succeeded", after[int(first)])
        self.assertNotIn(later, after)
        self.assertLess(set(after), set(before))

        # The agents follow the new generation, and what was open then is run to its end.
        berth.wait_for_nodes()
        new = int(berth.submit(*TASK, "--", "true"))
        self.assertEqual(JOBS + 1, new)
        berth.ok("wait", str(new))
        berth.ok("wait", *map(str, after))

        # Watches and lists of the old timeline begin anew.
        self.assertEqual(grpc.StatusCode.OUT_OF_RANGE,
                         self.code_of(lambda: self.page(berth, token)))
        for epoch in (found["epoch"], old_epoch):
            self.assertEqual(grpc.StatusCode.OUT_OF_RANGE, self.watch_from(berth, epoch))
        self.assertEqual(grpc.StatusCode.OK, self.watch_from(berth, done["epoch"]))

        # An ordinary start does not say it again, and a snapshot of the new state goes on from it.
        self.assertEqual(0, berth.berthd.stop())
        said = berth.berthd.log().count("restored from a snapshot")
        berth.start_berthd()
        self.assertEqual(said, berth.berthd.log().count("restored from a snapshot"))
        again = self.save(berth, "again")
        self.assertEqual(1, self.inspect(berth, again)["generation"])
        self.assertEqual(0, berth.berthd.stop())
        self.assertEqual(2, self.restore(berth, path)["generation"])

    def test_a_snapshot_goes_into_an_empty_directory(self):
        berth = self.start_cluster(nodes=["node-a"], berthd={"clusterName": "north"})
        job = berth.submit(*TASK, "--", "true")
        berth.ok("wait", job)
        path = self.save(berth)
        identity = json.loads(berth.ok("version", "-o", "json"))["server"]["clusterId"]
        self.assertEqual(0, berth.berthd.stop())
        elsewhere = berth.directory / "elsewhere"
        self.assertEqual(7, self.restore(berth, path, "--data-dir", elsewhere, "--generation",
                                         "7")["generation"])
        berth.berthd_config["dataDir"] = str(elsewhere)
        berth.write_berthd_config()
        berth.start_berthd()
        berth.wait_for_nodes()
        self.assertEqual(identity, json.loads(berth.ok("version", "-o", "json"))["server"]["clusterId"])
        self.assertEqual({int(job): "succeeded"}, self.jobs(berth))
        self.assertEqual(str(7 * JOBS + 1), berth.submit(*TASK, "--", "true"))

    def test_a_task_that_ran_then_and_is_over_gets_a_new_attempt(self):
        berth = self.start_cluster(nodes=["node-a"])
        gate = berth.directory / "gate"
        job = berth.submit(*TASK, "--", "sh", "-c", f"test -e {gate} || {{ touch {gate}.on; "
                           f"while ! test -e {gate}; do sleep 0.1; done; }}")
        berth.wait_for(lambda: gate.with_suffix(".on").exists(), "the task to run")
        path = self.save(berth)
        gate.touch()
        berth.ok("wait", job)
        self.assertEqual(0, berth.berthd.stop())
        self.restore(berth, path)
        berth.start_berthd()
        berth.wait_for_nodes()
        berth.ok("wait", job)
        # Not the first one a second time, and above all of the generation before (state/generation.h).
        self.assertEqual([1_000_001], [task["attempt"]["number"] for task in berth.tasks(job)])

    def test_a_task_that_still_runs_is_kept(self):
        berth = self.start_cluster(nodes=["node-a"])
        gate = berth.directory / "gate"
        job = berth.submit(*TASK, "--", "sh", "-c", f"while ! test -e {gate}; do sleep 0.1; done")
        berth.wait_for(lambda: berth.states(job) == {"running"}, "the task to run")
        path = self.save(berth)
        self.assertEqual(0, berth.berthd.stop())
        self.restore(berth, path)
        berth.start_berthd()
        berth.wait_for_nodes()
        gate.touch()
        berth.ok("wait", job)
        self.assertEqual([1], [task["attempt"]["number"] for task in berth.tasks(job)])

    # ---- what is refused ----

    def test_saving_replaces_nothing_unasked_and_says_who_may(self):
        berth = self.start_cluster(nodes=[])
        path = self.save(berth)
        size = path.stat().st_size
        self.assert_refused(berth.run("admin", "snapshot", "save", path), 1, str(path), "--force")
        self.assertEqual(size, path.stat().st_size)
        berth.ok("admin", "snapshot", "save", path, "--force")
        piped = berth.popen("admin", "snapshot", "save", "-")
        out, err = piped.communicate(timeout=60)
        self.assertEqual(0, piped.returncode, err)
        copy = berth.directory / "piped"
        copy.write_bytes(out)
        self.inspect(berth, copy)
        self.assert_refused(berth.run("admin", "snapshot", "save", berth.directory / "no/such"), 3,
                            "no/such")
        self.assertEqual([], list(berth.directory.glob("*.part")))
        self.assertEqual(0, berth.berthd.stop())
        self.assert_refused(berth.run("admin", "snapshot", "save", berth.directory / "x"), 5,
                            "is berthd running")
        self.assertFalse((berth.directory / "x").exists())

    def test_a_directory_in_use_is_refused_with_the_process(self):
        berth = self.start_cluster(nodes=[])
        path = self.save(berth)
        refused = berth.run("admin", "snapshot", "restore", path, "--config",
                            berth.berthd_config_path)
        self.assert_refused(refused, 1, f"process {berth.berthd.pid}", "stop it first")
        berth.submit("--", "true")

    def test_damage_is_found_and_leaves_the_directory_alone(self):
        berth = self.start_cluster(nodes=["node-a"])
        berth.ok("wait", berth.submit("--array", "0-9", *TASK, "--", "true"))
        path = self.save(berth)
        self.assertEqual(0, berth.berthd.stop())
        data = pathlib.Path(berth.berthd_config["dataDir"])
        before = tree_of(data)
        whole = path.read_bytes()
        seed = cluster.main_seed()
        rng = random.Random(seed)
        bad = berth.directory / "bad"
        for content in (whole[:len(whole) // 2], whole[:-1], whole + b"x", b""):
            bad.write_bytes(content)
            self.assert_refused(berth.run("admin", "snapshot", "inspect", bad), 1, str(bad))
        flipped = bytearray(whole)
        flipped[rng.randrange(12, len(whole))] ^= 1 << rng.randrange(8)
        bad.write_bytes(flipped)
        self.assert_refused(berth.run("admin", "snapshot", "inspect", bad), 1, "damaged at byte")
        self.assert_refused(
            berth.run("admin", "snapshot", "restore", bad, "--data-dir", data), 1,
            "damaged at byte")
        nowhere = berth.directory / "nowhere"
        self.assert_refused(
            berth.run("admin", "snapshot", "restore", bad, "--data-dir", nowhere), 1)
        self.assertFalse(nowhere.exists())
        self.assertEqual(before, tree_of(data))
        result = berth.run("admin", "snapshot", "restore", bad, "--data-dir", data, "-o", "json")
        self.assertEqual(1, result.code)
        self.assertEqual("DATA_LOSS", json.loads(result.out)["error"]["code"])

    def test_another_clusters_directory_and_a_low_generation_are_refused(self):
        berth = self.start_cluster(nodes=[])
        path = self.save(berth)
        other = self.start_cluster(nodes=[])
        self.assertEqual(0, other.berthd.stop())
        self.assert_refused(berth.run("admin", "snapshot", "restore", path, "--config",
                                      other.berthd_config_path), 1, "belongs to cluster", "empty")
        self.assertEqual(0, berth.berthd.stop())
        self.assert_refused(berth.run("admin", "snapshot", "restore", path, "--config",
                                      berth.berthd_config_path, "--generation", "0"), 2,
                            "--generation")
        self.restore(berth, path)
        self.assert_refused(berth.run("admin", "snapshot", "restore", path, "--config",
                                      berth.berthd_config_path, "--generation", "1"), 1,
                            "not greater", "ask for 2 or more")

    # ---- kill -9 ----

    def test_a_restore_that_is_killed_leaves_the_old_or_the_new_state(self):
        berth = self.start_cluster(nodes=[])
        for _ in range(20):
            berth.submit("--array", "0-9", "--", "true")
        path = self.save(berth)
        only_old = int(berth.submit("--", "true"))
        self.assertEqual(0, berth.berthd.stop())
        data = pathlib.Path(berth.berthd_config["dataDir"])
        pristine = berth.directory / "pristine"
        shutil.copytree(data, pristine)
        command = [cluster.BIN / "berthd", "restore-snapshot", path, "--data-dir", data]
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        whole_s = time.monotonic() - began
        rng = random.Random(cluster.main_seed())
        seen = set()
        for round_number in range(12):
            shutil.rmtree(data)
            shutil.copytree(pristine, data)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            # Not waited for in the tests' sense: the moment is the point, and any is right.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, whole_s * 1.1))
            process.kill()
            process.wait()
            berth.start_berthd()
            jobs = set(self.jobs(berth))
            generation = json.loads(berth.ok("version", "-o", "json"))["server"].get("generation", 0)
            seen.add(generation)
            with self.subTest(round=round_number, generation=generation):
                self.assertEqual(set(range(1, 22 if generation == 0 else 21)), jobs)
                self.assertEqual([], list(data.glob("restore.*")))
            self.assertEqual(0, berth.berthd.stop())
        print(f"generations seen after kills: {sorted(seen)}", file=sys.stderr)
        self.assertEqual(21, only_old)

    # ---- berthd's own ----

    def test_berthd_keeps_as_many_of_its_own_as_it_is_told(self):
        berth = self.start_cluster(nodes=[], berthd={"snapshots": {"interval": "1s", "keep": 2}})
        directory = pathlib.Path(berth.berthd_config["dataDir"]) / "snapshots"

        def kept():
            return sorted(path.name for path in directory.glob("*")) if directory.is_dir() else []

        berth.wait_for(lambda: len(kept()) >= 2, "two snapshots")
        first = kept()[0]
        berth.wait_for(lambda: first not in kept() and len(kept()) == 2,
                       lambda: f"the oldest to go: {kept()}")
        berth.wait_for(lambda: berth.metric("berth_snapshot_last_success_timestamp_seconds") > 0,
                       "the metric")
        self.assertGreater(berth.metric("berth_snapshot_last_size_bytes"), 0)
        self.assertEqual(0, berth.metric("berth_snapshot_failures_total"))
        self.assertEqual(0, berth.berthd.stop())
        names = kept()
        self.assertEqual(2, len(names))
        newest = directory / names[-1]
        self.assertEqual(0o600, newest.stat().st_mode & 0o777)
        self.assertEqual(1, self.restore(berth, newest)["generation"])

    def test_a_failure_is_counted_and_said_and_off_is_off(self):
        berth = self.new_cluster(nodes=[])
        blocked = berth.directory / "blocked"
        blocked.write_text("a file")
        berth.berthd_config["snapshots"] = {"interval": "1s", "directory": str(blocked)}
        berth.write_berthd_config()
        berth.start_berthd()
        berth.wait_for(lambda: berth.metric("berth_snapshot_failures_total") > 0, "a failure")
        self.assertIn(str(blocked), berth.berthd.log())
        self.assertEqual(0, berth.berthd.stop())
        berth.berthd_config["snapshots"] = {"interval": "off"}
        berth.write_berthd_config()
        berth.start_berthd()
        self.assertIn("interval: \"off\"", berth.berthd.log())
        self.assertFalse((pathlib.Path(berth.berthd_config["dataDir"]) / "snapshots").exists())


if __name__ == "__main__":
    import unittest
    unittest.main()
