// What berthd tells an agent: effects into messages.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "agents/dispatcher.h"
#include "berth/v1/agent.pb.h"
#include "state/effects.h"

namespace berth::agents {

// Threading: one thread at a time (the releasing thread).
class DaemonMessages {
 public:
  using Send = std::function<void(uint64_t stream, v1::DaemonMessage message)>;

  // `send` takes each message, in order; what is for a stream that is gone may be dropped.
  DaemonMessages(BlobReader blobs, Send send)
      : dispatcher_(std::move(blobs)), send_(std::move(send)) {}

  void Write(const state::WelcomeAgent& effect);
  // In messages well below the agents' limit of 4 MiB, unless one directive is larger.
  void Write(const state::SendDirectives& effect);
  void Write(const state::AckFacts& effect);
  void Write(const state::AckHeartbeat& effect);
  void Write(const state::SendPeers& effect);

 private:
  Dispatcher dispatcher_;
  const Send send_;
};

}  // namespace berth::agents
