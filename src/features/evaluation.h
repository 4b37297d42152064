// How well an extractor reads texts whose labels are known.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "features/features.h"
#include "features/gold_set.h"
#include "yaml/value.h"

namespace berth::features {

struct Ratio {
  int64_t part = 0;
  int64_t whole = 0;

  // 0 when there is nothing to count.
  double value() const {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
  void Count(bool good) {
    part += good ? 1 : 0;
    ++whole;
  }
};

// What was measured of one extractor on one part.
struct Measured {
  int64_t texts = 0;
  Ratio class_exact;  // of texts with a class
  std::array<Ratio, kComputationClasses> class_by_kind;
  Ratio stated_exact;  // of all stated values, kinds of GPUs included
  std::map<std::string, Ratio> stated_by_field;
  Ratio gpu_memory_within_2x;  // of texts with modelMemory
  Ratio hallucinated;          // of all values given
  std::map<std::string, Ratio> hallucinated_by_field;
  Ratio data_recall;    // of names of inputs, outputs and intermediate data
  Ratio models_recall;  // of texts that name models
  // For people: each fault in one line, "text: field: expected ..., got ...".
  std::vector<std::string> faults;
};

using Extractor = std::function<Features(const JobText&)>;

// Cost: one run of the extractor for each text.
Measured Evaluate(const std::vector<GoldText>& texts, const Extractor& extractor);

// {"class_exact": 0.97, ..., "counts": {...}}; ratios from 0 to 1.
yaml::Value ToJsonValue(const Measured& measured);

// {"tune": {"rules": {...}, "baseline": {...}}}: every part by every extractor.
yaml::Value EvaluateAll(const GoldSet& set, const std::map<std::string, Extractor>& extractors);

}  // namespace berth::features
