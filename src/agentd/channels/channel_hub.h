#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "agentd/channels/data_call.h"
#include "agentd/event_loop.h"
#include "base/clock.h"

namespace grpc {
class Channel;
}

namespace berth::agentd {

// The data channels that the agent has dialled, on one thread for all of them, which is started
// with the first: it sleeps until a channel can take more, berthd says something, or what a server
// watches happens. So many are served at once that neither the node's processes nor the agent's
// descriptors, which it needs for tasks, are used up; who would be one more is told so.
//
// Threading: any one thread calls; servers work on the hub's.
class ChannelHub {
 public:
  using Maker = std::function<std::unique_ptr<ChannelServer>(DataCall& call)>;

  static constexpr size_t kMostServed = 512;

  // `clock` outlives it.
  ChannelHub(const base::Clock& clock, std::shared_ptr<grpc::Channel> channel,
             size_t most_served = kMostServed);
  ChannelHub(const ChannelHub&) = delete;
  ChannelHub& operator=(const ChannelHub&) = delete;
  ~ChannelHub();

  // Dials, and serves with what `make` makes; or says, without asking it, that there are too many.
  void Open(std::string token, Maker make);

  // Ends every channel and the thread. Nothing is opened after it.
  void Stop();

  // Does work on the hub's thread; dropped when it does not run.
  void Post(std::function<void()> work);

  [[nodiscard]] EventLoop& loop() { return loop_; }

 private:
  void Remove(uint64_t id);

  const base::Clock& clock_;
  const std::shared_ptr<grpc::Channel> channel_;
  const size_t most_served_;
  EventLoop loop_;
  std::thread thread_;

  // The thread's.
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::unique_ptr<DataCall>> calls_;
  std::set<uint64_t> refused_;  // of them, those that are only told why
};

}  // namespace berth::agentd
