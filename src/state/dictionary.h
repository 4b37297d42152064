// Names to small numbers and back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace berth::state {

// Gives each distinct string a number. What nodes and profiles say is kept for ever: a cluster has
// few of those. What jobs say is kept while somebody uses it, and its number is given again.
//
// Threading: owned by the loop's thread.
class Dictionary {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Number of `name`, given now if it is new; it keeps it for ever.
  uint32_t Intern(std::string_view name);
  // As above, with one user more: it keeps it until the last one has called Release.
  uint32_t Acquire(std::string_view name);
  // One user more of what has one. REQUIRES: the id is in use.
  void AddUser(uint32_t id) { ++entries_[id].users; }
  // REQUIRES: one Acquire or AddUser for each call.
  void Release(uint32_t id);
  // Number of `name`, or kNone.
  uint32_t Find(std::string_view name) const;
  // REQUIRES: the id is in use. Valid while it is.
  const std::string& Name(uint32_t id) const;
  // Ids are below this.
  uint32_t size() const { return static_cast<uint32_t>(entries_.size()); }

 private:
  struct Entry {
    const std::string* name = nullptr;  // into ids_, whose nodes do not move; null: free
    int64_t users = 0;
    bool for_ever = false;
  };

  Entry& EntryOf(std::string_view name, uint32_t& id);

  std::map<std::string, uint32_t, std::less<>> ids_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
};

}  // namespace berth::state
