// What a submission says about itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace berth::features {

// Text of one group of tasks, as it was submitted: of any content, UTF-8 or not. Empty: not given.
//
// Views: what they are of outlives this.
struct JobText {
  std::string_view name;
  std::string_view description;
  std::string_view script;
  std::span<const std::string> command;  // argv
  std::string_view image;
};

}  // namespace berth::features
