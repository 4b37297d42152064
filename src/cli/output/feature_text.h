// Values of features as people read and write them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "berth/v1/features.pb.h"

namespace berth::cli {

// "class", "memory", "gpu-memory", ...
std::string FieldText(v1::FeatureField field);
// "history"; of history with its level: "history (name, 12 ends)".
std::string SourceText(const v1::FeatureValue& value);
// "memory 70 %, cpu 30 %", "3.5Gi", "2h", "/data/imagenet (1.2Ti)".
std::string ValueText(const v1::FeatureValue& value);
// What was done with it: "score", "not used: declared wins".
std::string UseText(const v1::FeatureValue& value);

// Reads "FIELD=VALUE", as FieldText and ValueText write them: a class is one word. INVALID_ARGUMENT
// says what is wrong and which fields there are.
absl::StatusOr<v1::FeatureValue> ParseFeature(const std::string& text);

}  // namespace berth::cli
