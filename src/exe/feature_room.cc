#include "exe/feature_room.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "store/journal.h"
#include "store/record_codec.h"
#include "store/record_keys.h"

namespace berth {
namespace {

using features::EndedTask;
using features::FeatureService;

constexpr size_t kMostTableBytes = size_t{4} << 20;

features::FillPolicy PolicyOf(const std::string& name) {
  if (name == "apply") return features::FillPolicy::kApply;
  return name == "suggest" ? features::FillPolicy::kSuggest : features::FillPolicy::kOff;
}

features::FeatureOptions ToOptions(const config::FeaturesConfig& config) {
  features::FeatureOptions options;
  options.fill = PolicyOf(config.fill);
  for (const auto& [name, fill] : config.fill_by_namespace) {
    options.fill_by_namespace[name] = PolicyOf(fill);
  }
  options.history.most_groups = static_cast<size_t>(config.history_groups);
  return options;
}

// What a reading asked for is only in its record; without one, amounts are those that were kept.
EndedTask Ended(JobId job, uint32_t group, std::string user, std::string name, std::string queue,
                const state::Amounts& requests, const std::vector<state::DeviceNeedSpec>& devices,
                int64_t time_limit_ms, const state::AttemptRow& attempt) {
  EndedTask ended{.job = job,
                  .group = group,
                  .user = std::move(user),
                  .name = std::move(name),
                  .queue = std::move(queue),
                  .cpu_milli = requests.builtin[kCpu],
                  .memory_bytes = requests.builtin[kMemory] * kMemoryQuantumBytes,
                  .time_limit_ms = time_limit_ms,
                  .attempt = attempt};
  for (const state::DeviceNeedSpec& device : devices) ended.gpus += device.count;
  return ended;
}

EndedTask Ended(const state::HistoryView& view) {
  const state::GroupSpec& group = view.spec->groups[view.group];
  return Ended(view.job, view.group, view.user, view.spec->name, view.spec->queue,
               group.needs->requests, group.needs->devices, group.time_limit_ms, view.attempt);
}

EndedTask Ended(const store::HistoryEntry& entry) {
  return Ended(entry.job, entry.group, entry.user, entry.job_name, entry.queue, entry.requests,
               entry.device_needs, entry.time_limit_ms, entry.attempt);
}

// Tells of attempts that end.
class Ends final : public scheduler::WatchSink {
 public:
  explicit Ends(FeatureService& service) : service_(service) {}

  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override {
    std::vector<EndedTask> ends;
    for (const state::Change& change : batch->changes) {
      if (const auto* history = std::get_if<state::HistoryChange>(&change)) {
        ends.push_back(Ended(history->history));
      }
    }
    service_.NoteEnds(batch->epoch, std::move(ends));
  }
  bool is_client() const override { return false; }

 private:
  FeatureService& service_;
};

absl::StatusOr<std::shared_ptr<const std::string>> ReadPart(const store::StateStore& store,
                                                            JobId job, uint32_t group,
                                                            state::FeaturePart part) {
  const std::string key = store::FeaturesKey(job, group, part);
  BERTH_ASSIGN_OR_RETURN(const std::string value, store.Get(store::Table::kFeatures, key));
  BERTH_ASSIGN_OR_RETURN(const state::FeaturesChange found, store::DecodeFeatures(key, value));
  return found.record;
}

// The message that a part is; absent: there is none.
template <typename Message>
absl::StatusOr<std::optional<Message>> ReadMessage(const store::StateStore& store, JobId job,
                                                   uint32_t group, state::FeaturePart part) {
  const auto record = ReadPart(store, job, group, part);
  if (absl::IsNotFound(record.status())) return std::optional<Message>();
  if (!record.ok()) return record.status();
  Message message;
  if (!message.ParseFromString(**record)) {
    return absl::DataLossError(
        absl::StrCat("job ", job.value, ": what is kept of its features is damaged"));
  }
  return message;
}

constexpr v1::FeatureField kFieldOf[features::kHistoryFields] = {
    v1::FEATURE_FIELD_DURATION, v1::FEATURE_FIELD_MEMORY, v1::FEATURE_FIELD_CPU,
    v1::FEATURE_FIELD_GPUS};
constexpr const char* kFieldNames[features::kHistoryFields] = {"duration", "memory", "cpu", "gpu"};
constexpr const char* kSourceNames[] = {"", "declared", "history", "rules", "model"};

// Whether a source had said what an operator says is right.
bool Agrees(const v1::FeatureValue& said, const v1::FeatureValue& right) {
  if (right.has_number()) {
    return std::abs(static_cast<double>(said.number()) - static_cast<double>(right.number())) <=
           std::abs(static_cast<double>(right.number())) / 10;
  }
  if (right.has_weights()) {
    const auto primary = [](const v1::ClassWeights& w) {
      return features::PrimaryClass({w.cpu(), w.memory(), w.io(), w.network(), w.gpu()});
    };
    return primary(said.weights()) == primary(right.weights());
  }
  return said.text() == right.text();
}

// Counts what people said, in one pass over what is kept.
class PeopleCount {
 public:
  void Take(const store::FeaturesPlace& place, const std::string& record) {
    if (place.part == state::FeaturePart::kAdmission) {
      const auto admission = features::DecodeAdmission(record);
      last_ = place;
      values_ = admission.ok() ? admission->features : v1::GroupFeatures();
    } else if (place.part == state::FeaturePart::kCorrection) {
      v1::FeatureCorrection correction;
      const bool is_of_last = last_.job == place.job && last_.group == place.group;
      if (is_of_last && correction.ParseFromString(record)) Compare(correction);
    } else if (place.part == state::FeaturePart::kRating) {
      v1::JobRating rating;
      if (rating.ParseFromString(record) && rating.stars() >= 1 && rating.stars() <= 5) {
        ++ratings_[static_cast<size_t>(rating.stars() - 1)];
      }
    }
  }

