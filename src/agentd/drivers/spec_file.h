#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "shim/spec_view.h"

namespace berth::agentd {

// A spec file's bytes, kept and read.
//
// Threading: plain data. Errors: fault().
class SpecFile {
 public:
  explicit SpecFile(std::string_view bytes);
  SpecFile(const SpecFile&) = delete;
  SpecFile& operator=(const SpecFile&) = delete;

  // What is wrong with it; nullptr: nothing.
  [[nodiscard]] const char* fault() const { return fault_; }
  // REQUIRES: fault() is nullptr.
  [[nodiscard]] const shim::SpecView& view() const { return view_; }

 private:
  std::vector<uint64_t> words_;  // aligned, as the parser wants it
  std::vector<char*> pointers_;
  shim::SpecView view_;
  const char* fault_;
};

}  // namespace berth::agentd
