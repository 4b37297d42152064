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

// Asked while a layer is read, for each 256 KiB: what it says other than OK ends the work.
using GoOn = std::function<absl::Status()>;

// That an image takes up more than all the images of a node may.
absl::Status TakesUpTooMuch(int64_t most_bytes);

// How much an image may take up while it is unpacked, and whether to go on at all.
class UnpackBudget {
 public:
  // Leaves `keep_free_bytes` of the file system of `directory` free, and writes `most_bytes` at
  // most.
  UnpackBudget(int directory, int64_t keep_free_bytes, int64_t most_bytes, GoOn go_on)
      : directory_(directory),
        keep_free_bytes_(keep_free_bytes),
        most_bytes_(most_bytes),
        go_on_(std::move(go_on)) {}

  // Of what is written, and of what an archive has that is left out: that costs time, too.
  // ResourceExhausted, or what `go_on` says. Cost: a statvfs(2) for each 4 MiB or 256 entries.
  absl::Status Spend(int64_t bytes);

  [[nodiscard]] int64_t spent() const { return spent_bytes_; }
  [[nodiscard]] const GoOn& go_on() const { return go_on_; }

 private:
  const int directory_;
  const int64_t keep_free_bytes_;
  const int64_t most_bytes_;
  const GoOn go_on_;
  int64_t spent_bytes_ = 0;
  int64_t since_look_ = 0;
};

// Writes what is in the layer over what `root` holds. DataLoss: its bytes are not what its digest
// says; what was written by then is to be thrown away. Cost: one pass over the file.
absl::Status UnpackLayer(const LayerBlob& layer, RootWriter& root, UnpackBudget& budget);

// Reads the layer, and writes nothing. DataLoss as above. Cost: one pass over the file.
absl::Status VerifyLayer(const LayerBlob& layer, const GoOn& go_on);

}  // namespace berth::images
