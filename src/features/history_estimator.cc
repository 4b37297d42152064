#include "features/history_estimator.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/container/flat_hash_set.h"

#include "base/check.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "features/value_mixture.h"

namespace berth::features {
namespace {

// Once so little is left for the levels below, they are not looked at.
constexpr double kNegligible = 0.01;

// Hashes fields so that no two lists of fields are written alike.
class KeyWriter {
 public:
  explicit KeyWriter(HistoryLevel level) { text_.push_back(static_cast<char>(level)); }

  KeyWriter& Text(std::string_view text) {
    Number(static_cast<int64_t>(text.size()));
    text_ += text;
    return *this;
  }
  KeyWriter& Number(int64_t number) {
    for (int byte = 0; byte < 8; ++byte) {
      text_.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * byte)));
    }
    return *this;
  }
  [[nodiscard]] GroupKey Key() const {
    const base::Sha256Digest digest = base::Sha256Of(text_);
    GroupKey key;
    for (size_t byte = 0; byte < 8; ++byte) {
      key.high = key.high << 8 | digest.bytes[byte];
      key.low = key.low << 8 | digest.bytes[8 + byte];
    }
    return key;
  }

 private:
  std::string text_;
};

size_t Index(HistoryField field) { return static_cast<size_t>(field); }
size_t Index(HistoryLevel level) { return static_cast<size_t>(level); }

// Whether a measurement of `field` is only a lower bound of what the task would have shown.
bool CutShort(HistoryEnd end, HistoryField field) {
  switch (field) {
    case HistoryField::kDuration:
      return end != HistoryEnd::kSucceeded;
    case HistoryField::kMemory:
      return end == HistoryEnd::kOutOfMemory || end == HistoryEnd::kCancelled ||
             end == HistoryEnd::kFailed;
    // Rates: what it used while it ran.
    case HistoryField::kCpu:
    case HistoryField::kGpu:
      return false;
  }
  return false;
}

GroupKey FamilyKey(const GroupKey& user, const ScriptSignature& signature) {
  KeyWriter writer(HistoryLevel::kScript);
  writer.Number(std::bit_cast<int64_t>(user.high)).Number(std::bit_cast<int64_t>(user.low));
  for (const uint32_t place : signature.places) writer.Number(place);
  return writer.Key();
}

}  // namespace

HistoryEstimator::HistoryEstimator(const HistoryOptions& options)
    : options_(options),
      groups_(options.most_groups),
      trust_(kHistoryFields * kHistoryLevels, IntervalTrust(options.coverage_percent)) {
  BERTH_CHECK(options.most_groups >= 1 && options.decay.ends > 0 && options.decay.seconds > 0);
  BERTH_CHECK(options.decay.seconds <= Decay::kMostSeconds && options.prior_ends > 0);
}

HistorySubject HistoryEstimator::Describe(const HistorySubmission& submission) {
  HistorySubject subject;
  subject.time_limit_ms = submission.time_limit_ms;
  subject.signature = SignScript(submission.script, submission.command);
  const auto key = [&](HistoryLevel level) -> GroupKey& { return subject.keys[Index(level)]; };
  const auto with_shape = [&](KeyWriter& writer) {
    return writer.Text(submission.queue)
        .Number(submission.cpu_milli)
        .Number(submission.memory_bytes)
        .Number(submission.gpus)
        .Number(submission.time_limit_ms)
        .Key();
  };
  // A level whose word is missing would be the next one over again: it stays without a key.
  if (!submission.name.empty()) {
    key(HistoryLevel::kName) =
        KeyWriter(HistoryLevel::kName).Text(submission.user).Text(submission.name).Key();
    key(HistoryLevel::kProgram) =
        with_shape(KeyWriter(HistoryLevel::kProgram).Text(submission.user).Text(submission.name));
  }
  if (!submission.queue.empty()) {
    key(HistoryLevel::kUserQueue) =
        KeyWriter(HistoryLevel::kUserQueue).Text(submission.user).Text(submission.queue).Key();
    key(HistoryLevel::kQueue) = KeyWriter(HistoryLevel::kQueue).Text(submission.queue).Key();
  }
  key(HistoryLevel::kShape) = with_shape(KeyWriter(HistoryLevel::kShape).Text(submission.user));
  key(HistoryLevel::kUser) = KeyWriter(HistoryLevel::kUser).Text(submission.user).Key();
  key(HistoryLevel::kAll) = KeyWriter(HistoryLevel::kAll).Key();
  key(HistoryLevel::kScript) = key(HistoryLevel::kUser);
  return subject;
}

HistoryPrediction HistoryEstimator::Predict(const HistorySubject& subject, absl::Time now) const {
  const Slots slots = SlotsOf(subject);
  const int64_t now_s = absl::ToUnixSeconds(now);
  HistoryPrediction prediction;
  for (size_t field = 0; field < kHistoryFields; ++field) {
    prediction.fields[field] =
        PredictField(slots, static_cast<HistoryField>(field), subject, now_s);
  }
  for (const auto& slot : slots) {
    if (!slot.has_value()) continue;
    const HistoryGroup& group = groups_.At(*slot);
    if (group.ends == 0) continue;
    prediction.failed_percent = 100 * std::popcount(group.failed_bits) / group.ends;
    break;
  }
  return prediction;
}

