// Reads features out of submissions, and learns from tasks that end.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "berth/v1/features.pb.h"
#include "berth/v1/types.pb.h"
#include "features/admission_record.h"
#include "features/calibration.h"
#include "features/feature_values.h"
#include "features/history_estimator.h"
#include "features/request_advice.h"
#include "features/rules.h"
#include "state/commands.h"

namespace berth::features {

struct FeatureOptions {
  // Of every namespace that is not named.
  FillPolicy fill = FillPolicy::kSuggest;
  std::map<std::string, FillPolicy> fill_by_namespace;
  HistoryOptions history;
  AdviceOptions advice;
};

// A task's attempt that has ended, as far as something is learned from it.
struct EndedTask {
  JobId job;
  uint32_t group = 0;
  std::string user, name, queue;
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t gpus = 0;
  int64_t time_limit_ms = 0;
  state::AttemptRow attempt;
};

// What was learned from how often, for metrics and reports.
struct FeatureStats {
  uint64_t jobs_read = 0;
  uint64_t groups_read = 0;
  uint64_t ends_learned = 0;
  uint64_t ends_without_record = 0;  // of them, by what their history says alone
  uint64_t switches = 0;             // layers that switched themselves off, or on again
  size_t history_groups = 0;
  size_t history_bytes = 0;
  std::array<std::array<CalibrationReport, kSources + 1>, kHistoryFields> calibration{};
};

// The layers that need no network: what is declared, history, and rules on the text.
//
// Reading happens on the caller's thread: it is bounded, and takes microseconds for a job of usual
// size. Learning happens on a thread of its own, in the order of epochs, and what was learned is
// handed out in pieces, with the epoch up to which it goes: after a start, tell what has ended
// since, and the state is what it would have been.
//
// Threading: any thread.
class FeatureService {
 public:
  struct Hooks {
    // What ReadJob gave as a record for a group; NOT_FOUND when there is none any more.
    std::function<absl::StatusOr<std::string>(JobId job, uint32_t group)> read_record;
    // Keeps pieces in place of older ones of their names, all of them or none. On an error it is
    // asked again later.
    std::function<absl::Status(std::vector<state::KeepFeatureState::Piece> pieces)> keep;
  };

  FeatureService(FeatureOptions options, Rules rules, Hooks hooks);
  ~FeatureService();

  // ---- before anything else: what was kept ----

  // Takes back the pieces that were kept. Returns the epoch up to which they go; 0: there were
  // none. Damaged pieces are left out, and the log names them.
  uint64_t Load(std::vector<HistoryPiece> pieces);

  // ---- reading ----

  struct Reading {
    // One for each group.
    std::vector<state::GroupFeatures> groups;
    // By group, what a policy fills in: 0: nothing.
    struct Fill {
      int64_t cpu_milli = 0;
      int64_t memory_bytes = 0;
      std::string cpu_from, memory_from;
    };
    std::vector<Fill> fills;
    std::vector<std::string> warnings;
  };
  // Reads a job that need not be valid. `name` is the job's, also where it was left out. Never
  // fails: what cannot be read says nothing. Cost: 10 us a group, and about 20 ns a byte of text,
  // of which it reads 128 KiB each.
  Reading ReadJob(const berth::v1::JobSpec& job, const std::string& user, const std::string& name,
                  int64_t now_unix_ms);

  // ---- learning ----

  // Tasks that ended in an epoch, in order of epochs. Comes back at once.
  void NoteEnds(uint64_t epoch, std::vector<EndedTask> ends);
  // Hands out what has changed. For tests, and for the end.
  void Flush();
  // What was noted is learned and handed out, and the thread ends. Idempotent.
  void Stop();

  FeatureStats stats() const;

 private:
  void Learn(uint64_t epoch, const std::vector<EndedTask>& ends);
  void LearnOne(const EndedTask& end);
  void ScheduleFlush();
  void KeepChanged();
  // Null: there is none.
  const AdmissionRecord* FindRecord(JobId job, uint32_t group);
  FillPolicy PolicyOf(const std::string& ns) const;

  const FeatureOptions options_;
  const Rules rules_;
  const Hooks hooks_;

  mutable base::Mutex mutex_;
  HistoryEstimator history_ BERTH_GUARDED_BY(mutex_);
  Calibration calibration_ BERTH_GUARDED_BY(mutex_);
  FeatureStats counts_ BERTH_GUARDED_BY(mutex_);
  bool calibration_changed_ BERTH_GUARDED_BY(mutex_) = false;

  // The learning thread's own.
  uint64_t through_ = 0;  // epochs that were learned
  uint64_t kept_through_ = 0;
  bool is_flush_due_ = false;
  // What has changed and is not handed out yet, by name.
  std::map<std::string, std::shared_ptr<const std::string>> unkept_;
  std::list<std::pair<std::pair<uint64_t, uint32_t>, std::unique_ptr<AdmissionRecord>>> records_;

  base::WorkThread worker_;  // last: it uses what is above
};

}  // namespace berth::features
