#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/event_loop.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "berth/v1/agent.pb.h"

namespace grpc {
class Channel;
}

namespace berth::agentd {

// Serves attempts' output to berthd, each request over a data channel that it dials.
//
// One thread for all of them, started with the first: it sleeps until a channel can take more, a
// followed directory changes (inotify) or an attempt ends.
//
// Threading: any one thread calls. Errors: a channel that breaks is gone; what cannot be read is
// told to berthd in the channel's last message.
class OutputServer {
 public:
  // `store` and `clock` outlive it.
  OutputServer(const AttemptStore& store, const base::Clock& clock,
               std::shared_ptr<grpc::Channel> channel);
  OutputServer(const OutputServer&) = delete;
  OutputServer& operator=(const OutputServer&) = delete;
  // Ends every channel.
  ~OutputServer();

  // Dials and serves. `known`: the agent still has the attempt; `live`: it has not ended.
  void Open(v1::OpenData request, bool known, bool live);

  // Whether a channel may still read files of the attempt.
  [[nodiscard]] bool Serves(const AttemptKey& key) const;

  // An attempt has started or ended: those that follow it look again.
  void Changed(const AttemptKey& key, bool ended);

 private:
  class Channel;
  friend class Channel;

  void Begin();
  void OnFileChanges();
  void Watch(Channel& channel);
  void Remove(uint64_t id);

  const AttemptStore& store_;
  const std::shared_ptr<grpc::Channel> channel_;
  EventLoop loop_;
  std::thread thread_;

  mutable base::Mutex mutex_;
  std::multiset<AttemptKey> served_ BERTH_GUARDED_BY(mutex_);

  // The thread's.
  base::UniqueFd inotify_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::unique_ptr<Channel>> channels_;
};

}  // namespace berth::agentd
