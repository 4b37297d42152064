#include "tests/unit/agentd/fake_daemon.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/check.h"

namespace berth::testing {

using agentd::AttemptKey;
using agentd::FromProto;
using agentd::ToProto;

// One agent's stream. Written under the daemon's lock.
struct FakeDaemon::Session {
  grpc::ServerReaderWriter<v1::DaemonMessage, v1::AgentMessage>* stream;
  v1::DirectiveHeader header;
};

class FakeDaemon::Service : public v1::AgentService::Service {
 public:
  explicit Service(FakeDaemon& daemon) : daemon_(daemon) {}

  grpc::Status Connect(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DaemonMessage, v1::AgentMessage>* stream) override {
    stream->SendInitialMetadata();
    v1::AgentMessage message;
    if (!stream->Read(&message) || !message.has_hello()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no Hello"};
    }
    Session session{stream, {}};
    Begin(session, message.hello());
    while (stream->Read(&message)) Take(message);
    base::MutexLock lock(daemon_.mutex_);
    if (daemon_.session_ == &session) daemon_.session_ = nullptr;
    return grpc::Status::OK;
  }

  grpc::Status Data(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::DataFromDaemon, v1::DataFromAgent>* stream) override {
    v1::DataFromAgent message;
    if (!stream->Read(&message)) return {grpc::StatusCode::INVALID_ARGUMENT, "no token"};
    const std::string token = message.token();
    std::function<bool(const v1::DataFromAgent&)> piece;
    std::function<void(DataStream&)> talk;
    {
      base::MutexLock lock(daemon_.mutex_);
      if (const auto found = daemon_.talks_.find(token); found != daemon_.talks_.end()) {
        talk = found->second;
      }
    }
    if (talk) {
      talk(*stream);
      base::MutexLock lock(daemon_.mutex_);
      daemon_.talks_.erase(token);
      daemon_.changed_.NotifyAll();
      return grpc::Status::OK;
    }
    {
      base::MutexLock lock(daemon_.mutex_);
      const auto channel = daemon_.channels_.find(token);
      if (channel == daemon_.channels_.end()) return {grpc::StatusCode::NOT_FOUND, "no channel"};
      piece = channel->second;
    }
    while (stream->Read(&message)) {
      if (piece(message)) continue;
      v1::DataFromDaemon closed;
      closed.set_closed(true);
      stream->Write(closed);
      break;
    }
    base::MutexLock lock(daemon_.mutex_);
    daemon_.channels_.erase(token);
    daemon_.changed_.NotifyAll();
    return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
  }

 private:
  void Begin(Session& session, const v1::Hello& hello) {
    base::MutexLock lock(daemon_.mutex_);
    if (hello.directive_sequence() > daemon_.sequence_) {
      daemon_.sequence_ = hello.directive_sequence();
    }
    v1::DaemonMessage message;
    v1::Welcome& welcome = *message.mutable_welcome();
    welcome.set_cluster_id(daemon_.cluster_id_);
    welcome.set_generation(1);
    welcome.set_term(daemon_.term_);
    welcome.set_session(++daemon_.sessions_);
    welcome.set_heartbeat_interval_ms(daemon_.heartbeat_interval_ms_);
    welcome.set_lease_ms(4 * daemon_.heartbeat_interval_ms_);
    welcome.set_protocol(1);
    welcome.set_fact_sequence(daemon_.fact_sequence_);
    session.header.set_cluster_id(welcome.cluster_id());
    session.header.set_generation(1);
    session.header.set_term(welcome.term());
    session.header.set_session(welcome.session());
    session.header.set_incarnation(hello.incarnation());
    session.stream->Write(message);
    daemon_.session_ = &session;
    daemon_.hello_ = hello;
    daemon_.changed_.NotifyAll();
  }

  void Take(const v1::AgentMessage& message) {
    base::MutexLock lock(daemon_.mutex_);
    v1::DaemonMessage answer;
    if (message.has_facts()) {
      if (!daemon_.acknowledge_) {
        daemon_.ignored_facts_ += message.facts().facts_size();
        daemon_.changed_.NotifyAll();
        return;
      }
      for (const v1::Fact& fact : message.facts().facts()) {
        if (fact.sequence() <= daemon_.fact_sequence_) continue;  // sent again
        BERTH_CHECK(fact.sequence() == daemon_.fact_sequence_ + 1) << "a fact was left out";
        daemon_.fact_sequence_ = fact.sequence();
        daemon_.facts_[FromProto(fact.key())].push_back(fact);
      }
      answer.mutable_fact_ack()->set_sequence(daemon_.fact_sequence_);
    } else if (message.has_heartbeat()) {
      daemon_.heartbeats_.push_back(message.heartbeat());
      answer.mutable_heartbeat_ack()->set_sequence(message.heartbeat().sequence());
    }
    if (daemon_.session_ != nullptr) daemon_.session_->stream->Write(answer);
    daemon_.changed_.NotifyAll();
  }

