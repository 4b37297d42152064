"""What a foreign client sees of the wire: one in Python, generated from the .proto files."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import grpc  # noqa: E402

import cluster  # noqa: E402
import wire_client  # noqa: E402

SECONDS = 30


class PythonClientTest(cluster.IntegrationTest):
    def setUp(self):
        self.berth = self.start_cluster(nodes=["node-a", "node-b"])
        self.wire = wire_client.connect(self.berth.address)
        self.addCleanup(self.wire.channel.close)

    def job(self, *command, array=None, **resources):
        types = self.wire.types
        template = types.TaskTemplate(
            payload=types.Payload(command=command),
            resources=types.Resources(**{"cpu_milli": 100, "memory_bytes": 32 << 20, **resources}))
        group = types.TaskGroup(template=template)
        if array is not None:
            group.array.ranges.add(first=array[0], last=array[1])
        return types.JobSpec(groups=[group])

    def submit(self, job, request_id=""):
        return self.wire.jobs.SubmitJob(
            self.wire.scheduler.SubmitJobRequest(job=job, request_id=request_id), timeout=SECONDS)

    def watch_to_end(self, job_id, from_epoch):
        """Every event of the job until it has ended."""
        stream = self.wire.jobs.Watch(self.wire.scheduler.WatchRequest(
            kinds=[self.wire.scheduler.OBJECT_KIND_JOB, self.wire.scheduler.OBJECT_KIND_TASK],
            job_id=job_id, from_epoch=from_epoch), timeout=SECONDS)
        events = []
        for response in stream:
            events.extend(response.events)
            ended = [e.job for e in response.events
                     if e.HasField("job") and e.job.state >= self.wire.types.JOB_STATE_SUCCEEDED]
            if ended:
                stream.cancel()
                return ended[-1], events
        self.fail(f"the watch of job {job_id} ended before the job")

    def logs(self, task_id, **request):
        """Standard output and error of a task."""
        output = {1: b"", 2: b""}
        for piece in self.wire.jobs.Logs(
                self.wire.scheduler.LogsRequest(id=task_id, **request), timeout=SECONDS):
            self.assertEqual(len(output[piece.stream]), piece.offset)
            output[piece.stream] += piece.data
        return output[1], output[2]

    def refusal(self, call, request):
        """The error of a call that must fail."""
        with self.assertRaises(grpc.RpcError) as caught:
            answer = call(request, timeout=SECONDS)
            if not hasattr(answer, "ListFields"):  # a stream fails when it is read
                list(answer)
        return caught.exception

    def assert_error(self, error, code, reason, field=None):
        self.assertEqual(code, error.code(), error.details())
        self.assertNotEqual("", error.details())
        details = wire_client.details(error)
        self.assertEqual((reason, "berth.dev"),
                         (details["ErrorInfo"].reason, details["ErrorInfo"].domain))
        if field is not None:
            self.assertEqual([field], [v.field for v in details["BadRequest"].field_violations])
            self.assertNotEqual("", details["BadRequest"].field_violations[0].description)

    # ---- work ----

    def test_submits_watches_to_the_end_and_reads_logs(self):
        submitted = self.submit(self.job("sh", "-c", "echo out $BERTH_TASK_ID; echo err >&2"))
        self.assertEqual(("1", 1), (submitted.job_id, submitted.tasks))
        self.assertEqual(self.wire.types.PLACEABILITY_FITS_NOW, submitted.placeability)
        job, events = self.watch_to_end("1", submitted.epoch)
        self.assertEqual(self.wire.types.JOB_STATE_SUCCEEDED, job.state)
        self.assertEqual((1, 1), (job.tasks.total, job.tasks.succeeded))
        epochs = [event.epoch for event in events]
        self.assertEqual(sorted(epochs), epochs)
        self.assertGreater(epochs[0], submitted.epoch - 1)
        states = [event.task.state for event in events if event.HasField("task")]
        self.assertEqual(sorted(states), states, "a task never goes back on its own")
        self.assertEqual(self.wire.types.TASK_STATE_SUCCEEDED, states[-1])
        task = [event.task for event in events if event.HasField("task")][-1]
        self.assertEqual((b"out " + task.id.encode() + b"\n", b"err\n"), self.logs(task.id))

    def test_follows_output_while_it_comes(self):
        gate = self.berth.directory / "gate"
        submitted = self.submit(self.job(
            "sh", "-c", f"echo first; while ! [ -e {gate} ]; do sleep 0.02; done; echo last"))
        stream = self.wire.jobs.Logs(self.wire.scheduler.LogsRequest(
            id=submitted.job_id, follow=True), timeout=SECONDS)
        self.assertEqual(b"first\n", next(stream).data)
        gate.touch()
        self.assertEqual(b"last\n", b"".join(piece.data for piece in stream))

    def test_a_repeated_request_gets_the_first_answer(self):
        job = self.job("true")
        first = self.submit(job, request_id="once")
        self.assertEqual(first.job_id, self.submit(job, request_id="once").job_id)
        self.assertNotEqual(first.job_id, self.submit(job, request_id="twice").job_id)
        error = self.refusal(self.wire.jobs.SubmitJob, self.wire.scheduler.SubmitJobRequest(
            job=self.job("false"), request_id="once"))
        self.assert_error(error, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")

    def test_lists_in_pages_that_a_watch_completes(self):
        gate = self.berth.directory / "gate"
        waits = ("sh", "-c", f"while ! [ -e {gate} ]; do sleep 0.02; done")
        for _ in range(7):
            self.submit(self.job(*waits))
        picture, pages, token, epochs = {}, 0, "", set()
        while pages == 0 or token:
            page = self.wire.jobs.ListJobs(
                self.wire.scheduler.ListJobsRequest(page_size=3, page_token=token), timeout=SECONDS)
            self.assertLessEqual(len(page.jobs), 3)
            picture.update((job.id, job) for job in page.jobs)
            epochs.add(page.epoch)
            token = page.next_page_token
            if pages == 0:
                self.submit(self.job("true"))  # changes while the pages are turned
            pages += 1
        self.assertEqual(3, pages)
        self.assertLessEqual({str(n) for n in range(1, 8)}, set(picture))
        self.assertEqual(1, len(epochs), "every page names the epoch of the first")

        gate.touch()
        stream = self.wire.jobs.Watch(self.wire.scheduler.WatchRequest(
            kinds=[self.wire.scheduler.OBJECT_KIND_JOB], from_epoch=epochs.pop()), timeout=SECONDS)
        for response in stream:
            picture.update((event.job.id, event.job) for event in response.events)
            if {job.state for job in picture.values()} == {self.wire.types.JOB_STATE_SUCCEEDED}:
                stream.cancel()
                break
        listed = self.wire.jobs.ListJobs(self.wire.scheduler.ListJobsRequest(), timeout=SECONDS)
        self.assertEqual({job.id: job.state for job in listed.jobs},
                         {id: job.state for id, job in picture.items()})
        self.assertEqual({str(n) for n in range(1, 9)}, set(picture))

    def test_lists_the_tasks_of_an_array_in_pages(self):
        submitted = self.submit(self.job("true", array=(0, 24)))
        self.watch_to_end(submitted.job_id, submitted.epoch)
        seen, token = [], ""
        while True:
            page = self.wire.jobs.ListTasks(self.wire.scheduler.ListTasksRequest(
                job_id=submitted.job_id, page_size=10, page_token=token), timeout=SECONDS)
            seen += [task.index for task in page.tasks]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(list(range(25)), seen)

    def test_a_batch_is_acknowledged_item_by_item_and_resumes(self):
        request = self.wire.scheduler.SubmitJobsRequest
        good, bad = self.job("true"), self.job("")
        first = list(self.wire.jobs.SubmitJobs(iter([
            request(batch_id="batch", offset=0, job=good), request(offset=1, job=bad),
            request(offset=2, job=good)]), timeout=SECONDS))
        self.assertEqual(0, first[0].resume_offset)
        self.assertEqual([0, 1, 2], [answer.offset for answer in first[1:]])
        self.assertEqual([True, False, True], [answer.HasField("admitted") for answer in first[1:]])
        self.assertEqual("groups[0].template.payload.command[0]", first[2].error.field)
        again = list(self.wire.jobs.SubmitJobs(iter([
            request(batch_id="batch", offset=3, job=good)]), timeout=SECONDS))
        self.assertEqual(3, again[0].resume_offset)
        self.assertEqual(3, again[1].offset)
        jobs = self.wire.jobs.ListJobs(self.wire.scheduler.ListJobsRequest(), timeout=SECONDS).jobs
        self.assertEqual(3, len(jobs))

    def test_explains_a_task_that_never_fits(self):
        submitted = self.submit(self.job("true", memory_bytes=500 << 30))
        self.assertEqual(self.wire.types.PLACEABILITY_NEVER_FITS, submitted.placeability)
        answer = self.wire.jobs.Explain(
            self.wire.scheduler.ExplainRequest(id=submitted.job_id), timeout=SECONDS).explanation
        self.assertEqual((2, 0), (answer.nodes_total, answer.nodes_feasible))
        self.assertEqual([(self.wire.types.REASON_CODE_INSUFFICIENT_MEMORY, 2, 500 << 30, 8 << 30)],
                         [(f.reason, f.nodes, f.requested, f.largest_capacity)
                          for f in answer.filters])
        self.assertEqual([("memory", "8Gi")], [(s.field, s.value) for s in answer.suggestions])
        self.assertIn("cannot ever fit: 2 nodes, largest 8Gi", answer.text)

    # ---- what is wrong is refused, by name ----

    def test_refuses_wrong_fields_with_their_paths(self):
        types = self.wire.types
        template = "groups[0].template."
        wrong = {
            template + "payload.command[0]": self.job(""),
            template + "resources.cpu_milli": self.job("true", cpu_milli=-1),
            template + "resources.memory_bytes": self.job("true", memory_bytes=-5),
            "groups[0].array.ranges[0].last": self.job("true", array=(0, 2**31)),
            "groups": types.JobSpec(),
        }
        for field, job in wrong.items():
            with self.subTest(field=field):
                error = self.refusal(self.wire.jobs.SubmitJob,
                                     self.wire.scheduler.SubmitJobRequest(job=job))
                self.assert_error(error, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", field)
        self.assertEqual(0, len(self.wire.jobs.ListJobs(
            self.wire.scheduler.ListJobsRequest(), timeout=SECONDS).jobs), "half-done")

    def test_refuses_invalid_utf8(self):
        job = self.job("PLACE")
        raw = self.wire.scheduler.SubmitJobRequest(job=job).SerializeToString()
        call = self.wire.channel.unary_unary(
            "/berth.v1.JobService/SubmitJob",
            request_serializer=lambda data: data.replace(b"PLACE", b"PL\xff\xfeE"),
            response_deserializer=self.wire.scheduler.SubmitJobResponse.FromString)
        error = self.refusal(call, raw)
        self.assertIn(error.code(), (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL))
        self.assertNotEqual("", error.details())
        self.assertEqual(0, len(self.wire.jobs.ListJobs(
            self.wire.scheduler.ListJobsRequest(), timeout=SECONDS).jobs), "half-done")

    def test_refuses_fields_that_are_not_honoured_yet_by_name(self):
        job = self.job("true")
        job.reservation = "mine"
        error = self.refusal(self.wire.jobs.SubmitJob,
                             self.wire.scheduler.SubmitJobRequest(job=job))
        self.assert_error(error, grpc.StatusCode.UNIMPLEMENTED, "FIELD_NOT_HONOURED")
        self.assertIn("reservation", error.details())

    def test_refuses_what_does_not_exist(self):
        requests = self.wire.scheduler
        jobs = self.wire.jobs
        for call, request in ((jobs.GetJob, requests.GetJobRequest(job_id="99")),
                              (jobs.GetTask, requests.GetTaskRequest(task_id="99.1")),
                              (jobs.Explain, requests.ExplainRequest(id="99")),
                              (jobs.Logs, requests.LogsRequest(id="99")),
                              (self.wire.nodes.GetNode, requests.GetNodeRequest(name="node-z"))):
            with self.subTest(request=type(request).__name__):
                error = self.refusal(call, request)
                self.assert_error(error, grpc.StatusCode.NOT_FOUND, "NOT_FOUND")

    def test_refuses_a_queue_that_does_not_exist(self):
        job = self.job("true")
        job.queue = "fast"
        error = self.refusal(self.wire.jobs.SubmitJob,
                             self.wire.scheduler.SubmitJobRequest(job=job))
        self.assert_error(error, grpc.StatusCode.NOT_FOUND, "UNKNOWN_QUEUE")

    def test_plans_without_submitting(self):
        plan = self.wire.jobs.Plan(self.wire.scheduler.PlanRequest(job=self.job("true")),
                                   timeout=SECONDS)
        self.assertEqual((1, 1), (plan.tasks_total, plan.tasks_placed))
        self.assertIn(plan.tasks[0].decision.winner.node, ("node-a", "node-b"))
        self.assertFalse(self.wire.jobs.ListJobs(self.wire.scheduler.ListJobsRequest(),
                                                 timeout=SECONDS).jobs)

    # ---- the server itself ----

    def test_health_and_reflection_are_served(self):
        health = wire_client.module("grpc_health_pb2")
        answer = self.wire.health.Check(health.HealthCheckRequest(service=""), timeout=SECONDS)
        self.assertEqual(1, answer.status, "SERVING")
        reflection = wire_client.module("grpc_reflection_pb2")
        request = reflection.ServerReflectionRequest
        services, file = list(self.wire.reflection.ServerReflectionInfo(iter([
            request(list_services="*"),
            request(file_containing_symbol="berth.v1.JobService")]), timeout=SECONDS))
        names = {service.name for service in services.list_services_response.service}
        self.assertLessEqual({"berth.v1.JobService", "berth.v1.NodeService",
                              "berth.v1.AdminService", "grpc.health.v1.Health"}, names)
        self.assertTrue(any(b"SubmitJob" in proto for proto in
                            file.file_descriptor_response.file_descriptor_proto))

    def test_version_and_configuration_are_told(self):
        version = self.wire.administration.GetVersion(self.wire.admin.GetVersionRequest(),
                                                      timeout=SECONDS)
        self.assertRegex(version.version, r"^\d+\.\d+\.\d+$")
        self.assertRegex(version.cluster_id, r"^[0-9a-f-]{36}$")
        config = self.wire.administration.GetConfig(self.wire.admin.GetConfigRequest(),
                                                    timeout=SECONDS)
        self.assertIn(str(self.berth.directory), config.yaml)
