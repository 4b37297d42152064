#pragma once

#include <cstdint>
#include <functional>
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

  // `open` gives the file, or an invalid descriptor while it is not there. `tail_bytes`: begin this
  // far before the end that it has when it is opened; absent: at the start.
  OutputReader(std::function<base::UniqueFd()> open, std::optional<int64_t> tail_bytes);

  // The next bytes, at most `most`; nothing at the end of what is there. `until`: read no further
  // than this offset. Cost: three system calls.
  std::optional<Chunk> Next(size_t most, int64_t until);

  // Where the next bytes are; nothing at the end of what is there, or at `until`. Cost: two or
  // three system calls.
  std::optional<int64_t> Peek(int64_t until);

  // When the file was last written to; 0 when it is not there.
  int64_t modified_unix_ms();

  // Where the file ends now; 0 when it is not there.
  int64_t size();

 private:
  bool Open();

  std::function<base::UniqueFd()> open_;
  std::optional<int64_t> tail_bytes_;
  base::UniqueFd fd_;
  int64_t offset_ = 0;
};

}  // namespace berth::agentd
