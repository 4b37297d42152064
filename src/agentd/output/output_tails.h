#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "agentd/attempt_key.h"
#include "agentd/attempt_store.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// What berthd is to keep of attempts' output, for when this node is gone: the last of each stream.
// Knows how much of each it has been told.
//
// Threading: one thread. Errors: what cannot be read is left out.
class OutputTails {
 public:
  static constexpr int64_t kTailBytes = 32 << 10;
  // Of one round, and of the ends between two rounds.
  static constexpr int64_t kRoundBytes = 1 << 20;
  // Attempts whose ends wait for a round; the oldest are let go.
  static constexpr size_t kMostOwed = 10'000;

  explicit OutputTails(const AttemptStore& store) : store_(store) {}

  // berthd may know nothing of what it was told before. `ended`: whose ends it has not
  // acknowledged.
  void BeginAnew(const std::vector<AttemptKey>& ended);

  // What has grown since the last round, up to kRoundBytes; the next round goes on behind it.
  // `running`: all that run, in order. Cost: two stat(2) for each attempt that is looked at.
  std::vector<v1::OutputTail> Round(const std::vector<AttemptKey>& running);

  // Of an attempt whose last process has ended, before its files are moved. With many of them at
  // once it is left to a round. Cost: two stat(2) when it has no output.
  std::vector<v1::OutputTail> AtEnd(const AttemptKey& key);

 private:
  using Sizes = std::array<int64_t, 2>;  // of standard output, of standard error

  // Adds what of an attempt is more than `told`, and notes that. Returns its bytes.
  int64_t Read(const AttemptKey& key, Sizes& told, std::vector<v1::OutputTail>& tails) const;

  const AttemptStore& store_;
  std::map<AttemptKey, Sizes> told_;  // of those that run
  std::deque<AttemptKey> owed_;       // have ended
  AttemptKey next_;                   // where the next round begins
  int64_t ends_bytes_ = 0;            // since the last round
};

}  // namespace berth::agentd
