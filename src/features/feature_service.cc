#include "features/feature_service.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/logging.h"
#include "base/quantities.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "features/job_text.h"

namespace berth::features {
namespace {

// Text of so many groups of a job is read; of those beyond, their history alone.
constexpr int kMostGroupsRead = 16;
constexpr auto kFlushAfter = std::chrono::seconds(5);
// Pieces that are handed out together.
constexpr size_t kMostPieces = 4096;
// Records that are kept at hand: of an array one serves all its tasks.
constexpr size_t kMostRecords = 256;
constexpr std::string_view kThroughPiece = "through";

HistorySubmission SubmissionOf(const berth::v1::JobSpec& job, const berth::v1::TaskGroup& group,
                               const std::string& user, const std::string& name,
                               const std::vector<std::string>& command) {
  const berth::v1::TaskTemplate& task = group.template_();
  int64_t gpus = 0;
  for (const berth::v1::DeviceRequest& device : task.devices()) gpus += device.count();
  return {.user = user,
          .name = name,
          .queue = job.queue().empty() ? std::string_view("default") : job.queue(),
          .script = task.payload().script(),
          .command = command,
          .cpu_milli = task.resources().cpu_milli(),
          .memory_bytes = task.resources().memory_bytes(),
          .gpus = gpus,
          .time_limit_ms = task.time_limit_ms()};
}

HistorySubject SubjectOf(const EndedTask& end) {
  return HistoryEstimator::Describe({.user = end.user,
                                     .name = end.name,
                                     .queue = end.queue,
                                     .script = {},
                                     .command = {},
                                     .cpu_milli = end.cpu_milli,
                                     .memory_bytes = end.memory_bytes,
                                     .gpus = end.gpus,
                                     .time_limit_ms = end.time_limit_ms});
}

HistoryEnd EndOf(const state::AttemptRow& attempt) {
  switch (attempt.end) {
    case state::AttemptEnd::kExited:
      return attempt.exit_code == 0 ? HistoryEnd::kSucceeded : HistoryEnd::kFailed;
    case state::AttemptEnd::kOutOfMemory:
      return HistoryEnd::kOutOfMemory;
    case state::AttemptEnd::kTimedOut:
      return HistoryEnd::kTimeLimit;
    case state::AttemptEnd::kOutOfStorage:
    case state::AttemptEnd::kUnhealthy:
      return HistoryEnd::kFailed;
    default:
      return HistoryEnd::kCancelled;
  }
}

HistoryOutcome OutcomeOf(const state::AttemptRow& attempt) {
  HistoryOutcome outcome;
  outcome.end = EndOf(attempt);
  const int64_t ran_ms = attempt.ended_unix_ms - attempt.started_unix_ms;
  if (attempt.started_unix_ms == 0 || ran_ms < 0) return outcome;
  const auto set = [&](HistoryField field, int64_t value) {
    outcome.measured[static_cast<size_t>(field)] = value;
  };
  set(HistoryField::kDuration, ran_ms);
  if (attempt.usage.memory_peak_bytes > 0) {
    set(HistoryField::kMemory, attempt.usage.memory_peak_bytes);
  }
  // Over less than a second, ticks of the CPU's clock say little.
  if (ran_ms >= 1000 && attempt.usage.cpu_time_ms > 0) {
    set(HistoryField::kCpu, attempt.usage.cpu_time_ms * 1000 / ran_ms);
  }
  return outcome;
}

// What each source had said of a field, as far as that can be compared.
std::vector<Said> SaidOf(const berth::v1::GroupFeatures& values, HistoryField field) {
  std::vector<Said> said;
  for (const berth::v1::FeatureValue& value : values.values()) {
    if (MeasuredAs(value.field()) != field || !value.has_number()) continue;
    Said one{.source = static_cast<Source>(value.source()),
             .value = value.number(),
             .low = {},
             .high = {}};
    if (value.has_low() && value.has_high()) {
      one.low = value.low();
      one.high = value.high();
    }
    const bool is_known = std::any_of(
        said.begin(), said.end(), [&](const Said& known) { return known.source == one.source; });
    if (!is_known) said.push_back(one);
  }
  return said;
}

// Text of a job may be any bytes; what is shown is text.
void MakeShowable(berth::v1::GroupFeatures& values) {
  for (berth::v1::FeatureValue& value : *values.mutable_values()) {
    if (value.has_text()) value.set_text(base::ToValidUtf8(value.text()));
  }
}

std::string_view FieldWord(HistoryField field) {
  switch (field) {
    case HistoryField::kDuration:
      return "duration";
    case HistoryField::kMemory:
      return "memory";
    case HistoryField::kCpu:
      return "CPU";
    case HistoryField::kGpu:
      break;
  }
  return "GPU";
}

std::string_view SourceWord(Source source) {
  switch (source) {
    case Source::kDeclared:
      return "what is declared";
    case Source::kHistory:
      return "history";
    case Source::kRules:
      return "rules";
    case Source::kModel:
      break;
  }
  return "the model";
}

}  // namespace

FeatureService::FeatureService(FeatureOptions options, Rules rules, Hooks hooks)
    : options_(std::move(options)),
      rules_(std::move(rules)),
      hooks_(std::move(hooks)),
      history_(options_.history),
      worker_("features") {}

FeatureService::~FeatureService() { Stop(); }

uint64_t FeatureService::Load(std::vector<HistoryPiece> pieces) {
  uint64_t through = 0;
  std::vector<HistoryPiece> of_history;
  base::MutexLock lock(mutex_);
  for (HistoryPiece& piece : pieces) {
    if (piece.name == kThroughPiece) {
      std::from_chars(piece.bytes.data(), piece.bytes.data() + piece.bytes.size(), through);
    } else if (piece.name == kCalibrationPiece) {
      if (const absl::Status status = calibration_.Load(piece.bytes); !status.ok()) {
        BERTH_LOG_WARN("what predictions were worth is begun anew: {}", status.ToString());
      }
    } else {
      of_history.push_back(std::move(piece));
    }
  }
  const HistoryLoadReport report = history_.Load(of_history);
  for (const absl::Status& refused : report.refused) {
    BERTH_LOG_WARN("a part of what was learned is left out: {}", refused.ToString());
  }
  through_ = kept_through_ = through;
  return through;
}

FillPolicy FeatureService::PolicyOf(const std::string& ns) const {
  const auto it = options_.fill_by_namespace.find(ns.empty() ? "default" : ns);
  return it == options_.fill_by_namespace.end() ? options_.fill : it->second;
}

FeatureService::Reading FeatureService::ReadJob(const berth::v1::JobSpec& job,
                                                const std::string& user, const std::string& name,
                                                int64_t now_unix_ms) {
  Reading reading;
  const FillPolicy fill = PolicyOf(job.namespace_());
  for (int g = 0; g < job.groups_size(); ++g) {
    const berth::v1::TaskGroup& group = job.groups(g);
    const berth::v1::TaskTemplate& task = group.template_();
    const berth::v1::Payload& payload = task.payload();
    const std::vector<std::string> command(payload.command().begin(), payload.command().end());
    AdmissionRecord record;
    record.features.set_group(group.name());
    AppendValues(DeclaredFeatures(job, group), record.features);
    record.subject = HistoryEstimator::Describe(SubmissionOf(job, group, user, name, command));
    {
      base::MutexLock lock(mutex_);
      record.prediction = history_.Predict(record.subject, absl::FromUnixMillis(now_unix_ms));
    }
    AppendValues(record.prediction, record.features);
    if (g < kMostGroupsRead) {
      AppendValues(rules_.ReadText({.name = name,
                                    .description = job.description(),
                                    .script = payload.script(),
                                    .command = command,
                                    .image = payload.image()}),
                   record.features);
    }
    MakeShowable(record.features);
    CascadeOptions cascade{.fill = fill, .is_on = [this](HistoryField field, Source source) {
                             base::MutexLock lock(mutex_);
                             return calibration_.On(field, source);
                           }};
    Settled settled = Settle(cascade, record.features);

    const std::string prefix =
        job.groups_size() > 1 && !group.name().empty() ? "group " + group.name() + ": " : "";
    Reading::Fill filled{.cpu_milli = settled.cpu_milli,
                         .memory_bytes = settled.memory_bytes,
                         .cpu_from = settled.cpu_from,
                         .memory_from = settled.memory_from};
    const auto suggest = [&](int64_t amount, const char* what, const std::string& from,
                             const std::string& words) {
      if (amount == 0 || fill != FillPolicy::kSuggest) return;
      reading.warnings.push_back(prefix + what + " was left open; by " + from + " " + words +
                                 " would do");
    };
    suggest(filled.cpu_milli, "cpu", filled.cpu_from, base::FormatCpuMilli(filled.cpu_milli));
    suggest(filled.memory_bytes, "memory", filled.memory_from,
            base::FormatBytesExact(filled.memory_bytes));
    if (fill != FillPolicy::kApply) filled = {};
    for (const RequestAdvice& advice : AdviseOnRequest({.cpu_milli = task.resources().cpu_milli(),
                                       .memory_bytes = task.resources().memory_bytes(),
                                       .gpus = 0,
                                       .time_limit_ms = task.time_limit_ms()},
                                                       record.prediction, options_.advice)) {
      reading.warnings.push_back(prefix + advice.words);
    }
    reading.fills.push_back(std::move(filled));
    reading.groups.push_back(
        {.hints = std::move(settled.hints),
         .record = std::make_shared<const std::string>(EncodeAdmission(record))});
  }
  base::MutexLock lock(mutex_);
  ++counts_.jobs_read;
  counts_.groups_read += static_cast<uint64_t>(job.groups_size());
  return reading;
}

void FeatureService::NoteEnds(uint64_t epoch, std::vector<EndedTask> ends) {
  if (ends.empty()) return;
  worker_.Post([this, epoch, ends = std::move(ends)] { Learn(epoch, ends); });
}

const AdmissionRecord* FeatureService::FindRecord(JobId job, uint32_t group) {
  const std::pair<uint64_t, uint32_t> key{job.value, group};
  const auto known = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& one) { return one.first == key; });
  if (known != records_.end()) {
    records_.splice(records_.begin(), records_, known);
    return records_.front().second.get();
  }
  std::unique_ptr<AdmissionRecord> record;
  if (const auto bytes = hooks_.read_record(job, group); bytes.ok()) {
    if (auto decoded = DecodeAdmission(*bytes); decoded.ok()) {
      record = std::make_unique<AdmissionRecord>(*std::move(decoded));
    } else {
      BERTH_LOG_WARN("job {}: {}", job.value, decoded.status().ToString());
    }
  }
  records_.emplace_front(key, std::move(record));
  if (records_.size() > kMostRecords) records_.pop_back();
  return records_.front().second.get();
}

