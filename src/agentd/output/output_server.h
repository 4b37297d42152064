#pragma once

#include <cstdint>
#include <set>

#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "agentd/channels/channel_hub.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// Serves attempts' output to berthd: looks for more when a followed directory changes (inotify) or
// an attempt ends.
//
// Threading: any one thread calls; it works on the hub's. Errors: a channel that breaks is gone;
// what cannot be read is told to berthd in the channel's last message.
class OutputServer {
 public:
  // `store` and `hub` outlive it; the hub is stopped before it goes.
  OutputServer(const AttemptStore& store, ChannelHub& hub);
  OutputServer(const OutputServer&) = delete;
  OutputServer& operator=(const OutputServer&) = delete;
  ~OutputServer();

  // Serves ReadOutput, and AttachConsole: the same with input. `known`: the agent still has the
  // attempt; `live`: it has not ended.
  void Open(v1::OpenData request, bool known, bool live);

  // Whether a channel may still read files of the attempt.
  [[nodiscard]] bool Serves(const AttemptKey& key) const;

  // An attempt has started or ended: those that follow it look again.
  void Changed(const AttemptKey& key, bool ended);

 private:
  class Reading;
  friend class Reading;

  void OnFileChanges();
  void Watch(Reading& reading);
  void Remove(Reading& reading);

  const AttemptStore& store_;
  ChannelHub& hub_;

  mutable base::Mutex mutex_;
  std::multiset<AttemptKey> served_ BERTH_GUARDED_BY(mutex_);

  // The hub's thread's.
  base::UniqueFd inotify_;
  std::set<Reading*> readings_;
};

}  // namespace berth::agentd
