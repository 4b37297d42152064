// One agent's stream.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "agents/agent_messages.h"
#include "base/mutex.h"
#include "berth/v1/agent.grpc.pb.h"
#include "state/principal.h"

namespace berth::agents {

class GrpcAgentLink;

// Reads what an agent says and posts it; writes what it is told, one message at a time.
//
// At most kMostUnderWay of a stream's commands are on their way through the loop; with that many,
// the stream is not read, and gRPC's flow control holds the agent back. That bounds the inbox of
// agents' facts.
//
// Threading: calls of gRPC for one stream come one at a time, but for OnCancel and OnWriteDone
// beside OnReadDone; Send, End and Applied from any thread that the link keeps the session alive
// for. Deletes itself when gRPC is done with it.
class AgentSession final : public grpc::ServerBidiReactor<v1::AgentMessage, v1::DaemonMessage> {
 public:
  AgentSession(GrpcAgentLink& link, uint64_t stream, state::Principal principal);

  // Tells the agent that the stream is open, which it waits for before it says Hello: what is said
  // on a later stream was said later. Reads the first message.
  void Begin();
  void Send(v1::DaemonMessage message);
  // Ends the stream with this status; what was not sent yet is dropped.
  void End(const grpc::Status& status);
  // A command of this stream was applied.
  void Applied();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  static constexpr int kMostUnderWay = 4;

  // Handles one message; a status other than OK ends the stream.
  grpc::Status Handle(const v1::AgentMessage& message);
  // Of the node's clock; says so when it has begun to be far off, or no longer is.
  std::optional<int64_t> SkewOf(const v1::Heartbeat& heartbeat);
  void WriteNext() BERTH_REQUIRES(mutex_);

  GrpcAgentLink& link_;
  const uint64_t stream_;
  const state::Principal principal_;
  v1::AgentMessage incoming_;  // of the read that is under way
  AgentMessages messages_;     // on gRPC's reading calls only
  bool skewed_ = false;        // as messages_

  base::Mutex mutex_;
  std::deque<v1::DaemonMessage> outgoing_ BERTH_GUARDED_BY(mutex_);  // front: being written
  bool welcomed_ BERTH_GUARDED_BY(mutex_) = false;
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool ended_ BERTH_GUARDED_BY(mutex_) = false;
  bool read_is_due_ BERTH_GUARDED_BY(mutex_) = false;
  int under_way_ BERTH_GUARDED_BY(mutex_) = 0;
};

}  // namespace berth::agents
