// What a task will take, from what tasks like it took.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "features/history_groups.h"
#include "features/history_pieces.h"
#include "features/interval_trust.h"
#include "features/recent_values.h"
#include "features/script_signature.h"

namespace berth::features {

// Units of a field's values: milliseconds, bytes, thousandths of a core, thousandths of a GPU (of
// all that the task has together).
struct HistoryOptions {
  // Groups that are kept; each takes 0.3 to 1.7 KiB.
  size_t most_groups = 50'000;
  Decay decay;
  // A group is left out once its ends count less than this together.
  double least_weight = 0.1;
  // How many ends of its own a group needs to count as much as all levels below it.
  double prior_ends = 3;
  // Of a hundred outcomes so many shall lie in their interval.
  int32_t coverage_percent = 80;
};

// A task as it is submitted. Views: they outlive the call only.
struct HistorySubmission {
  std::string_view user;
  std::string_view name;
  std::string_view queue;
  std::string_view script;
  std::span<const std::string> command;
  // As asked for; 0: nothing was said.
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t gpus = 0;
  int64_t time_limit_ms = 0;
};

// What the estimator needs of a submission: small, and holds none of its text.
struct HistorySubject {
  // By level; that of kScript is the user's, and has a group only through the signature.
  std::array<GroupKey, kHistoryLevels> keys;
  ScriptSignature signature;
  int64_t time_limit_ms = 0;
};

// How a task ended, as far as its use can be learned from it.
enum class HistoryEnd : uint8_t {
  kSucceeded,
  kFailed,       // by itself: it would have run longer, had it worked
  kOutOfMemory,  // it needed more memory, and more time
  kTimeLimit,    // it needed more time
  kCancelled,    // by a person, a preemption, a lost node: says nothing of the task
};

struct HistoryOutcome {
  HistoryEnd end = HistoryEnd::kSucceeded;
  // Absent: not measured.
  std::array<std::optional<int64_t>, kHistoryFields> measured;
};

// One field of a prediction. value: half of the outcomes are expected below it.
struct HistoryEstimate {
  int64_t value = 0;
  int64_t low = 0, high = 0;
  // Of a hundred such predictions so many were within a factor of two.
  int32_t confidence = 0;
  // The level that counts most in it, and how many of that group's ends were looked at; of these,
  // how many were cut short, and so say only "at least".
  HistoryLevel level = HistoryLevel::kAll;
  int32_t ends = 0;
  int32_t cut_short = 0;
  // The largest of these ends, and whether it was one that was cut short.
  int64_t most_seen = 0;
  bool most_cut_short = false;

  bool operator==(const HistoryEstimate&) const = default;
};

struct HistoryPrediction {
  std::array<std::optional<HistoryEstimate>, kHistoryFields> fields;
  // Of the recent ends at the most alike level that has any, how many in a hundred failed by
  // themselves, out of memory and over time included. Cancelled ones count in neither.
  int32_t failed_percent = 0;

  bool operator==(const HistoryPrediction&) const = default;
  const std::optional<HistoryEstimate>& operator[](HistoryField field) const {
    return fields[static_cast<size_t>(field)];
  }
};

struct HistoryLoadReport {
  size_t loaded = 0;
  // One for each piece that is damaged or unknown, "piece NAME: why".
  std::vector<absl::Status> refused;
  // Names of pieces that are refused, or no longer have a place: the owner removes them.
  std::vector<std::string> obsolete;
};

// Predicts duration, peak memory, CPU and GPU use of a task when it is submitted, from groups of
// tasks that ended before: the same user's with the same name and shape, with a like script, with
// the same name, in the same queue, any of the user, of the queue, of all. Each level counts by how
// many recent ends it has, and what is left of a hundred goes to the level below: a prediction is a
// quantile of the ends of all, taken together.
//
// Intervals correct themselves: each outcome is held against the interval that was predicted, and
// the quantiles of its level move until as many outcomes lie inside as coverage_percent says.
//
// The same calls in the same order give the same answers, on every machine and after a restart: no
// clock, no randomness. Threading: one thread at a time; Predict changes nothing.
class HistoryEstimator {
 public:
  // REQUIRES: most_groups >= 1, decay as it must be, prior_ends > 0, 0 < coverage_percent < 100.
  explicit HistoryEstimator(const HistoryOptions& options = {});

  // Cost: linear in the script, of which it reads 64 KiB at most, and about 2 us.
  static HistorySubject Describe(const HistorySubmission& submission);

  // A field without an estimate: nothing like it was ever measured. Cost: about 7 us.
  [[nodiscard]] HistoryPrediction Predict(const HistorySubject& subject, absl::Time now) const;

  // Learns from a task that ended at `now`. `given` is what was predicted when it was submitted, by
  // which intervals are corrected; null: what would be predicted now, which is a little better than
  // what could be known then. Cost: below 1 us, and a prediction's where `given` is null.
  void Observe(const HistorySubject& subject, const HistoryOutcome& outcome, absl::Time now,
               const HistoryPrediction* given = nullptr);

  // What changed since it was last taken, `most` pieces at most; an owner calls it until nothing
  // comes, and keeps each piece in place of an older one of its name. There are at most most_groups
  // + 1 names. What was taken and could not be kept is not told again until it changes.
  std::vector<HistoryPiece> TakeChanged(size_t most);

  // Puts back what was taken from an estimator, in any order. Each damaged or unknown piece is
  // refused by name, and the others are used. REQUIRES: nothing was observed yet.
  HistoryLoadReport Load(std::span<const HistoryPiece> pieces);

  [[nodiscard]] size_t groups() const { return groups_.size(); }
  [[nodiscard]] size_t bytes() const;

 private:
  using Slots = std::array<std::optional<HistoryGroups::Slot>, kHistoryLevels>;

  [[nodiscard]] Slots SlotsOf(const HistorySubject& subject) const;
  [[nodiscard]] std::optional<HistoryEstimate> PredictField(const Slots& slots, HistoryField field,
                                                            const HistorySubject& subject,
                                                            int64_t now_s) const;
  absl::Status LoadTrust(const HistoryPiece& piece);
  void MarkChanged(HistoryGroups::Slot slot);
  [[nodiscard]] IntervalTrust& TrustIn(HistoryField field, HistoryLevel level);
  [[nodiscard]] const IntervalTrust& TrustIn(HistoryField field, HistoryLevel level) const;

  HistoryOptions options_;
  HistoryGroups groups_;
  // By field, and in a field by level.
  std::vector<IntervalTrust> trust_;
  // Slots that changed, in order; and whether a slot is among them.
  std::vector<HistoryGroups::Slot> changed_;
  std::vector<bool> is_changed_;
  bool trust_changed_ = false;
};

}  // namespace berth::features
