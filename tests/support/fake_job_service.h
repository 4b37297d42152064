#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "berth/v1/admin.grpc.pb.h"
#include "berth/v1/scheduler.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace berth::testing {

// berthd as a client sees it, without a scheduler: a test says what happens, and the services
// answer gets, lists, watches and log streams accordingly, over a Unix socket.
//
// It behaves: ids and epochs rise, a watch from an epoch sends every later change, a follower of
// output gets what is appended and the end when it is closed.
//
// Threading: everything may be called from any thread.
class FakeJobService {
 public:
  FakeJobService();
  ~FakeJobService();

  // "unix:/..."
  std::string address() const { return "unix:" + socket_; }

  // ---- what happens ----

  // Called for each submission, in the server's thread, after the job has been noted as queued with
  // its tasks; what it does has happened before the client has its answer. It may change the
  // answer.
  void OnSubmit(std::function<void(const v1::SubmitJobRequest&, v1::SubmitJobResponse&)> then);

  // Notes the present state of a job, task or node; watches are told.
  void Put(const v1::Job& job);
  void Put(const v1::Task& task);
  void Put(const v1::Node& node);

  // Output of an attempt ("1.0#1").
  void Append(const std::string& attempt, v1::OutputStream stream, std::string_view bytes,
              int64_t unix_ms = 0);
  // At this position, behind what is gone. `kept`: by berthd.
  void AppendAt(const std::string& attempt, v1::OutputStream stream, int64_t offset,
                std::string_view bytes, bool kept = false);
  void Close(const std::string& attempt);

  // The whole way of a job's only task, with what it wrote to standard output.
  void RunToEnd(const std::string& job, const std::string& node, std::string_view output,
                int exit_code);

  // The next call of this name ("Watch", "SubmitJob", ...) fails with it; a stream after its first
  // message, if it has one at once.
  void FailNext(const std::string& call, const grpc::Status& status);

  // Stops and starts again at the same address, everything kept: connections break.
  void Restart();

  // ---- what was asked ----

  std::vector<v1::SubmitJobRequest> submissions();
  std::vector<v1::CancelRequest> cancellations();
  // How often a call of this name has come in.
  int calls(const std::string& call);
  // Waits until that many have.
  void AwaitCalls(const std::string& call, int count);

  v1::Job job(const std::string& id);
  v1::Task task(const std::string& id);

  // What SaveSnapshot sends, in small pieces.
  void SetSnapshot(std::string file);

  // What Reconcile answers; called in the server's thread. Nothing is in quarantine by default.
  void OnReconcile(std::function<v1::ReconcileResponse(const v1::ReconcileRequest&)> answer);

  // What happens in calls of these; in the server's thread. Without, they say nothing and end well.
  using ExecStream = grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>;
  using AttachStream = grpc::ServerReaderWriter<v1::AttachResponse, v1::AttachRequest>;
  void OnExec(std::function<grpc::Status(ExecStream&)> talk);
  void OnAttach(std::function<grpc::Status(AttachStream&)> talk);

  // What explain answers, by id of the request.
  void SetExplanation(const v1::Explanation& explanation);

 private:
  class Jobs;
  class Nodes;
  class Admin;

  struct Output {
    struct Chunk {
      v1::OutputStream stream;
      std::string bytes;
      int64_t offset;
      int64_t unix_ms = 0;
      bool kept = false;
    };
    std::vector<Chunk> chunks;
    bool closed = false;
  };

  void Start();
  void Stop();
  // Counts a call; the error it is to fail with, or OK.
  // `keep` runs with the call being counted, so that who waits for the count finds what was kept.
  grpc::Status Note(const std::string& call, const std::function<void()>& keep = nullptr);
  void Announce(v1::WatchEvent event);

  const TempDir dir_;
  const std::string socket_;

  // std::condition_variable wants the naked mutex.
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t epoch_ = 0;
  uint64_t next_job_ = 1;
  bool stopping_ = false;
  std::map<std::string, v1::Job> jobs_;
  std::map<std::string, v1::Task> tasks_;
  std::map<std::string, v1::Node> nodes_;
  std::vector<v1::WatchEvent> events_;
  std::map<std::string, Output> outputs_;
  std::map<std::string, std::vector<grpc::Status>> failures_;
  std::map<std::string, int> calls_;
  std::vector<v1::SubmitJobRequest> submissions_;
  std::vector<v1::CancelRequest> cancellations_;
  v1::Explanation explanation_;
  std::string snapshot_;
  std::function<v1::ReconcileResponse(const v1::ReconcileRequest&)> on_reconcile_;
  std::function<grpc::Status(ExecStream&)> on_exec_;
  std::function<grpc::Status(AttachStream&)> on_attach_;
  std::function<void(const v1::SubmitJobRequest&, v1::SubmitJobResponse&)> on_submit_;

  std::unique_ptr<Jobs> job_service_;
  std::unique_ptr<Nodes> node_service_;
  std::unique_ptr<Admin> admin_service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace berth::testing
