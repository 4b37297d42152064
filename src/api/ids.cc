#include "api/ids.h"

#include <charconv>
#include <optional>
#include <string>

#include "base/strings.h"
#include "base/utf8.h"
#include "wire/names.h"

namespace berth::api {
namespace {

constexpr size_t kLongestId = 128;

// A number has one spelling: no sign, no leading zero.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Quoted(std::string_view text) {
  if (text.size() > kLongestId) return "a text of " + std::to_string(text.size()) + " bytes";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "a text with control characters";
  }
  return "\"" + std::string(text) + "\"";
}

absl::Status NotAnId(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError(Quoted(text) + ": " + why +
                                    "; a job is written 12, a task 12.3 or 12.worker.3");
}

}  // namespace

absl::StatusOr<JobId> ParseJobId(std::string_view text) {
  const auto job = ParseNumber(text);
  if (!job || *job == 0) {
    return absl::InvalidArgumentError(Quoted(text) + ": not the id of a job, which is a number " +
                                      "such as 12");
  }
  return JobId{*job};
}

absl::StatusOr<state::ObjectRef> ParseObjectRef(std::string_view text, Attempts attempts) {
  state::ObjectRef ref;
  std::string_view rest = text;
  if (const size_t hash = rest.find('#'); hash != std::string_view::npos) {
    if (attempts == Attempts::kRefused) {
      return NotAnId(text, "an attempt cannot be named here, only its task");
    }
    const auto number = ParseNumber(rest.substr(hash + 1));
    if (!number || *number == 0 || *number > UINT32_MAX) {
      return NotAnId(text, "after # comes the number of an attempt, from 1");
    }
    ref.attempt = static_cast<uint32_t>(*number);
    rest = rest.substr(0, hash);
  }

  const size_t dot = rest.find('.');
  const auto job = ParseNumber(rest.substr(0, dot));
  if (!job || *job == 0) return NotAnId(text, "not an id");
  ref.job = JobId{*job};
  if (dot == std::string_view::npos) {
    if (ref.attempt != 0) return NotAnId(text, "an attempt is named with its task, as in 12.0#1");
    return ref;
  }

  rest = rest.substr(dot + 1);
  if (const size_t last = rest.rfind('.'); last != std::string_view::npos) {
    ref.group = std::string(rest.substr(0, last));
    if (!wire::kGroupName.matches(ref.group)) {
      return NotAnId(text, "between the dots comes the name of a group");
    }
    rest = rest.substr(last + 1);
  }
  const auto index = ParseNumber(rest);
  if (!index || *index > static_cast<uint64_t>(kMostIndex)) {
    return NotAnId(text,
                   "after the last dot comes an array index, 0 to " + std::to_string(kMostIndex));
  }
  ref.has_task = true;
  ref.index = static_cast<int64_t>(*index);
  return ref;
}

}  // namespace berth::api