void FeatureService::LearnOne(const EndedTask& end) {
  const AdmissionRecord* record = FindRecord(end.job, end.group);
  const HistorySubject subject = record != nullptr ? record->subject : SubjectOf(end);
  const HistoryOutcome outcome = OutcomeOf(end.attempt);
  base::MutexLock lock(mutex_);
  history_.Observe(subject, outcome, absl::FromUnixMillis(end.attempt.ended_unix_ms),
                   record != nullptr ? &record->prediction : nullptr);
  ++counts_.ends_learned;
  if (record == nullptr) {
    ++counts_.ends_without_record;
    return;
  }
  // What was cut short says how much at least, and so nothing of who was right.
  if (outcome.end != HistoryEnd::kSucceeded) return;
  for (size_t i = 0; i < kHistoryFields; ++i) {
    if (!outcome.measured[i]) continue;
    const auto field = static_cast<HistoryField>(i);
    const std::vector<Said> said = SaidOf(record->features, field);
    if (said.empty()) continue;
    calibration_.Record(field, said, *outcome.measured[i]);
    calibration_changed_ = true;
  }
  for (const LayerSwitch& change : calibration_.TakeSwitches()) {
    ++counts_.switches;
    BERTH_LOG_WARN(
        "{} is {} used for the {} of tasks: its error is {:.2f} doublings, that of the layer below "
        "{:.2f}",
        SourceWord(change.source), change.on ? "again" : "no longer", FieldWord(change.field),
        change.error, change.below);
  }
}

