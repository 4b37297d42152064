// The plain way: a few regular expressions over directives. What the rules are measured against.
#pragma once

#include "features/features.h"
#include "features/job_text.h"

namespace berth::features {

// Reads lines of #SBATCH, #PBS, #BSUB, #$ and #HQ wherever they stand, one expression a field.
// Cost: O(text).
Features ReadBaseline(const JobText& text);

}  // namespace berth::features
