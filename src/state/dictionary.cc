#include "state/dictionary.h"

#include "base/check.h"

namespace berth::state {

Dictionary::Entry& Dictionary::EntryOf(std::string_view name, uint32_t& id) {
  if (const auto it = ids_.find(name); it != ids_.end()) {
    id = it->second;
    return entries_[id];
  }
  if (free_.empty()) {
    id = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id] = {.name = &ids_.emplace(std::string(name), id).first->first};
  return entries_[id];
}

uint32_t Dictionary::Intern(std::string_view name) {
  uint32_t id = kNone;
  EntryOf(name, id).for_ever = true;
  return id;
}

uint32_t Dictionary::Acquire(std::string_view name) {
  uint32_t id = kNone;
  ++EntryOf(name, id).users;
  return id;
}

void Dictionary::Release(uint32_t id) {
  BERTH_CHECK(id < entries_.size() && entries_[id].users > 0);
  Entry& entry = entries_[id];
  if (--entry.users > 0 || entry.for_ever) return;
  ids_.erase(ids_.find(*entry.name));
  entry = {};
  free_.push_back(id);
}

uint32_t Dictionary::Find(std::string_view name) const {
  const auto it = ids_.find(name);
  return it == ids_.end() ? kNone : it->second;
}

const std::string& Dictionary::Name(uint32_t id) const {
  BERTH_CHECK(id < entries_.size() && entries_[id].name != nullptr);
  return *entries_[id].name;
}

}  // namespace berth::state
