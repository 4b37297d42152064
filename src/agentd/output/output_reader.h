#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace berth::agentd {

// Reads one output file of an attempt while it may still grow. What was cut off at its start is
// passed over: the offset of what comes next tells.
//
// Threading: one thread at a time. Errors: a file that is not there has nothing to read, yet.
class OutputReader {
 public:
  struct Chunk {
    int64_t offset = 0;
    std::string data;
  };

  // `tail_bytes`: begin this far before the present end; absent: at the start.
  OutputReader(std::string path, std::optional<int64_t> tail_bytes);

  // The next bytes, at most `most`; nothing at the end of what is there. `until`: read no further
  // than this offset. Cost: two system calls.
  std::optional<Chunk> Next(size_t most, int64_t until);

  // Where the file ends now; 0 when it is not there.
  int64_t size();

 private:
  bool Open();

  const std::string path_;
  std::optional<int64_t> tail_bytes_;
  base::UniqueFd fd_;
  int64_t offset_ = 0;
};

}  // namespace berth::agentd
