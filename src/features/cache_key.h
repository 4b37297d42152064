// What an answer is kept by.
#pragma once

#include <string>
#include <string_view>

#include "base/sha256.h"
#include "features/job_prompt.h"

namespace berth::features {

// `text` with what differs from run to run of the same job made the same: dates and times, seeds,
// long hexadecimal numbers and UUIDs, numbers of four and more digits within paths (a step, a job's
// id), runs of blanks. What states an amount stays.
//
// Cost: linear.
std::string NormalisedForKey(std::string_view text);

struct CacheKeyParts {
  const CleanJobText& text;
  std::string_view declared;  // what the submitter stated; amounts in buckets
  const PromptFiles& files;
  std::string_view model;
  std::string_view name_space;
  std::string_view salt;
};
// SHA-256 over all of them, each with its length.
base::Sha256Digest CacheKey(const CacheKeyParts& parts);

// The power of two at or above `amount`: declared amounts that differ little are one bucket. 0: 0.
int64_t DeclaredBucket(int64_t amount);

}  // namespace berth::features