  void Write(v1::GetFeatureReportResponse& report) const {
    for (const auto& [source, counts] : corrected_) {
      auto& added = *report.add_corrected();
      added.set_source(source);
      added.set_agreed(counts.first);
      added.set_differed(counts.second);
    }
    for (const int64_t count : ratings_) report.add_ratings(count);
  }

 private:
  void Compare(const v1::FeatureCorrection& correction) {
    for (const v1::FeatureValue& right : correction.values()) {
      std::map<v1::FeatureSource, bool> agreed;  // of what may repeat, one that agrees is enough
      for (const v1::FeatureValue& said : values_.values()) {
        if (said.field() != right.field()) continue;
        bool& known = agreed[said.source()];
        known = known || Agrees(said, right);
      }
      for (const auto& [source, does] : agreed) {
        ++(does ? corrected_[source].first : corrected_[source].second);
      }
    }
  }

  store::FeaturesPlace last_;
  v1::GroupFeatures values_;
  std::map<v1::FeatureSource, std::pair<int64_t, int64_t>> corrected_;
  std::array<int64_t, 5> ratings_{};
};

}  // namespace

absl::StatusOr<features::RuleTables> LoadRuleTables(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(features::RuleTables tables, features::DefaultTables());
  if (path.empty()) return tables;
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMostTableBytes));
  BERTH_RETURN_IF_ERROR(tables.Add(text, path));
  return tables;
}

absl::StatusOr<std::unique_ptr<FeatureRoom>> FeatureRoom::Open(const config::FeaturesConfig& config,
                                                               const store::StateStore& store,
                                                               const base::Clock& clock,
                                                               Post post) {
  auto tables = LoadRuleTables(config.rules);
  if (!tables.ok()) {
    return absl::Status(tables.status().code(),
                        absl::StrCat("features.rules: ", tables.status().message()));
  }
  std::unique_ptr<FeatureRoom> room(new FeatureRoom(store, clock));
  FeatureService::Hooks hooks;
  hooks.read_record = [&store](JobId job, uint32_t group) -> absl::StatusOr<std::string> {
    BERTH_ASSIGN_OR_RETURN(const auto record,
                           ReadPart(store, job, group, state::FeaturePart::kAdmission));
    return *record;
  };
  hooks.keep = [post = std::move(post)](std::vector<state::KeepFeatureState::Piece> pieces) {
    state::Principal who{.name = "berthd", .is_operator = true, .all_namespaces = true};
    return post({.principal = std::move(who),
                 .token = 0,
                 .body = state::KeepFeatureState{std::move(pieces)}});
  };
  room->service_ = std::make_unique<FeatureService>(
      ToOptions(config), features::Rules(*std::move(tables)), std::move(hooks));
  BERTH_RETURN_IF_ERROR(room->CatchUp());
  return room;
}

absl::Status FeatureRoom::CatchUp() {
  std::vector<features::HistoryPiece> pieces;
  absl::Status status;
  BERTH_RETURN_IF_ERROR(
      store_.Scan(store::Table::kLearned, [&](std::string_view key, std::string_view value) {
        auto piece = store::DecodeLearned(key, value);
        status = piece.status();
        if (!piece.ok()) return false;
        pieces.push_back({std::move(piece->name), *piece->content});
        return true;
      }));
  BERTH_RETURN_IF_ERROR(status);
  const uint64_t through = service_->Load(std::move(pieces));
  uint64_t epoch = 0;
  std::vector<EndedTask> ends;
  BERTH_RETURN_IF_ERROR(
      store::ReadHistory(store_, {through + 1, 0},
                         [&](const store::JournalPosition& at, const store::HistoryEntry& entry) {
                           if (at.epoch != epoch) {
                             service_->NoteEnds(epoch, std::exchange(ends, {}));
                             epoch = at.epoch;
                           }
                           ends.push_back(Ended(entry));
                           return true;
                         }));
  service_->NoteEnds(epoch, std::move(ends));
  return absl::OkStatus();
}

