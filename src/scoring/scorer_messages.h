// What is said to a scorer, and what it answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "berth/v1/scorer.pb.h"
#include "scheduler/reply.h"
#include "scoring/cluster_picture.h"
#include "state/commands.h"

namespace berth::scoring {

// Most scores of one call, over all shapes, and most slots: a column must fit a message.
inline constexpr size_t kMostScores = 20'000'000;
inline constexpr size_t kMostSlots = 1'000'000;
// Of both sides.
inline constexpr int kMostMessageBytes = 4 << 20;

// The head of one call.
struct Snapshot {
  std::string session;
  uint64_t sequence = 0;
  uint64_t base_sequence = 0;  // 0: none
  std::string profile;
  uint64_t epoch = 0;
  size_t slots = 0;
  int64_t time_to_live_ms = 0;
  std::vector<scheduler::ScoringReply::Shape> shapes;
};

// Hands the messages of a call to `send`, in order, until that says false.
void SendSnapshot(const Snapshot& snapshot, const ClusterPicture& picture,
                  const std::function<bool(const v1::ScoreRequest&)>& send);

// Takes an answer apart, message by message, and believes none of it.
//
// Threading: one thread.
class AnswerReader {
 public:
  // `snapshot` outlives this.
  explicit AnswerReader(const Snapshot& snapshot);

  // INVALID_ARGUMENT says what is wrong with it; the rest is then not to be read.
  absl::Status Take(const v1::ScoreResponse& message);
  // The scorer has ended its answer. INVALID_ARGUMENT: too early.
  absl::Status Finish() const;

  int64_t time_to_live_ms() const { return time_to_live_ms_; }
  std::vector<state::PutScores::Column>& columns() { return columns_; }

 private:
  absl::Status Accept(const v1::ScorerAccepted& accepted);
  absl::Status TakeColumn(const v1::ScoreColumn& column);

  const Snapshot& snapshot_;
  std::map<uint64_t, state::ShapeKey> missing_;  // by id on the wire
  bool is_accepted_ = false;
  int64_t time_to_live_ms_;
  std::vector<state::PutScores::Column> columns_;
};

}  // namespace berth::scoring
