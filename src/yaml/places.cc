#include "yaml/places.h"

#include <cstddef>
#include <utility>

#include "base/strings.h"

namespace berth::yaml {

Places::Places(std::string file, const Value& root) : file_(std::move(file)) { Add("", root); }

void Places::Add(const std::string& path, const Value& value) {
  if (!path.empty()) positions_[path] = value.position();
  if (value.is_map()) {
    for (const Value::Entry& entry : value.map()) {
      Add(path.empty() ? entry.key : path + "." + entry.key, entry.value);
    }
  } else if (value.is_list()) {
    for (std::size_t i = 0; i < value.list().size(); ++i) {
      Add(path + "[" + std::to_string(i) + "]", value.list()[i]);
    }
  }
}

absl::Status Places::Locate(const absl::Status& status) const {
  const std::string message = base::S(status.message());
  // What stands before the first colon may be a path; shorten it until it is one that is there.
  std::string path = message.substr(0, message.find(':'));
  while (!path.empty()) {
    const auto at = positions_.find(path);
    if (at != positions_.end()) {
      return absl::Status(status.code(), file_ + ":" + std::to_string(at->second.line) + ":" +
                                             std::to_string(at->second.column) + ": " + message);
    }
    const std::size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
  return status;
}

}  // namespace berth::yaml
