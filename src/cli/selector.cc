#include "cli/selector.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/quantities.h"
#include "base/status_macros.h"

namespace berth::cli {
namespace {

constexpr std::size_t kMostSelectors = 1000;

absl::Status RefuseSelector(std::string_view text) {
  constexpr std::size_t kMaxQuoted = 64;
  std::string quoted;
  for (const char c : text.substr(0, kMaxQuoted)) {
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return absl::InvalidArgumentError("\"" + quoted +
                                    "\" is no id: write a job as 12, a task as 12.3 or "
                                    "12.worker.3, an attempt as 12.3#2, several as 1,3,5-8; "
                                    "the newest job is last");
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 19 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsGroupName(std::string_view text) {
  if (text.empty() || text.size() > 63 || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// "12", "12.3", "12.worker.3", "last.3", without a range.
bool IsId(std::string_view text) {
  const std::size_t hash = text.find('#');
  if (hash != std::string_view::npos) {
    if (!IsNumber(text.substr(hash + 1))) return false;
    text = text.substr(0, hash);
  }
  const std::size_t first = text.find('.');
  if (!IsNumber(text.substr(0, first)) && text.substr(0, first) != "last") return false;
  if (first == std::string_view::npos) return true;
  const std::size_t last = text.rfind('.');
  if (last != first && !IsGroupName(text.substr(first + 1, last - first - 1))) return false;
  return IsNumber(text.substr(last + 1));
}

absl::Status AddOne(std::string_view text, std::vector<Selector>& selectors) {
  if (IsId(text)) {
    selectors.push_back({std::string(text)});
    return absl::OkStatus();
  }
  // A range: what stands before the first number, then FIRST-LAST.
  const std::size_t dash = text.rfind('-');
  if (dash == std::string_view::npos) return RefuseSelector(text);
  const std::string_view first_id = text.substr(0, dash);
  const std::size_t dot = first_id.rfind('.');
  const std::size_t start = dot == std::string_view::npos ? 0 : dot + 1;
  if (!IsId(first_id) || first_id.find('#') != std::string_view::npos ||
      !IsNumber(text.substr(dash + 1))) {
    return RefuseSelector(text);
  }
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const absl::StatusOr<int64_t> first = base::ParseCount(first_id.substr(start), 0, kMost);
  const absl::StatusOr<int64_t> last = base::ParseCount(text.substr(dash + 1), 0, kMost);
  if (!first.ok() || !last.ok() || *last < *first) return RefuseSelector(text);
  if (*last - *first >= static_cast<int64_t>(kMostSelectors)) {
    return absl::InvalidArgumentError("\"" + std::string(text) + "\" names more than " +
                                      std::to_string(kMostSelectors) + " ids");
  }
  for (int64_t id = *first; id <= *last; ++id) {
    selectors.push_back({std::string(first_id.substr(0, start)) + std::to_string(id)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Selector>> ParseSelectors(const std::vector<std::string>& arguments) {
  std::vector<Selector> selectors;
  for (std::string_view rest : arguments) {
    while (true) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view part = rest.substr(0, comma);
      for (const std::string_view prefix : {"job/", "task/"}) {
        if (part.starts_with(prefix)) part.remove_prefix(prefix.size());
      }
      BERTH_RETURN_IF_ERROR(AddOne(part, selectors));
      if (selectors.size() > kMostSelectors) {
        return absl::InvalidArgumentError("more than " + std::to_string(kMostSelectors) +
                                          " ids; name fewer at once");
      }
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return selectors;
}

}  // namespace berth::cli
