// Names to small numbers and back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace berth::state {

// Gives each distinct string a number, in order of first sight. Nothing is ever removed: the set
// of label values, taints, kinds and models of a cluster is small and bounded at admission.
//
// Threading: owned by the loop's thread.
class Dictionary {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Number of `name`, given now if it is new.
  uint32_t Intern(std::string_view name);
  // Number of `name`, or kNone.
  uint32_t Find(std::string_view name) const;
  // REQUIRES: id < size(). Valid for as long as the dictionary lives.
  const std::string& Name(uint32_t id) const;
  uint32_t size() const { return static_cast<uint32_t>(names_.size()); }

 private:
  std::map<std::string, uint32_t, std::less<>> ids_;
  std::vector<const std::string*> names_;  // into ids_, whose nodes do not move
};

}  // namespace berth::state
