// Features as they are shown: value by value, with who said it and what was done with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/features.pb.h"
#include "berth/v1/types.pb.h"
#include "features/features.h"
#include "features/history_estimator.h"
#include "state/group_hints.h"

namespace berth::features {

// What becomes of amounts that a submitter leaves open and somebody else knows.
enum class FillPolicy : uint8_t {
  kOff,
  kSuggest,  // told in the answer to the submission
  kApply,    // taken over in place of the default
};

// A score goes by a class from this confidence on, and by data.
inline constexpr int32_t kLeastHintConfidence = 50;

// What the submitter says in fields: of class, duration, data and models in JobSpec.features, of
// amounts in the group's resources, as far as they are given.
Features DeclaredFeatures(const berth::v1::JobSpec& job, const berth::v1::TaskGroup& group);

// Appends a value for each that is there.
void AppendValues(const Features& features, berth::v1::GroupFeatures& out);
void AppendValues(const HistoryPrediction& prediction, berth::v1::GroupFeatures& out);

// What of an ended task such a value is held against; nothing: that is not measured.
std::optional<HistoryField> MeasuredAs(berth::v1::FeatureField field);

struct CascadeOptions {
  FillPolicy fill = FillPolicy::kOff;
  // Whether what a source says of a field is to be used, where what is measured can tell.
  std::function<bool(HistoryField field, Source source)> is_on;
};

// What the cascade settles on.
struct Settled {
  state::GroupHints hints;
  // In place of what was left open, with some to spare; where the policy is not kOff. 0: nothing.
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  // "history", "rules": who said so.
  std::string cpu_from, memory_from;
};

// Goes through values in the order of their sources (declared, history, rules, model), settles each
// field by the first that may, and writes to each value what is done with it.
Settled Settle(const CascadeOptions& options, berth::v1::GroupFeatures& values);

}  // namespace berth::features
