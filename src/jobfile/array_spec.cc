#include "jobfile/array_spec.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::jobfile {
namespace {

constexpr char kAccepted[] = "write an array as 0-99, 1,3,5-8, 0-10:2 or 0-99%10";

absl::Status Refuse(std::string_view part, const std::string& why) {
  constexpr std::size_t kMaxQuoted = 40;
  std::string quoted;
  for (const char c : part.substr(0, kMaxQuoted)) {
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  if (part.size() > kMaxQuoted) quoted += "...";
  return absl::InvalidArgumentError("array: \"" + quoted + "\" " + why);
}

// The text before the first `separator`; the rest, without it, stays in `text`.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return head;
}

absl::StatusOr<int64_t> ParseIndex(std::string_view range, std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789_") != std::string_view::npos) {
    return Refuse(range, std::string("is not a range of indices: ") + kAccepted);
  }
  absl::StatusOr<int64_t> index = base::ParseCount(text, 0, kMaxIndex);
  if (!index.ok()) return Refuse(range, "has an index above " + std::to_string(kMaxIndex));
  return index;
}

absl::StatusOr<v1::IndexRange> ParseRange(std::string_view text) {
  v1::IndexRange range;
  std::string_view rest = text;
  std::string_view ends = TakeUntil(rest, ':');
  const bool has_step = ends.size() < text.size();
  if (has_step) {
    const absl::StatusOr<int64_t> step = base::ParseCount(rest, 1, kMaxIndex);
    if (!step.ok()) return Refuse(text, "needs a step of 1 or more after the colon");
    range.set_step(*step);
  }
  const std::string_view whole = ends;
  const std::string_view first = TakeUntil(ends, '-');
  BERTH_ASSIGN_OR_RETURN(const int64_t first_index, ParseIndex(text, first));
  range.set_first(first_index);
  range.set_last(first_index);
  if (first.size() < whole.size()) {
    BERTH_ASSIGN_OR_RETURN(const int64_t last_index, ParseIndex(text, ends));
    if (last_index < first_index) return Refuse(text, "descends: write the lower index first");
    range.set_last(last_index);
  } else if (has_step) {
    return Refuse(text, "has a step but no range");
  }
  return range;
}

int64_t Step(const v1::IndexRange& range) { return std::max<int64_t>(range.step(), 1); }

}  // namespace

absl::StatusOr<v1::ArraySpec> ParseArraySpec(std::string_view text) {
  v1::ArraySpec array;
  std::string_view limit = text;
  std::string_view ranges = TakeUntil(limit, '%');
  if (ranges.empty()) return Refuse(text, std::string("names no index: ") + kAccepted);
  if (ranges.size() < text.size()) {
    const absl::StatusOr<int64_t> most =
        base::ParseCount(limit, 1, std::numeric_limits<int32_t>::max());
    if (!most.ok()) return Refuse(text, "needs a number of 1 or more after %");
    array.set_max_running(static_cast<int32_t>(*most));
  }

  int64_t tasks = 0;
  if (ranges.back() == ',') return Refuse(text, "ends in a comma");
  while (!ranges.empty()) {
    const std::string_view part = TakeUntil(ranges, ',');
    BERTH_ASSIGN_OR_RETURN(const v1::IndexRange range, ParseRange(part));
    if (array.ranges_size() > 0) {
      const v1::IndexRange& before = array.ranges(array.ranges_size() - 1);
      if (range.first() <= before.last()) {
        return Refuse(part,
                      "overlaps or precedes what stands before it: name each index once, in "
                      "ascending order");
      }
    }
    if (array.ranges_size() == kMaxIndexRanges) {
      return Refuse(text, "has more than " + std::to_string(kMaxIndexRanges) + " ranges");
    }
    *array.add_ranges() = range;
    tasks += (range.last() - range.first()) / Step(range) + 1;
    if (tasks > kMaxTasks) {
      return Refuse(text, "has more than " + std::to_string(kMaxTasks) + " tasks");
    }
  }
  return array;
}

std::string FormatArraySpec(const v1::ArraySpec& array) {
  std::string text;
  for (const v1::IndexRange& range : array.ranges()) {
    if (!text.empty()) text += ',';
    text += std::to_string(range.first());
    if (range.last() != range.first()) {
      text += '-' + std::to_string(range.last());
      if (Step(range) != 1) text += ':' + std::to_string(range.step());
    }
  }
  if (array.max_running() > 0) text += '%' + std::to_string(array.max_running());
  return text;
}

int64_t CountTasks(const v1::ArraySpec& array) {
  int64_t tasks = 0;
  for (const v1::IndexRange& range : array.ranges()) {
    tasks += (range.last() - range.first()) / Step(range) + 1;
  }
  return tasks;
}

}  // namespace berth::jobfile
