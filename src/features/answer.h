// A model's answer as features: read strictly, for it is made of hostile text.
//
// An answer is taken whole or not at all. What is taken can only be numbers within bounds, names
// from closed lists, and names that stand in the submission's own text: nothing else of what a
// model writes goes anywhere.
//
// Threading: any thread; nothing is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "features/features.h"
#include "features/job_prompt.h"

namespace berth::features {

// Why an answer is not one.
enum class AnswerFault : uint8_t {
  kNone,
  kEmpty,
  kTooLarge,  // more than kMostAnswerBytes
  kNotJson,   // or half of it, or something after it; NaN is no JSON either
  kTooDeep,
  kDuplicateKey,
  kExtraKey,
  kMissingKey,
  kWrongType,
  kOutOfRange,
  kTooMany,    // elements of a list
  kBadString,  // too long, NUL, not of the closed list
};
std::string_view ToString(AnswerFault fault);

inline constexpr size_t kMostAnswerBytes = 32 << 10;

// What the site allows at most; values above are taken as this. An answer cannot widen them.
struct AnswerLimits {
  int64_t cpu_milli = 1'000'000;
  int64_t memory_bytes = int64_t{64} << 40;
  int64_t storage_bytes = int64_t{1} << 50;
  int64_t gpus = 1024;
  int64_t gpu_memory_bytes = int64_t{1} << 40;
  int64_t model_memory_bytes = int64_t{64} << 40;
  int64_t duration_ms = int64_t{366} * 24 * 3600 * 1000;
  int64_t parallelism = 100'000;
  int32_t confidence = 80;
};

struct AnswerReading {
  AnswerFault fault = AnswerFault::kNone;
  // What is wrong, for the model to do better and for logs: names keys of ours only, nothing of the
  // answer's.
  std::string message;
  Features features;      // when there is no fault
  int dropped_names = 0;  // that the text does not have
};

// Reads `answer`, all of it. Names that do not occur in `text`, as a word or words of their own,
// are dropped. Cost: linear in the answer, times the text for each name.
AnswerReading ReadAnswer(std::string_view answer, const CleanJobText& text,
                         const AnswerLimits& limits);

// The first balanced {…} of a text in which a model was free to write more, after what it says it
// thought; nullopt: there is none. Braces within strings do not count.
std::optional<std::string_view> FirstObject(std::string_view text);

// Whether `text` is JSON without repeated keys, at most `most_depth` deep.
AnswerFault CheckJson(std::string_view text, int most_depth);

// InvalidArgument unless `schema` is a JSON Schema of exactly the fields that ReadAnswer reads, and
// of the rules that all servers take.
absl::Status CheckAnswerSchema(std::string_view schema);

}  // namespace berth::features
