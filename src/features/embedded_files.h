// Files of config/features, as part of the program.
#pragma once

#include <string_view>

namespace berth::features {

extern const std::string_view kEmbeddedRules;
extern const std::string_view kEmbeddedPrompt;
extern const std::string_view kEmbeddedSchema;

}  // namespace berth::features
