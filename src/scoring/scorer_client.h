// Asks one scorer, again and again, and hands what it says to the loop.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/circuit_breaker.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "berth/plugin_args.h"
#include "scheduler/loop_gate.h"
#include "scheduler/loop_snapshot.h"
#include "scheduler/reply.h"
#include "scoring/cluster_picture.h"
#include "scoring/scorer_messages.h"
#include "state/commands.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace berth::scoring {

struct ScorerOptions {
  std::string profile;
  PluginArgs args;  // of the plugin, as they stand in the profile; what follows is read from them
  std::string address;
  int64_t timeout_ms = 2000;
  int64_t interval_ms = 10'000;
  int64_t time_to_live_ms = 60'000;
  size_t most_shapes = 100;
  base::CircuitBreaker::Options breaker;

  // Whether a client of these could go on as one of those.
  bool IsSame(const ScorerOptions& other) const {
    return profile == other.profile && args == other.args;
  }
};

// How calls end.
enum class CallResult : uint8_t { kOk, kUnknownSnapshot, kTimeout, kUnreachable, kRefused, kError };
inline constexpr size_t kCallResults = 6;
std::string_view ToString(CallResult result);

// Since the client's start.
struct ScorerStats {
  std::string profile;
  std::array<uint64_t, kCallResults> calls{};
  scheduler::LatencyHistogram duration;
  base::CircuitBreaker::State breaker = base::CircuitBreaker::State::kClosed;
  int64_t last_success_unix_ms = 0;  // 0: there was none
  uint64_t epoch = 0;                // of the last state that was scored; 0: none was
};

// Queues a command for the loop, as Loop::Post.
using PostCommand =
    std::function<absl::Status(state::Command command, scheduler::ReplyCallback reply)>;

// A round: reads what has changed of the cluster, asks the scorer, and posts its columns. The
// scorer is asked at each interval when something has changed, when there are shapes without
// scores, and when half of the scores' time is over; else it is left in peace. A scorer that fails
// is left alone by a breaker, and what it said counts no more then. How it does is told to the
// loop, for explanations, and to the log: once for each change.
//
// Nothing that a scorer answers, or does not, can harm more than its scores.
//
// Threading: one owner; stats from any thread. What is done is done on a thread of its own, which
// waits for nothing longer than a call's deadline or the loop's answers.
class ScorerClient {
 public:
  // `clock` outlives it; `post` is called on its thread until Stop.
  ScorerClient(ScorerOptions options, PostCommand post, const base::Clock& clock);
  ~ScorerClient();

  void Start();
  // Gives up the call that is under way. REQUIRES: the loop still answers. Idempotent.
  void Stop();

  const ScorerOptions& options() const { return options_; }
  ScorerStats stats() const;

 private:
  struct Answer {
    int64_t time_to_live_ms = 0;
    std::vector<state::PutScores::Column> columns;
  };
  // Of the cluster, when all pages were read.
  struct Told {
    Snapshot snapshot;
    uint64_t config = 0;
    int64_t read_at_ms = 0;  // loop time
  };

  // The time until the next round.
  int64_t Round();
  void RoundAndOn();
  absl::StatusOr<Told> ReadCluster();
  bool IsDue(const Told& told, int64_t now_ms) const;
  // Asks about what the scorer does not have, or about all when it has lost that.
  absl::StatusOr<Answer> AskUntilKnown(Told& told);
  absl::StatusOr<Answer> Ask(const Snapshot& snapshot, CallResult& result);
  absl::Status Put(const Told& told, Answer answer);
  void Settle(const Told& told, const absl::Status& status);
  // The loop's answer. UNAVAILABLE: it takes nothing.
  absl::StatusOr<scheduler::Reply> Post(state::CommandBody body);
  void NoteCall(CallResult result, double seconds);

  const ScorerOptions options_;
  const PostCommand post_;
  const base::Clock& clock_;
  const std::string session_;
  std::atomic<bool> stopping_ = false;

  // The thread's own.
  ClusterPicture picture_;
  base::CircuitBreaker breaker_;
  std::shared_ptr<grpc::Channel> channel_;  // null: dial anew
  uint64_t sequence_ = 0;
  uint64_t known_sequence_ = 0;  // that the scorer has answered; 0: none
  int64_t scored_at_ms_ = 0;
  int64_t scores_hold_ms_ = 0;  // from then on
  std::string trouble_;
  uint64_t noted_config_ = 0;  // to whom trouble_ was told

  mutable base::Mutex mutex_;
  grpc::ClientContext* call_ BERTH_GUARDED_BY(mutex_) = nullptr;  // under way
  ScorerStats stats_ BERTH_GUARDED_BY(mutex_);

  base::WorkThread thread_;  // last: it uses what is above
};

}  // namespace berth::scoring
