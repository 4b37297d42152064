// What the child of the crash tests commits, so that the parent knows it without being told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "store/write_batch.h"

namespace berth::store {

// The batch of an epoch: puts, deletes, ranges and blobs, by chance but fixed by (seed, epoch).
WriteBatch PlannedBatch(uint64_t seed, uint64_t epoch);

// What is in the store after the planned batches of epochs 1 to `last`, by table letter and key.
std::map<std::string, std::string> PlannedContent(uint64_t seed, uint64_t last);

}  // namespace berth::store