void FeatureService::Learn(uint64_t epoch, const std::vector<EndedTask>& ends) {
  if (epoch <= through_) return;  // it was learned before the last stop
  for (const EndedTask& end : ends) LearnOne(end);
  through_ = epoch;
  ScheduleFlush();
}

void FeatureService::ScheduleFlush() {
  if (is_flush_due_) return;
  is_flush_due_ = true;
  worker_.PostAfter(kFlushAfter, [this] { KeepChanged(); });
}

void FeatureService::KeepChanged() {
  is_flush_due_ = false;
  if (through_ == kept_through_) return;
  {
    base::MutexLock lock(mutex_);
    for (;;) {
      std::vector<HistoryPiece> changed = history_.TakeChanged(kMostPieces);
      for (HistoryPiece& piece : changed) {
        unkept_[std::move(piece.name)] =
            std::make_shared<const std::string>(std::move(piece.bytes));
      }
      if (changed.size() < kMostPieces) break;
    }
    if (calibration_changed_) {
      unkept_[std::string(kCalibrationPiece)] =
          std::make_shared<const std::string>(calibration_.Save());
      calibration_changed_ = false;
    }
  }
  while (!unkept_.empty() || through_ != kept_through_) {
    std::vector<state::KeepFeatureState::Piece> pieces;
    for (const auto& [name, content] : unkept_) {
      if (pieces.size() == kMostPieces) break;
      pieces.push_back({name, content});
    }
    const size_t sent = pieces.size();
    // Last: with it, what ended up to there is not learned again.
    const bool is_last = sent == unkept_.size();
    if (is_last) {
      pieces.push_back({std::string(kThroughPiece),
                        std::make_shared<const std::string>(std::to_string(through_))});
    }
    if (const absl::Status kept = hooks_.keep(std::move(pieces)); !kept.ok()) {
      BERTH_LOG_WARN("what was learned from ended tasks is not kept yet: {}", kept.ToString());
      return ScheduleFlush();
    }
    unkept_.erase(unkept_.begin(), std::next(unkept_.begin(), static_cast<std::ptrdiff_t>(sent)));
    if (is_last) kept_through_ = through_;
  }
}

void FeatureService::Flush() {
  worker_.Post([this] { KeepChanged(); });
}

void FeatureService::Stop() {
  Flush();
  worker_.Stop();
}

FeatureStats FeatureService::stats() const {
  base::MutexLock lock(mutex_);
  FeatureStats stats = counts_;
  stats.history_groups = history_.groups();
  stats.history_bytes = history_.bytes();
  for (size_t field = 0; field < kHistoryFields; ++field) {
    for (size_t source = 1; source <= kSources; ++source) {
      stats.calibration[field][source] =
          calibration_.Report(static_cast<HistoryField>(field), static_cast<Source>(source));
    }
  }
  return stats;
}

}  // namespace berth::features
