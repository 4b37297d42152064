// The scorers of all profiles.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "scoring/scorer_client.h"

namespace berth::scoring {

// Threading: any thread; Configure and Stop wait until the clients that go have stopped.
class RemoteScorers {
 public:
  // `clock` outlives it; `post` is called until Stop.
  RemoteScorers(PostCommand post, const base::Clock& clock)
      : post_(std::move(post)), clock_(clock) {}

  // Clients of these run, and no others; one that is the same as before goes on as it is. One for
  // each profile at most.
  void Configure(const std::vector<ScorerOptions>& scorers);
  // REQUIRES: the loop still answers.
  void Stop() { Configure({}); }

  std::vector<ScorerStats> stats() const;

 private:
  const PostCommand post_;
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  std::vector<std::unique_ptr<ScorerClient>> clients_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::scoring
