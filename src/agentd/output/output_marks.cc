#include "agentd/output/output_marks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace berth::agentd {
namespace {

// As in the file, in this machine's byte order: it stays on it.
struct Record {
  uint64_t position = 0;  // until * 2, and 1 for standard error
  int64_t unix_ms = 0;
};
static_assert(sizeof(Record) == kMarkBytes);

constexpr size_t kReadBytes = 64 << 10;

}  // namespace

std::string EncodeMarks(const std::vector<OutputMark>& marks) {
  std::string bytes;
  for (const OutputMark& mark : marks) {
    const Record record = {static_cast<uint64_t>(mark.until) << 1 | (mark.is_stderr ? 1 : 0),
                           mark.unix_ms};
    bytes.append(reinterpret_cast<const char*>(&record), sizeof(record));
  }
  return bytes;
}

std::vector<OutputMark> DecodeMarks(std::string_view bytes) {
  std::vector<OutputMark> marks;
  for (size_t at = 0; at + kMarkBytes <= bytes.size(); at += kMarkBytes) {
    Record record;
    std::memcpy(&record, bytes.data() + at, sizeof(record));
    marks.push_back(
        {(record.position & 1) != 0, static_cast<int64_t>(record.position >> 1), record.unix_ms});
  }
  return marks;
}

std::vector<OutputMark> ThinOut(const std::vector<OutputMark>& marks) {
  std::vector<OutputMark> kept;
  std::array<size_t, 2> seen = {0, 0};
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (seen[mark->is_stderr]++ % 2 == 0) kept.push_back(*mark);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

void OutputMarks::Refresh() {
  struct stat info = {};
  if (fd_.valid() && fstat(fd_.get(), &info) == 0 && info.st_nlink == 0) {
    // It was thinned out, or its time is over: what was read still holds.
    fd_.reset();
  }
  if (!fd_.valid()) {
    fd_ = open_();
    if (!fd_.valid()) return;
    read_ = 0;
    spans_ = {};
  }
  std::string bytes(kReadBytes, '\0');
  for (;;) {
    const ssize_t got = pread(fd_.get(), bytes.data(), bytes.size(), read_);
    const size_t whole = got <= 0 ? 0 : static_cast<size_t>(got) / kMarkBytes * kMarkBytes;
    if (whole == 0) return;
    for (const OutputMark& mark : DecodeMarks(std::string_view(bytes).substr(0, whole))) {
      std::vector<Span>& spans = spans_[mark.is_stderr];
      if (spans.empty() || mark.until > spans.back().until) {
        spans.push_back({mark.until, mark.unix_ms});
      }
    }
    read_ += static_cast<int64_t>(whole);
  }
}

std::optional<OutputMarks::Span> OutputMarks::Of(bool is_stderr, int64_t offset) const {
  const std::vector<Span>& spans = spans_[is_stderr];
  const auto found =
      std::upper_bound(spans.begin(), spans.end(), offset,
                       [](int64_t position, const Span& span) { return position < span.until; });
  if (found == spans.end()) return std::nullopt;
  return *found;
}

}  // namespace berth::agentd
