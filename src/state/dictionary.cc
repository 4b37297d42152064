#include "state/dictionary.h"

#include "base/check.h"

namespace berth::state {

uint32_t Dictionary::Intern(std::string_view name) {
  if (auto it = ids_.find(name); it != ids_.end()) return it->second;
  const auto id = static_cast<uint32_t>(names_.size());
  const auto it = ids_.emplace(std::string(name), id).first;
  names_.push_back(&it->first);
  return id;
}

uint32_t Dictionary::Find(std::string_view name) const {
  const auto it = ids_.find(name);
  return it == ids_.end() ? kNone : it->second;
}

const std::string& Dictionary::Name(uint32_t id) const {
  BERTH_CHECK(id < names_.size());
  return *names_[id];
}

}  // namespace berth::state
