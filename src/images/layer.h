#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "images/root_writer.h"

namespace berth::images {

// A layer of an image: a tar archive, plain or compressed with gzip or zstd.
struct LayerBlob {
  base::UniqueFd file;
  std::string digest;  // "sha256:..." of the file's bytes
  int64_t size = 0;
};

// How much an image may take up while it is unpacked, and whether to go on at all.
class UnpackBudget {
 public:
  // Leaves `keep_free_bytes` of the file system of `directory` free, and writes `most_bytes` at
  // most. `stopped` is asked now and then.
  UnpackBudget(int directory, int64_t keep_free_bytes, int64_t most_bytes,
               std::function<bool()> stopped)
      : directory_(directory),
        keep_free_bytes_(keep_free_bytes),
        most_bytes_(most_bytes),
        stopped_(std::move(stopped)) {}

  // ResourceExhausted, or Cancelled. Cost: a statvfs(2) for each 4 MiB or 256 entries.
  absl::Status Spend(int64_t bytes);

  [[nodiscard]] int64_t spent() const { return spent_bytes_; }

 private:
  const int directory_;
  const int64_t keep_free_bytes_;
  const int64_t most_bytes_;
  const std::function<bool()> stopped_;
  int64_t spent_bytes_ = 0;
  int64_t since_look_ = 0;
};

// Writes what is in the layer over what `root` holds. DataLoss: its bytes are not what its digest
// says; what was written by then is to be thrown away. Cost: one pass over the file.
absl::Status UnpackLayer(const LayerBlob& layer, RootWriter& root, UnpackBudget& budget);

}  // namespace berth::images
