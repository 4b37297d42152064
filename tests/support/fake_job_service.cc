#include "tests/support/fake_job_service.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace berth::testing {
namespace {

// A stream looks this often whether its client has gone; news wakes it at once.
constexpr auto kLook = std::chrono::milliseconds(20);
constexpr int kPage = 2;  // small, so that paging is exercised
constexpr int64_t kStartUnixMs = 1'767'225'600'000;

grpc::Status NotFound(const std::string& what) {
  return grpc::Status(grpc::StatusCode::NOT_FOUND, what + " is not known");
}

// Objects of a map after `token`, at most a page; the next token.
template <typename T, typename Wanted, typename Add>
std::string Page(const std::map<std::string, T>& all, const std::string& token, Wanted wanted,
                 Add add) {
  int count = 0;
  for (auto at = token.empty() ? all.begin() : all.upper_bound(token); at != all.end(); ++at) {
    if (!wanted(at->second)) continue;
    if (count == kPage) return std::prev(at)->first;
    add(at->second);
    ++count;
  }
  return "";
}

}  // namespace

class FakeJobService::Jobs final : public v1::JobService::Service {
 public:
  explicit Jobs(FakeJobService& fake) : fake_(fake) {}

  grpc::Status SubmitJob(grpc::ServerContext*, const v1::SubmitJobRequest* request,
                         v1::SubmitJobResponse* response) override {
    const auto keep = [&] { fake_.submissions_.push_back(*request); };
    if (grpc::Status status = fake_.Note("SubmitJob", keep); !status.ok()) return status;
    v1::Job job;
    std::vector<v1::Task> tasks;
    std::function<void(const v1::SubmitJobRequest&, v1::SubmitJobResponse&)> then;
    {
      std::unique_lock lock(fake_.mutex_);
      job.set_id(std::to_string(fake_.next_job_++));
      then = fake_.on_submit_;
    }
    *job.mutable_spec() = request->job();
    job.set_state(v1::JOB_STATE_QUEUED);
    job.set_submitted_by("uid:1000");
    job.set_submitted_unix_ms(kStartUnixMs);
    for (const v1::TaskGroup& group : request->job().groups()) {
      std::vector<int64_t> indices = {0};
      if (group.has_array()) {
        indices.clear();
        for (const v1::IndexRange& range : group.array().ranges()) {
          const int64_t step = std::max<int64_t>(range.step(), 1);
          for (int64_t i = range.first(); i <= range.last(); i += step) indices.push_back(i);
        }
      }
      for (const int64_t index : indices) {
        v1::Task task;
        task.set_id(job.id() + (group.name().empty() ? "." : "." + group.name() + ".") +
                    std::to_string(index));
        task.set_job_id(job.id());
        task.set_job_name(job.spec().name());
        task.set_index(index);
        task.set_state(v1::TASK_STATE_QUEUED);
        task.set_submitted_unix_ms(kStartUnixMs);
        tasks.push_back(std::move(task));
      }
    }
    job.mutable_tasks()->set_total(static_cast<int64_t>(tasks.size()));
    job.mutable_tasks()->set_queued(static_cast<int64_t>(tasks.size()));
    for (const v1::Task& task : tasks) fake_.Put(task);
    fake_.Put(job);
    response->set_job_id(job.id());
    response->set_tasks(static_cast<int64_t>(tasks.size()));
    response->set_placeability(v1::PLACEABILITY_FITS_NOW);
    {
      std::unique_lock lock(fake_.mutex_);
      response->set_epoch(fake_.epoch_);
    }
    if (then) then(*request, *response);
    return grpc::Status::OK;
  }

  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override {
    if (grpc::Status status = fake_.Note("GetJob"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    const auto at = fake_.jobs_.find(request->job_id());
    if (at == fake_.jobs_.end()) return NotFound("job " + request->job_id());
    *response->mutable_job() = at->second;
    response->set_epoch(fake_.epoch_);
    return grpc::Status::OK;
  }

  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    if (grpc::Status status = fake_.Note("ListJobs"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    response->set_epoch(fake_.epoch_);
    if (request->newest_first()) {
      std::vector<v1::Job> all;
      for (const auto& [id, job] : fake_.jobs_) all.push_back(job);
      std::sort(all.begin(), all.end(), [](const v1::Job& a, const v1::Job& b) {
        return std::stoull(a.id()) > std::stoull(b.id());
      });
      for (v1::Job& job : all) *response->add_jobs() = std::move(job);
      return grpc::Status::OK;
    }
    response->set_next_page_token(Page(
        fake_.jobs_, request->page_token(),
        [&](const v1::Job& job) {
          return request->states().empty() ||
                 std::find(request->states().begin(), request->states().end(), job.state()) !=
                     request->states().end();
        },
        [&](const v1::Job& job) { *response->add_jobs() = job; }));
    return grpc::Status::OK;
  }

  grpc::Status GetTask(grpc::ServerContext*, const v1::GetTaskRequest* request,
                       v1::GetTaskResponse* response) override {
    if (grpc::Status status = fake_.Note("GetTask"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    const std::string& id = request->task_id();
    auto at = fake_.tasks_.find(id);
    if (at == fake_.tasks_.end()) at = fake_.tasks_.find(id + ".0");
    if (at == fake_.tasks_.end()) return NotFound("task " + id);
    *response->mutable_task() = at->second;
    if (at->second.has_attempt()) *response->add_attempts() = at->second.attempt();
    response->set_epoch(fake_.epoch_);
    return grpc::Status::OK;
  }

  grpc::Status ListTasks(grpc::ServerContext*, const v1::ListTasksRequest* request,
                         v1::ListTasksResponse* response) override {
    if (grpc::Status status = fake_.Note("ListTasks"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    if (!request->job_id().empty() && !fake_.jobs_.contains(request->job_id())) {
      return NotFound("job " + request->job_id());
    }
    response->set_epoch(fake_.epoch_);
    response->set_next_page_token(Page(
        fake_.tasks_, request->page_token(),
        [&](const v1::Task& task) {
          const bool in_job = request->job_id().empty() || task.job_id() == request->job_id();
          return in_job && (request->states().empty() ||
                            std::find(request->states().begin(), request->states().end(),
                                      task.state()) != request->states().end());
        },
        [&](const v1::Task& task) { *response->add_tasks() = task; }));
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* writer) override {
    const grpc::Status failure = fake_.Note("Watch");
    std::unique_lock lock(fake_.mutex_);
    uint64_t epoch = request->has_from_epoch() ? request->from_epoch() : fake_.epoch_;
    const auto wants = [&](v1::ObjectKind kind) {
      return std::find(request->kinds().begin(), request->kinds().end(), kind) !=
             request->kinds().end();
    };
    while (!context->IsCancelled() && !fake_.stopping_) {
      if (epoch < fake_.epoch_) {
        v1::WatchResponse response;
        for (const v1::WatchEvent& event : fake_.events_) {
          if (event.epoch() <= epoch) continue;
          const bool of_job = request->job_id().empty() ||
                              (event.has_job() && event.job().id() == request->job_id()) ||
                              (event.has_task() && event.task().job_id() == request->job_id());
          const bool of_kind = (event.has_job() && wants(v1::OBJECT_KIND_JOB)) ||
                               (event.has_task() && wants(v1::OBJECT_KIND_TASK)) ||
                               (event.has_node() && wants(v1::OBJECT_KIND_NODE));
          if (of_job && of_kind) *response.add_events() = event;
        }
        epoch = fake_.epoch_;
        response.set_epoch(epoch);
        lock.unlock();
        const bool written = writer->Write(response);
        lock.lock();
        if (!written) break;
      }
      if (!failure.ok()) return failure;
      fake_.changed_.wait_for(lock, kLook);
    }
    return fake_.stopping_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping")
                           : grpc::Status::CANCELLED;
  }

  grpc::Status Cancel(grpc::ServerContext*, const v1::CancelRequest* request,
                      v1::CancelResponse* response) override {
    const auto keep = [&] { fake_.cancellations_.push_back(*request); };
    if (grpc::Status status = fake_.Note("Cancel", keep); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    for (const std::string& id : request->ids()) {
      v1::CancelResult& result = *response->add_results();
      result.set_id(id);
      const auto at = fake_.jobs_.find(id.substr(0, id.find('.')));
      if (at == fake_.jobs_.end()) {
        result.set_reason(v1::REASON_CODE_NOT_FOUND);
      } else if (at->second.ended_unix_ms() > 0) {
        result.set_reason(v1::REASON_CODE_ALREADY_ENDED);
      } else {
        result.set_tasks(at->second.tasks().total());
      }
    }
    fake_.changed_.notify_all();
    return grpc::Status::OK;
  }

  grpc::Status Explain(grpc::ServerContext*, const v1::ExplainRequest*,
                       v1::ExplainResponse* response) override {
    if (grpc::Status status = fake_.Note("Explain"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    *response->mutable_explanation() = fake_.explanation_;
    return grpc::Status::OK;
  }

  grpc::Status Exec(grpc::ServerContext*, ExecStream* stream) override {
    if (grpc::Status status = fake_.Note("Exec"); !status.ok()) return status;
    std::function<grpc::Status(ExecStream&)> talk;
    {
      std::lock_guard lock(fake_.mutex_);
      talk = fake_.on_exec_;
    }
    return talk ? talk(*stream) : grpc::Status::OK;
  }

  grpc::Status Attach(grpc::ServerContext*, AttachStream* stream) override {
    if (grpc::Status status = fake_.Note("Attach"); !status.ok()) return status;
    std::function<grpc::Status(AttachStream&)> talk;
    {
      std::lock_guard lock(fake_.mutex_);
      talk = fake_.on_attach_;
    }
    return talk ? talk(*stream) : grpc::Status::OK;
  }

  grpc::Status Logs(grpc::ServerContext* context, const v1::LogsRequest* request,
                    grpc::ServerWriter<v1::LogsResponse>* writer) override {
    const grpc::Status failure = fake_.Note("Logs");
    std::unique_lock lock(fake_.mutex_);
    std::string id = request->id();
    if (id.find('.') == std::string::npos) id += ".0";
    if (id.find('#') == std::string::npos) {
      const auto task = fake_.tasks_.find(id);
      if (task == fake_.tasks_.end()) return NotFound("task " + id);
      id = task->second.attempt().id();
    }
    std::size_t sent = 0;
    while (!context->IsCancelled() && !fake_.stopping_) {
      Output& output = fake_.outputs_[id];
      if (sent < output.chunks.size()) {
        const Output::Chunk chunk = output.chunks[sent++];
        if (request->stream() != v1::OUTPUT_STREAM_UNSPECIFIED &&
            request->stream() != chunk.stream) {
          continue;
        }
        v1::LogsResponse response;
        response.set_stream(chunk.stream);
        response.set_data(chunk.bytes);
        response.set_offset(chunk.offset);
        response.set_unix_ms(chunk.unix_ms);
        response.set_kept(chunk.kept);
        lock.unlock();
        const bool written = writer->Write(response);
        lock.lock();
        if (!written) break;
        if (!failure.ok()) return failure;
        continue;
      }
      if (!failure.ok()) return failure;
      if (output.closed || !request->follow()) return grpc::Status::OK;
      fake_.changed_.wait_for(lock, kLook);
    }
    return fake_.stopping_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping")
                           : grpc::Status::CANCELLED;
  }

 private:
  FakeJobService& fake_;
};

class FakeJobService::Nodes final : public v1::NodeService::Service {
 public:
  explicit Nodes(FakeJobService& fake) : fake_(fake) {}

  grpc::Status ListNodes(grpc::ServerContext*, const v1::ListNodesRequest* request,
                         v1::ListNodesResponse* response) override {
    if (grpc::Status status = fake_.Note("ListNodes"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    response->set_epoch(fake_.epoch_);
    response->set_next_page_token(Page(
        fake_.nodes_, request->page_token(), [](const v1::Node&) { return true; },
        [&](const v1::Node& node) { *response->add_nodes() = node; }));
    return grpc::Status::OK;
  }

  grpc::Status GetNode(grpc::ServerContext*, const v1::GetNodeRequest* request,
                       v1::GetNodeResponse* response) override {
    if (grpc::Status status = fake_.Note("GetNode"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    const auto at = fake_.nodes_.find(request->name());
    if (at == fake_.nodes_.end()) return NotFound("node \"" + request->name() + "\"");
    *response->mutable_node() = at->second;
    response->set_epoch(fake_.epoch_);
    return grpc::Status::OK;
  }

  grpc::Status SetCordon(grpc::ServerContext*, const v1::SetCordonRequest* request,
                         v1::SetCordonResponse* response) override {
    if (grpc::Status status = fake_.Note("SetCordon"); !status.ok()) return status;
    std::unique_lock lock(fake_.mutex_);
    const auto at = fake_.nodes_.find(request->name());
    if (at == fake_.nodes_.end()) return NotFound("node \"" + request->name() + "\"");
    at->second.set_cordoned(request->cordoned());
    *response->mutable_node() = at->second;
    return grpc::Status::OK;
  }

 private:
  FakeJobService& fake_;
};

class FakeJobService::Admin final : public v1::AdminService::Service {
 public:
  explicit Admin(FakeJobService& fake) : fake_(fake) {}

  grpc::Status GetVersion(grpc::ServerContext*, const v1::GetVersionRequest*,
                          v1::GetVersionResponse* response) override {
    if (grpc::Status status = fake_.Note("GetVersion"); !status.ok()) return status;
    response->set_version("0.1.0");
    response->set_cluster_id("c1");
    response->set_term(3);
    return grpc::Status::OK;
  }

  grpc::Status SaveSnapshot(grpc::ServerContext*, const v1::SaveSnapshotRequest*,
                            grpc::ServerWriter<v1::SaveSnapshotResponse>* writer) override {
    const grpc::Status status = fake_.Note("SaveSnapshot");
    std::string rest;
    {
      std::lock_guard lock(fake_.mutex_);
      rest = fake_.snapshot_;
    }
    constexpr size_t kPiece = 100;
    for (size_t at = 0; at < rest.size(); at += kPiece) {
      v1::SaveSnapshotResponse response;
      response.set_data(rest.substr(at, kPiece));
      if (!writer->Write(response) || !status.ok()) break;
    }
    return status;
  }

  grpc::Status Reconcile(grpc::ServerContext*, const v1::ReconcileRequest* request,
                         v1::ReconcileResponse* response) override {
    if (grpc::Status status = fake_.Note("Reconcile"); !status.ok()) return status;
    std::lock_guard lock(fake_.mutex_);
    if (fake_.on_reconcile_) *response = fake_.on_reconcile_(*request);
    return grpc::Status::OK;
  }

 private:
  FakeJobService& fake_;
};

void FakeJobService::OnReconcile(
    std::function<v1::ReconcileResponse(const v1::ReconcileRequest&)> answer) {
  std::lock_guard lock(mutex_);
  on_reconcile_ = std::move(answer);
}

void FakeJobService::OnExec(std::function<grpc::Status(ExecStream&)> talk) {
  std::lock_guard lock(mutex_);
  on_exec_ = std::move(talk);
}

void FakeJobService::OnAttach(std::function<grpc::Status(AttachStream&)> talk) {
  std::lock_guard lock(mutex_);
  on_attach_ = std::move(talk);
}

void FakeJobService::SetSnapshot(std::string file) {
  std::lock_guard lock(mutex_);
  snapshot_ = std::move(file);
}

FakeJobService::FakeJobService()
    : socket_(dir_.path() + "/berthd.sock"),
      job_service_(std::make_unique<Jobs>(*this)),
      node_service_(std::make_unique<Nodes>(*this)),
      admin_service_(std::make_unique<Admin>(*this)) {
  Start();
}

FakeJobService::~FakeJobService() { Stop(); }

void FakeJobService::Start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  builder.RegisterService(job_service_.get());
  builder.RegisterService(node_service_.get());
  builder.RegisterService(admin_service_.get());
  server_ = builder.BuildAndStart();
  BERTH_CHECK(server_ != nullptr) << "cannot listen on " << socket_;
}

void FakeJobService::Stop() {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
  std::unique_lock lock(mutex_);
  stopping_ = false;
}

void FakeJobService::Restart() {
  Stop();
  Start();
}

grpc::Status FakeJobService::Note(const std::string& call, const std::function<void()>& keep) {
  std::unique_lock lock(mutex_);
  ++calls_[call];
  changed_.notify_all();
  std::vector<grpc::Status>& failures = failures_[call];
  if (failures.empty()) {
    if (keep) keep();
    return grpc::Status::OK;
  }
  const grpc::Status failure = failures.front();
  failures.erase(failures.begin());
  return failure;
}

void FakeJobService::OnSubmit(
    std::function<void(const v1::SubmitJobRequest&, v1::SubmitJobResponse&)> then) {
  std::unique_lock lock(mutex_);
  on_submit_ = std::move(then);
}

void FakeJobService::Announce(v1::WatchEvent event) {
  event.set_epoch(++epoch_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

void FakeJobService::Put(const v1::Job& job) {
  std::unique_lock lock(mutex_);
  jobs_[job.id()] = job;
  v1::WatchEvent event;
  *event.mutable_job() = job;
  Announce(std::move(event));
}

void FakeJobService::Put(const v1::Task& task) {
  std::unique_lock lock(mutex_);
  tasks_[task.id()] = task;
  v1::WatchEvent event;
  *event.mutable_task() = task;
  Announce(std::move(event));
}

void FakeJobService::Put(const v1::Node& node) {
  std::unique_lock lock(mutex_);
  nodes_[node.name()] = node;
  v1::WatchEvent event;
  *event.mutable_node() = node;
  Announce(std::move(event));
}

void FakeJobService::Append(const std::string& attempt, v1::OutputStream stream,
                            std::string_view bytes, int64_t unix_ms) {
  std::unique_lock lock(mutex_);
  Output& output = outputs_[attempt];
  int64_t offset = 0;
  for (const Output::Chunk& chunk : output.chunks) {
    if (chunk.stream == stream) offset += static_cast<int64_t>(chunk.bytes.size());
  }
  output.chunks.push_back({stream, std::string(bytes), offset, unix_ms});
  changed_.notify_all();
}

void FakeJobService::AppendAt(const std::string& attempt, v1::OutputStream stream, int64_t offset,
                              std::string_view bytes, bool kept) {
  std::unique_lock lock(mutex_);
  outputs_[attempt].chunks.push_back({stream, std::string(bytes), offset, 0, kept});
  changed_.notify_all();
}

void FakeJobService::Close(const std::string& attempt) {
  std::unique_lock lock(mutex_);
  outputs_[attempt].closed = true;
  changed_.notify_all();
}

void FakeJobService::RunToEnd(const std::string& job_id, const std::string& node,
                              std::string_view output, int exit_code) {
  v1::Task task_now = task(job_id + ".0");
  v1::Attempt& attempt = *task_now.mutable_attempt();
  attempt.set_id(task_now.id() + "#1");
  attempt.set_number(1);
  attempt.set_node(node);
  task_now.set_attempts(1);
  task_now.set_state(v1::TASK_STATE_BOUND);
  Put(task_now);
  task_now.set_state(v1::TASK_STATE_RUNNING);
  attempt.set_started_unix_ms(kStartUnixMs + 100);
  Put(task_now);
  if (!output.empty()) Append(attempt.id(), v1::OUTPUT_STREAM_STDOUT, output);
  Close(attempt.id());
  attempt.set_end(v1::ATTEMPT_END_EXITED);
  attempt.set_reason(v1::REASON_CODE_EXITED);
  attempt.set_exit_code(exit_code);
  attempt.set_ended_unix_ms(kStartUnixMs + 200);
  attempt.mutable_usage()->set_memory_peak_bytes(int64_t{9} << 20);
  task_now.set_state(exit_code == 0 ? v1::TASK_STATE_SUCCEEDED : v1::TASK_STATE_FAILED);
  Put(task_now);
  v1::Job job_now = job(job_id);
  job_now.set_state(exit_code == 0 ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_FAILED);
  job_now.mutable_tasks()->set_queued(0);
  if (exit_code == 0) job_now.mutable_tasks()->set_succeeded(1);
  if (exit_code != 0) job_now.mutable_tasks()->set_failed(1);
  job_now.set_exit_code(exit_code);
  job_now.set_started_unix_ms(kStartUnixMs + 100);
  job_now.set_ended_unix_ms(kStartUnixMs + 200);
  Put(job_now);
}

void FakeJobService::FailNext(const std::string& call, const grpc::Status& status) {
  std::unique_lock lock(mutex_);
  failures_[call].push_back(status);
}

std::vector<v1::SubmitJobRequest> FakeJobService::submissions() {
  std::unique_lock lock(mutex_);
  return submissions_;
}

std::vector<v1::CancelRequest> FakeJobService::cancellations() {
  std::unique_lock lock(mutex_);
  return cancellations_;
}

int FakeJobService::calls(const std::string& call) {
  std::unique_lock lock(mutex_);
  return calls_[call];
}

void FakeJobService::AwaitCalls(const std::string& call, int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return calls_[call] >= count; });
}

v1::Job FakeJobService::job(const std::string& id) {
  std::unique_lock lock(mutex_);
  return jobs_[id];
}

v1::Task FakeJobService::task(const std::string& id) {
  std::unique_lock lock(mutex_);
  return tasks_[id];
}

void FakeJobService::SetExplanation(const v1::Explanation& explanation) {
  std::unique_lock lock(mutex_);
  explanation_ = explanation;
}

}  // namespace berth::testing
