"""What an agent finds on its machine, and what becomes of that while it runs."""
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cluster  # noqa: E402

TWO = ("gpu uuid=GPU-a name=NVIDIA_A100-SXM4-80GB memory=85899345920 pci=00000000:07:00.0{a}\n"
       "gpu uuid=GPU-b name=NVIDIA_A100-SXM4-80GB memory=85899345920 pci=00000000:08:00.0\n"
       "link from=GPU-a to=GPU-b version=3\n{more}")


class ProbeTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.new_cluster(nodes=[], berthd={"heartbeatInterval": "1s"})
        self.script = self.berth.directory / "gpus"

    def add_node(self, **config):
        """A node whose inventory is probed; its GPUs are those of the script."""
        return self.berth.add_agent(
            "node-a", environment={"LD_LIBRARY_PATH": cluster.BUILD / "tests" / "nvml",
                                   "BERTH_FAKE_NVML": self.script}, **config)

    def set_gpus(self, a="", more=""):
        new = self.script.with_suffix(".new")
        new.write_text(TWO.format(a=a, more=more))
        new.rename(self.script)

    def node(self):
        return self.berth.json("describe", "node", "node-a")

    def device(self, name):
        return next(status["device"] for status in self.node()["devices"]
                    if status["device"]["id"] == name)

    def test_the_machine_is_found(self):
        self.add_node(inventory={"labels": {"rack": "r1"}}, reserve={"memory": "64Mi"})
        self.set_gpus()
        self.berth.start()
        node = self.node()
        self.assertEqual("r1", node["labels"]["rack"])
        self.assertEqual("linux", node["labels"]["berth/os"])
        total = int(next(line.split()[1] for line in open("/proc/meminfo")
                         if line.startswith("MemTotal"))) // 1024
        self.assertEqual((total - 64) << 20, int(node["capacity"]["memoryBytes"]))
        self.assertGreater(int(node["capacity"]["storageBytes"]), 0)
        self.assertEqual(["GPU-a", "GPU-b"], [d["device"]["id"] for d in node["devices"]])
        link = self.device("GPU-a")["links"][0]
        self.assertEqual(("GPU-b", 25_000_000_000), (link["peerId"], int(link["bandwidthBytesPerS"])))
        page = self.berth.ok("describe", "node", "node-a")
        self.assertRegex(page, r"GPU-a +gpu +A100-SXM4-80GB +80Gi +- +0 +healthy")
        self.assertRegex(page, r"CPU model: +\S")
        # A task sees the one it was given, by the name that CUDA knows it by.
        seen = self.berth.ok("run", "-q", "--gpus", "A100-SXM4-80GB:1", "--", "sh", "-c",
                             "echo $CUDA_VISIBLE_DEVICES").strip()
        self.assertIn(seen, ["GPU-a", "GPU-b"])
        self.assertEqual("\n", self.berth.ok("run", "-q", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"))
        refused = self.berth.run("run", "--gpus", "H100:1", "--", "true")
        self.assert_refused(refused, 125, "H100")

    def test_a_gpu_that_is_sick_gets_no_more_tasks(self):
        self.add_node(inventory={"cpu": 4, "memory": "1Gi"})
        self.set_gpus()
        self.berth.start()
        holder = self.berth.submit("--gpus", "2", "--memory", "16Mi", "--", "sleep", "1000")
        self.berth.wait_for(lambda: self.berth.states(holder) == {"running"}, "both to be held")
        # What runs on it runs on: its own error, if any, will end it.
        self.set_gpus(more="xid gpu=GPU-a number=79\n")
        self.berth.wait_for(lambda: self.device("GPU-a").get("unhealthy"), "the XID to be seen")
        self.assertEqual("XID 79", self.device("GPU-a")["unhealthyReason"])
        self.assertIn("unhealthy: XID 79", self.berth.ok("describe", "node", "node-a"))
        self.assertEqual({"running"}, self.berth.states(holder))
        self.berth.ok("cancel", holder)
        self.berth.wait_for(lambda: self.berth.states(holder) == {"cancelled"}, "it to end")
        for _ in range(3):
            self.assertEqual("GPU-b\n", self.berth.ok(
                "run", "-q", "--gpus", "1", "--memory", "16Mi", "--", "sh", "-c",
                "echo $CUDA_VISIBLE_DEVICES"))
        waits = self.berth.submit("--gpus", "2", "--memory", "16Mi", "--", "true")
        self.berth.wait_for(lambda: self.berth.states(waits) == {"parked"}, "it to wait for two")
        # An agent that is started anew asks the driver afresh.
        agent = self.berth.agents["node-a"]
        self.set_gpus()
        self.assertEqual(0, agent.stop())
        agent.start()
        self.berth.wait_for(lambda: self.berth.states(waits) == {"succeeded"}, "GPU-a to be back")

    def test_what_is_used_is_told(self):
        self.add_node(inventory={"cpu": 4, "memory": "1Gi"})
        self.set_gpus(a=" used=1048576 util=35 power=250000 temp=61")
        self.berth.start()
        self.berth.wait_for(lambda: "devices" in self.node().get("parts", {}), "a heartbeat")
        parts = self.node()["parts"]
        gpu = parts["devices"]["devices"][0]
        self.assertEqual(("GPU-a", 35, 250000, 61, 1048576),
                         (gpu["id"], gpu["utilisationPercent"], gpu["powerMilliwatts"],
                          gpu["temperatureCelsius"], int(gpu["memoryUsedBytes"])))
        self.assertGreater(int(parts["scratch"]["freeBytes"]), 0)
        page = self.berth.ok("describe", "node", "node-a")
        self.assertRegex(page, r"GPU-a +35% +1Mi +250 W +61 C +0")
        self.assertRegex(page, r"Scratch: +\S+ free of \S+")

    def test_a_tasks_use_of_its_gpus_is_told(self):
        if self.berth.isolation == "none":
            self.skipTest("which process is whose is known by cgroups")
        self.add_node(inventory={"cpu": 4, "memory": "1Gi"})
        self.set_gpus()
        self.berth.start()
        job = self.berth.submit("--gpus", "1", "--memory", "16Mi", "--", "sleep", "1000")
        self.berth.wait_for(lambda: self.berth.task_processes(), "it to run")
        pid = self.berth.task_processes()[0]
        self.set_gpus(more=f"process gpu=GPU-a pid={pid} memory=7340032 sm=40\n"
                           f"process gpu=GPU-b pid=1 memory=5 sm=5\n")
        usage = lambda: self.berth.tasks(job)[0]["attempt"].get("usage", {})
        self.berth.wait_for(lambda: int(usage().get("deviceMemoryBytes", 0)) == 7340032,
                            lambda: f"its use to be told: {usage()}")
        self.assertEqual(40, usage()["deviceUtilisationPercent"])
        self.assertRegex(self.berth.ok("describe", f"{job}.0"), r"Devices: +7Mi in use, 40% of one busy")
        self.berth.ok("cancel", job)
        self.berth.wait_for(lambda: self.berth.states(job) == {"cancelled"}, "it to end")
        self.assertEqual(0, int(usage().get("deviceMemoryBytes", 0)))

    def test_a_driver_that_hangs_holds_up_nothing_else(self):
        agent = self.add_node(inventory={"cpu": 4, "memory": "1Gi"})
        self.script.write_text("hang\n")
        self.berth.start_berthd()
        agent.start()
        self.berth.wait_for(lambda: "NVIDIA's driver does not answer" in agent.log(),
                            "the agent to give up waiting", seconds=90)
        self.berth.wait_for_nodes()
        self.assertEqual("well\n", self.berth.ok("run", "-q", "--memory", "16Mi", "--", "echo", "well"))
        self.set_gpus()
        self.berth.wait_for(lambda: len(self.node().get("devices", [])) == 2, "GPUs to be found")
        self.assertEqual(0, agent.stop())

    def test_data_and_models_are_found_as_they_come(self):
        roots = self.berth.directory
        (roots / "sets" / "imagenet").mkdir(parents=True)
        (roots / "sets" / "imagenet" / "1.tar").write_bytes(b"x" * 2048)
        agent = self.add_node(inventory={"cpu": 4, "memory": "1Gi"},
                              dataRoots=[str(roots / "sets")], modelRoots=[str(roots / "models")])
        self.berth.start()
        self.berth.wait_for(lambda: self.node().get("dataSets"), "the data set")
        self.assertEqual([("imagenet", 2048)],
                         [(data["name"], int(data["sizeBytes"])) for data in self.node()["dataSets"]])
        (roots / "models" / "models--org--small").mkdir(parents=True)
        agent.signal(signal.SIGHUP)  # not to wait for the next look
        self.berth.wait_for(lambda: self.node().get("models"), "the model")
        self.assertEqual("org/small", self.node()["models"][0]["name"])
        self.assertIn("Data set:", self.berth.ok("describe", "node", "node-a"))


if __name__ == "__main__":
    unittest.main()
