#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agentd/event_loop.h"
#include "agentd/link/backoff.h"
#include "base/clock.h"
#include "berth/v1/agent.pb.h"

namespace grpc {
class Channel;
}

namespace berth::agentd {

// The address of berthd as agent.yaml has it, "unix:/path" or "host:port", as gRPC wants it.
// InvalidArgument names what is wrong.
absl::StatusOr<std::string> GrpcTarget(const std::string& server);

// A channel to berthd that leaves waiting between connections to whoever uses it.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target);

// The agent's stream to berthd: dials, sends in order, hands over what comes, dials again after an
// end with a rising pause.
//
// Threading: the loop's thread calls and is called; gRPC's own threads stay inside. Errors: a
// connection that fails is an end like any other, and is logged: the first of a kind at once, the
// same again at most once a minute.
class AgentLink {
 public:
  struct Callbacks {
    // berthd has taken up a stream; `link` counts them from 1.
    std::function<void(uint64_t link)> on_up;
    std::function<void(uint64_t link, v1::DaemonMessage message)> on_message;
    std::function<void(uint64_t link)> on_down;
  };

  // `answer_within_ms`: for how long a stream waits for the first that berthd says. What a network
  // has swallowed is said again then.
  AgentLink(EventLoop& loop, const base::Clock& clock, std::shared_ptr<grpc::Channel> channel,
            std::string server, Backoff backoff, Callbacks callbacks,
            int64_t answer_within_ms = 60'000);
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;
  // Ends the stream and waits for gRPC to let go of it.
  ~AgentLink();

  void Start();

  // Queues a message on the stream `link`; dropped when that is not the one that stands.
  // Cost: no copy; messages that wait go out in one write.
  void Send(uint64_t link, v1::AgentMessage message);

  // Ends the stream `link`. `slow`: a person has to mend something; the next try is in 30 s.
  void Close(uint64_t link, bool slow);

  // What berthd said shows that it is well: the next pause is a short one again.
  void Welcomed() { backoff_.Reset(); }

 private:
  class Stream;

  void Dial();
  void AwaitAnswer();
  void OnDown(uint64_t link, int code, const std::string& message);
  void LogFailure(const std::string& text);

  EventLoop& loop_;
  const base::Clock& clock_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::string server_;
  Backoff backoff_;
  const Callbacks callbacks_;
  const int64_t answer_within_ms_;

  uint64_t link_ = 0;
  bool heard_ = false;  // berthd has said something on it
  bool slow_ = false;
  bool stopping_ = false;
  std::shared_ptr<Stream> stream_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string last_failure_;
  int64_t last_failure_ms_ = 0;
};

}  // namespace berth::agentd
