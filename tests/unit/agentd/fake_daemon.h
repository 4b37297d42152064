#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/attempt_key.h"
#include "base/mutex.h"
#include "berth/v1/agent.grpc.pb.h"

namespace berth::testing {

// The daemon's side of the agents' protocol, for one agent: welcomes it, numbers directives, keeps
// facts as berthd would (durable across its own restarts), and lets a test wait for them.
//
// Waiting ends the test process when nothing comes for 60 s: what is waited for must come.
class FakeDaemon {
 public:
  explicit FakeDaemon(std::string socket_path);
  ~FakeDaemon();

  // Listens. Stop() and Start() are a restart: a higher term, and all facts still known.
  void Start();
  void Stop();

  // Waits for the next session after the one that was last waited for.
  v1::Hello WaitForSession();

  // A task for /bin/sh -c `command`, of uid `uid`.
  static v1::StartTask Task(const agentd::AttemptKey& key, const std::string& command);

  void SendStart(const v1::StartTask& start);
  void SendStop(const agentd::AttemptKey& key, v1::AttemptEnd end = v1::ATTEMPT_END_CANCELLED,
                std::optional<int64_t> grace_ms = std::nullopt);
  void SendForget(const agentd::AttemptKey& key);
  // Several in one batch.
  void SendStarts(const std::vector<v1::StartTask>& starts);

  v1::AttemptStarted WaitForStart(const agentd::AttemptKey& key);
  v1::AttemptEnded WaitForEnd(const agentd::AttemptKey& key);
  // Facts of this attempt so far, each sequence once.
  std::vector<v1::Fact> Facts(const agentd::AttemptKey& key);
  v1::Heartbeat WaitForHeartbeat(const std::function<bool(const v1::Heartbeat&)>& wanted);

  // Whether facts are acknowledged when they come; true at first.
  void set_acknowledge(bool acknowledge);
  // Waits until so many facts have come and were not acknowledged.
  void WaitForIgnoredFacts(int count);
  void set_heartbeat_interval_ms(int64_t interval) { heartbeat_interval_ms_ = interval; }
  void set_cluster_id(std::string id) { cluster_id_ = std::move(id); }

  struct Output {
    std::string stdout_text;
    std::string stderr_text;
    std::string error;
    v1::ReasonCode reason = v1::REASON_CODE_UNSPECIFIED;
  };
  // Asks for output and reads it to its end.
  Output ReadOutput(const agentd::AttemptKey& key, bool follow,
                    std::optional<int64_t> tail_bytes = std::nullopt);
  using DataStream = grpc::ServerReaderWriter<v1::DataFromDaemon, v1::DataFromAgent>;
  // Asks for a channel and, when the agent has dialled, has `talk` on it, whose end ends the call.
  // Returns after that.
  void Converse(v1::OpenData open, const std::function<void(DataStream&)>& talk);

  // Asks for output to be followed, and hands over each piece as it comes; `false` ends it.
  void FollowOutput(const agentd::AttemptKey& key,
                    const std::function<bool(const v1::OutputChunk&)>& piece);

 private:
  class Service;
  struct Session;

  void Send(v1::DaemonMessage message);
  void SendDirective(const std::function<void(v1::Directive&)>& fill);
  template <typename Ready>
  void WaitFor(const char* what, Ready ready) BERTH_REQUIRES(mutex_);
  std::string OpenData(const agentd::AttemptKey& key, bool follow,
                       std::optional<int64_t> tail_bytes,
                       std::function<bool(const v1::DataFromAgent&)> piece);
  void WaitForData(const std::string& token);

  const std::string socket_path_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<int64_t> heartbeat_interval_ms_ = 10'000;
  std::string cluster_id_ = "cluster-1";

  base::Mutex mutex_;
  base::CondVar changed_;
  uint64_t term_ BERTH_GUARDED_BY(mutex_) = 0;
  uint64_t sessions_ BERTH_GUARDED_BY(mutex_) = 0;
  uint64_t sessions_waited_ BERTH_GUARDED_BY(mutex_) = 0;
  uint64_t sequence_ BERTH_GUARDED_BY(mutex_) = 0;
  uint64_t fact_sequence_ BERTH_GUARDED_BY(mutex_) = 0;
  bool acknowledge_ BERTH_GUARDED_BY(mutex_) = true;
  int ignored_facts_ BERTH_GUARDED_BY(mutex_) = 0;
  Session* session_ BERTH_GUARDED_BY(mutex_) = nullptr;
  v1::Hello hello_ BERTH_GUARDED_BY(mutex_);
  std::map<agentd::AttemptKey, std::vector<v1::Fact>> facts_ BERTH_GUARDED_BY(mutex_);
  std::vector<v1::Heartbeat> heartbeats_ BERTH_GUARDED_BY(mutex_);
  uint64_t tokens_ BERTH_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::function<bool(const v1::DataFromAgent&)>> channels_
      BERTH_GUARDED_BY(mutex_);
  std::map<std::string, std::function<void(DataStream&)>> talks_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::testing