void FeatureRoom::Subscribe(scheduler::WatchHub& watches) {
  watches.Subscribe(std::make_shared<Ends>(*service_));
}

void FeatureRoom::Stop() { service_->Stop(); }

api::FeatureReader::Reading FeatureRoom::ReadJob(const v1::JobSpec& job, const std::string& user) {
  FeatureService::Reading read = service_->ReadJob(job, user, job.name(), clock_.WallMs());
  Reading reading;
  reading.warnings = std::move(read.warnings);
  for (size_t g = 0; g < read.groups.size(); ++g) {
    FeatureService::Reading::Fill& fill = read.fills[g];
    reading.groups.push_back({.features = std::move(read.groups[g]),
                              .cpu_milli = fill.cpu_milli,
                              .memory_bytes = fill.memory_bytes,
                              .cpu_from = std::move(fill.cpu_from),
                              .memory_from = std::move(fill.memory_from)});
  }
  return reading;
}

absl::StatusOr<v1::ShowFeaturesResponse> FeatureRoom::Show(JobId job, const state::JobSpec& spec) {
  v1::ShowFeaturesResponse response;
  for (uint32_t g = 0; g < spec.groups.size(); ++g) {
    v1::ShowFeaturesResponse::Group& group = *response.add_groups();
    group.mutable_features()->set_group(spec.groups[g].name);
    const auto record = ReadPart(store_, job, g, state::FeaturePart::kAdmission);
    if (record.ok()) {
      BERTH_ASSIGN_OR_RETURN(features::AdmissionRecord admission,
                             features::DecodeAdmission(**record));
      *group.mutable_features() = std::move(admission.features);
    } else if (!absl::IsNotFound(record.status())) {
      return record.status();
    }
    BERTH_ASSIGN_OR_RETURN(auto correction, ReadMessage<v1::FeatureCorrection>(
                                                store_, job, g, state::FeaturePart::kCorrection));
    if (correction) *group.mutable_correction() = *std::move(correction);
  }
  BERTH_ASSIGN_OR_RETURN(auto rating,
                         ReadMessage<v1::JobRating>(store_, job, 0, state::FeaturePart::kRating));
  if (rating) *response.mutable_rating() = *std::move(rating);
  return response;
}

v1::GetFeatureReportResponse FeatureRoom::Report() {
  v1::GetFeatureReportResponse report;
  const features::FeatureStats stats = service_->stats();
  for (size_t field = 0; field < features::kHistoryFields; ++field) {
    for (size_t source = 1; source <= features::kSources; ++source) {
      const features::CalibrationReport& from = stats.calibration[field][source];
      if (from.outcomes == 0) continue;
      auto& to = *report.add_calibration();
      to.set_field(kFieldOf[field]);
      to.set_source(static_cast<v1::FeatureSource>(source));
      to.set_outcomes(from.outcomes);
      to.set_over(from.over);
      to.set_under(from.under);
      to.set_mean_error_percent(from.mean_error_percent);
      to.set_median_error_percent(from.median_error_percent);
      if (from.coverage_percent) to.set_coverage_percent(*from.coverage_percent);
      to.set_in_use(from.on);
    }
  }
  report.set_history_groups(static_cast<int64_t>(stats.history_groups));
  PeopleCount people;
  const absl::Status scanned =
      store_.Scan(store::Table::kFeatures, [&](std::string_view key, std::string_view value) {
        const auto place = store::ParseFeaturesKey(key);
        if (!place || place->part == state::FeaturePart::kHints) return true;
        if (const auto found = store::DecodeFeatures(key, value); found.ok()) {
          people.Take(*place, *found->record);
        }
        return true;
      });
  if (!scanned.ok()) BERTH_LOG_WARN("features cannot be counted: {}", scanned.ToString());
  people.Write(report);
  return report;
}

monitor::FeatureFacts FeatureRoom::facts() const {
  const features::FeatureStats stats = service_->stats();
  monitor::FeatureFacts facts{.groups_read = stats.groups_read,
                              .ends_learned = stats.ends_learned,
                              .ends_without_record = stats.ends_without_record,
                              .switches = stats.switches,
                              .history_groups = static_cast<double>(stats.history_groups),
                              .history_bytes = static_cast<double>(stats.history_bytes),
                              .calibration = {}};
  for (size_t field = 0; field < features::kHistoryFields; ++field) {
    for (size_t source = 1; source <= features::kSources; ++source) {
      const features::CalibrationReport& from = stats.calibration[field][source];
      if (from.outcomes == 0) continue;
      facts.calibration.push_back(
          {.field = kFieldNames[field],
           .source = kSourceNames[source],
           .outcomes = from.outcomes,
           .over = from.over,
           .under = from.under,
           .mean_error_ratio = from.mean_error_percent / 100,
           .median_error_ratio = from.median_error_percent / 100,
           .coverage_ratio = from.coverage_percent ? *from.coverage_percent / 100 : -1,
           .in_use = from.on});
    }
  }
  return facts;
}

}  // namespace berth