  FakeDaemon& daemon_;
};

FakeDaemon::FakeDaemon(std::string socket_path) : socket_path_(std::move(socket_path)) { Start(); }

FakeDaemon::~FakeDaemon() { Stop(); }

void FakeDaemon::Start() {
  {
    base::MutexLock lock(mutex_);
    ++term_;
  }
  service_ = std::make_unique<Service>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path_, grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  BERTH_CHECK(server_ != nullptr) << "cannot listen on " << socket_path_;
}

void FakeDaemon::Stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
  unlink(socket_path_.c_str());
}

template <typename Ready>
void FakeDaemon::WaitFor(const char* what, Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!ready()) {
    BERTH_CHECK(changed_.WaitUntil(mutex_, deadline) || ready()) << "waited in vain for " << what;
  }
}

v1::Hello FakeDaemon::WaitForSession() {
  base::MutexLock lock(mutex_);
  // One that has ended again already counts: an agent of another cluster hangs up at once.
  WaitFor("a session", [&]() BERTH_REQUIRES(mutex_) { return sessions_ > sessions_waited_; });
  sessions_waited_ = sessions_;
  return hello_;
}

v1::StartTask FakeDaemon::Task(const AttemptKey& key, const std::string& command) {
  v1::StartTask start;
  *start.mutable_key() = ToProto(key);
  start.set_task_id(std::to_string(key.job_id) + "." + std::to_string(key.index));
  for (const char* word : {"/bin/sh", "-c", command.c_str()}) {
    start.mutable_payload()->add_command(word);
  }
  start.mutable_payload()->set_working_directory("/");
  start.mutable_resources()->set_cpu_milli(1000);
  start.mutable_resources()->set_memory_bytes(64 << 20);
  start.set_grace_ms(30'000);
  start.mutable_run_as()->set_verified(true);
  start.mutable_run_as()->set_uid(geteuid());
  start.mutable_run_as()->set_gid(getegid());
  return start;
}

void FakeDaemon::Send(v1::DaemonMessage message) {
  base::MutexLock lock(mutex_);
  WaitFor("a session to send in", [&]() BERTH_REQUIRES(mutex_) { return session_ != nullptr; });
  if (message.has_directives()) {
    *message.mutable_directives()->mutable_header() = session_->header;
  }
  session_->stream->Write(message);
}

void FakeDaemon::SendDirective(const std::function<void(v1::Directive&)>& fill) {
  v1::DaemonMessage message;
  v1::Directive& directive = *message.mutable_directives()->add_directives();
  {
    base::MutexLock lock(mutex_);
    directive.set_sequence(++sequence_);
  }
  fill(directive);
  Send(std::move(message));
}

void FakeDaemon::SendStart(const v1::StartTask& start) {
  SendDirective([&](v1::Directive& directive) { *directive.mutable_start() = start; });
}

void FakeDaemon::SendStarts(const std::vector<v1::StartTask>& starts) {
  v1::DaemonMessage message;
  for (const v1::StartTask& start : starts) {
    v1::Directive& directive = *message.mutable_directives()->add_directives();
    base::MutexLock lock(mutex_);
    directive.set_sequence(++sequence_);
    *directive.mutable_start() = start;
  }
  Send(std::move(message));
}

void FakeDaemon::SendStop(const AttemptKey& key, v1::AttemptEnd end,
                          std::optional<int64_t> grace_ms) {
  SendDirective([&](v1::Directive& directive) {
    *directive.mutable_stop()->mutable_key() = ToProto(key);
    directive.mutable_stop()->set_end(end);
    if (grace_ms) directive.mutable_stop()->set_grace_ms(*grace_ms);
  });
}

void FakeDaemon::SendForget(const AttemptKey& key) {
  SendDirective(
      [&](v1::Directive& directive) { *directive.mutable_forget()->mutable_key() = ToProto(key); });
}

v1::AttemptStarted FakeDaemon::WaitForStart(const AttemptKey& key) {
  base::MutexLock lock(mutex_);
  v1::AttemptStarted started;
  WaitFor("a start", [&]() BERTH_REQUIRES(mutex_) {
    for (const v1::Fact& fact : facts_[key]) {
      if (!fact.has_started()) continue;
      started = fact.started();
      return true;
    }
    return false;
  });
  return started;
}

v1::AttemptEnded FakeDaemon::WaitForEnd(const AttemptKey& key) {
  base::MutexLock lock(mutex_);
  WaitFor("an end", [&]() BERTH_REQUIRES(mutex_) {
    return !facts_[key].empty() && facts_[key].back().has_ended();
  });
  return facts_[key].back().ended();
}

std::vector<v1::Fact> FakeDaemon::Facts(const AttemptKey& key) {
  base::MutexLock lock(mutex_);
  return facts_[key];
}

v1::Heartbeat FakeDaemon::WaitForHeartbeat(
    const std::function<bool(const v1::Heartbeat&)>& wanted) {
  base::MutexLock lock(mutex_);
  v1::Heartbeat found;
  WaitFor("a heartbeat", [&]() BERTH_REQUIRES(mutex_) {
    for (const v1::Heartbeat& heartbeat : heartbeats_) {
      if (!wanted(heartbeat)) continue;
      found = heartbeat;
      return true;
    }
    return false;
  });
  return found;
}

void FakeDaemon::set_acknowledge(bool acknowledge) {
  base::MutexLock lock(mutex_);
  acknowledge_ = acknowledge;
}

void FakeDaemon::WaitForIgnoredFacts(int count) {
  base::MutexLock lock(mutex_);
  WaitFor("facts to ignore", [&]() BERTH_REQUIRES(mutex_) { return ignored_facts_ >= count; });
}

std::string FakeDaemon::OpenData(const AttemptKey& key, bool follow,
                                 std::optional<int64_t> tail_bytes,
                                 std::function<bool(const v1::DataFromAgent&)> piece) {
  v1::DaemonMessage message;
  v1::OpenData& open = *message.mutable_open_data();
  {
    base::MutexLock lock(mutex_);
    open.set_token("token-" + std::to_string(++tokens_));
    channels_[open.token()] = std::move(piece);
  }
  v1::ReadOutput& read = *open.mutable_read_output();
  *read.mutable_key() = ToProto(key);
  read.set_standard_output(true);
  read.set_standard_error(true);
  read.set_follow(follow);
  if (tail_bytes) read.set_tail_bytes(*tail_bytes);
  const std::string token = open.token();
  Send(std::move(message));
  return token;
}

void FakeDaemon::Converse(v1::OpenData open, const std::function<void(DataStream&)>& talk) {
  v1::DaemonMessage message;
  {
    base::MutexLock lock(mutex_);
    open.set_token("token-" + std::to_string(++tokens_));
    talks_[open.token()] = talk;
  }
  *message.mutable_open_data() = open;
  Send(std::move(message));
  base::MutexLock lock(mutex_);
  WaitFor("the end of a data channel",
          [&]() BERTH_REQUIRES(mutex_) { return talks_.count(open.token()) == 0; });
}

void FakeDaemon::WaitForData(const std::string& token) {
  base::MutexLock lock(mutex_);
  WaitFor("the end of a data channel",
          [&]() BERTH_REQUIRES(mutex_) { return channels_.count(token) == 0; });
}

FakeDaemon::Output FakeDaemon::ReadOutput(const AttemptKey& key, bool follow,
                                          std::optional<int64_t> tail_bytes) {
  Output output;
  WaitForData(OpenData(key, follow, tail_bytes, [&](const v1::DataFromAgent& message) {
    (message.output().is_stderr() ? output.stderr_text : output.stdout_text) +=
        message.output().data();
    if (!message.error().empty()) output.error = message.error();
    if (message.reason() != v1::REASON_CODE_UNSPECIFIED) output.reason = message.reason();
    return true;
  }));
  return output;
}

void FakeDaemon::FollowOutput(const AttemptKey& key,
                              const std::function<bool(const v1::OutputChunk&)>& piece) {
  WaitForData(OpenData(key, true, std::nullopt,
                       [&](const v1::DataFromAgent& message) { return piece(message.output()); }));
}

}  // namespace berth::testing