HistoryEstimator::Slots HistoryEstimator::SlotsOf(const HistorySubject& subject) const {
  Slots slots;
  for (size_t level = 0; level < kHistoryLevels; ++level) {
    if (level != Index(HistoryLevel::kScript)) slots[level] = groups_.Find(subject.keys[level]);
  }
  if (!subject.signature.empty()) {
    slots[Index(HistoryLevel::kScript)] =
        groups_.FindFamily(subject.keys[Index(HistoryLevel::kUser)], subject.signature);
  }
  return slots;
}

std::optional<HistoryEstimate> HistoryEstimator::PredictField(const Slots& slots,
                                                              HistoryField field,
                                                              const HistorySubject& subject,
                                                              int64_t now_s) const {
  ValueMixture mixture;
  HistoryEstimate estimate;
  double left = 1, most_share = 0;
  for (size_t level = 0; level < kHistoryLevels && left > kNegligible; ++level) {
    if (!slots[level].has_value()) continue;
    const RecentValues& values = groups_.At(*slots[level]).values[Index(field)];
    std::array<Weight, RecentValues::kMost> weights;
    uint64_t total = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      total += weights[i] = values.WeightOf(i, now_s, options_.decay);
    }
    const double ends = static_cast<double>(total) / kWholeWeight;
    if (total == 0 || ends < options_.least_weight) continue;
    const double share = left * ends / (ends + options_.prior_ends);
    left -= share;
    const double scale = share / static_cast<double>(total);
    const SeenValue* most = &values.Newest(0);
    int32_t cut_short = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const SeenValue& seen = values.Newest(i);
      mixture.Add(seen.code, seen.at_least, scale * weights[i]);
      // Of equals the one that was cut short: it may have gone on.
      if (std::pair(seen.code, seen.at_least) > std::pair(most->code, most->at_least)) most = &seen;
      cut_short += seen.at_least ? 1 : 0;
    }
    if (share <= most_share) continue;
    most_share = share;
    estimate.level = static_cast<HistoryLevel>(level);
    estimate.ends = static_cast<int32_t>(values.size());
    estimate.cut_short = cut_short;
    estimate.most_seen = DecodeValue(most->code);
    estimate.most_cut_short = most->at_least;
  }
  if (mixture.empty()) return std::nullopt;
  mixture.Settle();
  const IntervalTrust& trust = TrustIn(field, estimate.level);
  estimate.value = DecodeValue(mixture.Quantile(0.5));
  estimate.low = DecodeValue(mixture.Quantile(trust.low()));
  estimate.high = DecodeValue(mixture.Quantile(trust.high()));
  if (field == HistoryField::kDuration && subject.time_limit_ms > 0) {
    // It is ended there, whatever others took.
    for (int64_t* bound : {&estimate.value, &estimate.low, &estimate.high}) {
      *bound = std::min(*bound, subject.time_limit_ms);
    }
  }
  estimate.confidence = trust.Confidence(estimate.low, estimate.high);
  return estimate;
}

void HistoryEstimator::Observe(const HistorySubject& subject, const HistoryOutcome& outcome,
                               absl::Time now, const HistoryPrediction* given) {
  HistoryPrediction fresh;
  if (given == nullptr) {
    fresh = Predict(subject, now);
    given = &fresh;
  }
  for (size_t field = 0; field < kHistoryFields; ++field) {
    const auto& actual = outcome.measured[field];
    const auto& said = given->fields[field];
    // What was cut short says nothing of how wide an interval should have been.
    if (actual.has_value() && said.has_value() &&
        !CutShort(outcome.end, static_cast<HistoryField>(field))) {
      TrustIn(static_cast<HistoryField>(field), said->level)
          .Learn(said->low, said->value, said->high, *actual);
      trust_changed_ = true;
    }
  }

  const auto now_s =
      static_cast<uint32_t>(std::clamp<int64_t>(absl::ToUnixSeconds(now), 0, UINT32_MAX));
  const bool failed =
      outcome.end != HistoryEnd::kSucceeded && outcome.end != HistoryEnd::kCancelled;
  const auto learn = [&](HistoryGroups::Slot slot) {
    HistoryGroup& group = groups_.At(slot);
    group.last_end_s = now_s;
    if (outcome.end != HistoryEnd::kCancelled) {
      group.failed_bits = group.failed_bits << 1 | (failed ? 1 : 0);
      group.ends = static_cast<uint8_t>(std::min(32, group.ends + 1));
    }
    for (size_t field = 0; field < kHistoryFields; ++field) {
      const auto& actual = outcome.measured[field];
      if (!actual.has_value()) continue;
      group.values[field].Add(
          {.at_s = now_s,
           .code = EncodeValue(*actual),
           .at_least = CutShort(outcome.end, static_cast<HistoryField>(field))});
    }
    MarkChanged(slot);
  };
  // From the general to the special: when the table is full, the groups that most tasks share are
  // not the ones to make room.
  for (size_t level = kHistoryLevels; level-- > 0;) {
    if (level != Index(HistoryLevel::kScript)) {
      if (subject.keys[level] == GroupKey{}) continue;
      learn(groups_.Use(subject.keys[level], static_cast<HistoryLevel>(level)));
      continue;
    }
    if (subject.signature.empty()) continue;
    const GroupKey& user = subject.keys[Index(HistoryLevel::kUser)];
    const auto found = groups_.FindFamily(user, subject.signature);
    if (found.has_value()) {
      learn(groups_.Use(groups_.At(*found).key, HistoryLevel::kScript));
    } else {
      const ScriptFamily family{.user = user, .signature = subject.signature};
      learn(groups_.Use(FamilyKey(user, subject.signature), HistoryLevel::kScript, &family));
    }
  }
}

