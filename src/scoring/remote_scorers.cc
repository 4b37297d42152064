#include "scoring/remote_scorers.h"

#include <algorithm>

namespace berth::scoring {

void RemoteScorers::Configure(const std::vector<ScorerOptions>& scorers) {
  std::vector<std::unique_ptr<ScorerClient>> gone;
  {
    base::MutexLock lock(mutex_);
    std::vector<std::unique_ptr<ScorerClient>> next;
    for (const ScorerOptions& options : scorers) {
      const auto same = std::find_if(clients_.begin(), clients_.end(), [&](const auto& client) {
        return client != nullptr && client->options().IsSame(options);
      });
      if (same != clients_.end()) {
        next.push_back(std::move(*same));
      } else {
        next.push_back(std::make_unique<ScorerClient>(options, post_, clock_));
        next.back()->Start();
      }
    }
    for (auto& client : clients_) {
      if (client != nullptr) gone.push_back(std::move(client));
    }
    clients_ = std::move(next);
  }
  // Those that go stop here, not under the lock: they may be in the middle of a call.
  gone.clear();
}

std::vector<ScorerStats> RemoteScorers::stats() const {
  base::MutexLock lock(mutex_);
  std::vector<ScorerStats> all;
  for (const auto& client : clients_) all.push_back(client->stats());
  return all;
}

}  // namespace berth::scoring
