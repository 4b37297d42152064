#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The bytes of a journal: frames of records, one for each group that was written together. A frame
// is a marker, its length, its number, a checksum, and its records.
//
// Group n+1 is written only after group n is on disk, so a frame that does not hold is the last
// one, cut off by a crash; unless a whole frame comes after it: then what was durable has been
// damaged.
namespace berth::agentd {

using RecordVisitor = std::function<absl::Status(std::string_view record)>;

// One group's frame.
std::string MakeFrame(const std::vector<std::string>& records, uint64_t group);

struct LoadedFrames {
  uint64_t bytes = 0;  // of whole frames; what follows was cut off by a crash
  uint64_t next_group = 1;
};

// Gives the records of a journal's bytes to `visit`, in order. DataLoss, with the offset and the
// way on, when they are damaged; the error of `visit`, with the offset, when that refuses a record.
// `path` names the journal in errors. Cost: about 2 ns a byte, and the visits.
absl::StatusOr<LoadedFrames> LoadFrames(std::string_view contents, const std::string& path,
                                        const RecordVisitor& visit);

}  // namespace berth::agentd