void HistoryEstimator::MarkChanged(HistoryGroups::Slot slot) {
  if (is_changed_.size() <= slot) is_changed_.resize(slot + 1);
  if (is_changed_[slot]) return;
  is_changed_[slot] = true;
  changed_.push_back(slot);
}

std::vector<HistoryPiece> HistoryEstimator::TakeChanged(size_t most) {
  std::vector<HistoryPiece> pieces;
  if (trust_changed_ && most > 0) {
    pieces.push_back({std::string(kTrustPiece), WriteTrustPiece(trust_)});
    trust_changed_ = false;
  }
  const size_t take = std::min(most - pieces.size(), changed_.size());
  for (size_t i = 0; i < take; ++i) {
    is_changed_[changed_[i]] = false;
    std::string name = GroupPieceName(changed_[i]);
    std::string bytes = WriteGroupPiece(name, groups_.At(changed_[i]));
    pieces.push_back({std::move(name), std::move(bytes)});
  }
  changed_.erase(changed_.begin(), changed_.begin() + static_cast<std::ptrdiff_t>(take));
  return pieces;
}

HistoryLoadReport HistoryEstimator::Load(std::span<const HistoryPiece> pieces) {
  BERTH_CHECK(groups_.size() == 0) << "history is loaded before anything is learnt";
  HistoryLoadReport report;
  const auto refuse = [&report](const HistoryPiece& piece, const absl::Status& why) {
    report.refused.push_back(why);
    report.obsolete.push_back(piece.name);
  };
  struct Found {
    const HistoryPiece* piece;
    HistoryGroups::Slot slot;
    HistoryGroup group;
  };
  std::vector<Found> found;
  for (const HistoryPiece& piece : pieces) {
    if (piece.name == kTrustPiece) {
      const absl::Status read = LoadTrust(piece);
      if (read.ok()) ++report.loaded;
      if (!read.ok()) refuse(piece, read);
      continue;
    }
    const auto slot = SlotOfPiece(piece.name);
    auto group = ReadGroupPiece(piece);
    if (!slot.ok() || !group.ok()) {
      refuse(piece, slot.ok() ? group.status() : slot.status());
      continue;
    }
    found.push_back({&piece, *slot, *std::move(group)});
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.group.used > b.group.used; });
  // A group that lost its slot and came back in another is there twice, if its owner stopped before
  // the old slot's next piece was kept. The later one holds.
  absl::flat_hash_set<GroupKey> keys;
  std::erase_if(found, [&](const Found& entry) {
    // A table that was made smaller has no place for some.
    if (entry.slot < groups_.most() && keys.insert(entry.group.key).second) return false;
    report.obsolete.push_back(entry.piece->name);
    return true;
  });
  std::reverse(found.begin(), found.end());
  for (Found& entry : found) {
    if (groups_.Restore(entry.slot, std::move(entry.group))) {
      ++report.loaded;
    } else {
      refuse(*entry.piece,
             absl::DataLossError("piece " + entry.piece->name + ": another has its place"));
    }
  }
  return report;
}

absl::Status HistoryEstimator::LoadTrust(const HistoryPiece& piece) {
  BERTH_ASSIGN_OR_RETURN(const auto states, ReadTrustPiece(piece));
  std::vector<IntervalTrust> trust = trust_;
  bool sound = states.size() == trust.size();
  for (size_t i = 0; sound && i < trust.size(); ++i) sound = trust[i].Restore(states[i]);
  if (!sound) return absl::DataLossError("piece " + piece.name + ": such trust cannot come about");
  trust_ = std::move(trust);
  return absl::OkStatus();
}

IntervalTrust& HistoryEstimator::TrustIn(HistoryField field, HistoryLevel level) {
  return trust_[Index(field) * kHistoryLevels + Index(level)];
}

const IntervalTrust& HistoryEstimator::TrustIn(HistoryField field, HistoryLevel level) const {
  return trust_[Index(field) * kHistoryLevels + Index(level)];
}

size_t HistoryEstimator::bytes() const {
  return sizeof *this - sizeof groups_ + groups_.bytes() + trust_.size() * sizeof(IntervalTrust) +
         changed_.capacity() * sizeof(HistoryGroups::Slot) + is_changed_.capacity() / 8;
}

}  // namespace berth::features
