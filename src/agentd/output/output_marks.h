#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// When what of an attempt's output was written, as far as somebody has looked: tasks write straight
// into their files, which know no times. A file of marks beside the output says of some positions
// when the byte before them was written; it grows by kMarkBytes a mark.
//
// It is no more than a help: whatever is wrong with it, only times are wrong.
struct OutputMark {
  bool is_stderr = false;
  int64_t until = 0;    // position in the stream: bytes before it were there at unix_ms
  int64_t unix_ms = 0;  // when the last of them was written

  bool operator==(const OutputMark&) const = default;
};

inline constexpr size_t kMarkBytes = 16;
// A file with more is thinned out to half of them.
inline constexpr size_t kMostMarks = 1 << 16;

std::string EncodeMarks(const std::vector<OutputMark>& marks);
// Half a mark at the end, as a crash leaves it, is left out.
std::vector<OutputMark> DecodeMarks(std::string_view bytes);
// Every second one of each stream, the last of each among them.
std::vector<OutputMark> ThinOut(const std::vector<OutputMark>& marks);

// The marks of one attempt while there may come more.
//
// Threading: one thread.
class OutputMarks {
 public:
  // `open` gives the file, or an invalid descriptor while it is not there.
  explicit OutputMarks(std::function<base::UniqueFd()> open) : open_(std::move(open)) {}

  // Takes in what has come. Cost: one or two system calls when nothing has.
  void Refresh();

  struct Span {
    int64_t until = 0;
    int64_t unix_ms = 0;
  };
  // What a byte is written with: the first mark behind it. Nothing: it has none, yet.
  [[nodiscard]] std::optional<Span> Of(bool is_stderr, int64_t offset) const;

 private:
  std::function<base::UniqueFd()> open_;
  base::UniqueFd fd_;
  int64_t read_ = 0;
  std::array<std::vector<Span>, 2> spans_;  // rising
};

}  // namespace berth::agentd
