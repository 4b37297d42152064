// Checks of what comes from the network: names, and texts.
#pragma once

#include <string>
#include <string_view>

#include "base/name_rules.h"
#include "wire/field_path.h"

namespace berth::wire {

using base::kDeviceKind;
using base::kExtendedResource;
using base::kGroupName;
using base::kJobName;
using base::kLabelKey;
using base::kNamespaceName;
using base::kNodeName;
using base::kVariableName;
using base::NameRule;

// Longest label or taint value, device id, model, ... in bytes.
inline constexpr size_t kMostValueBytes = 253;

// Each adds a violation and returns false when `text` is not allowed.
bool CheckName(const NameRule& rule, std::string_view text, const FieldPath& path,
               Violations& violations);
// Valid UTF-8 of at most `most_bytes`, without control characters.
bool CheckText(std::string_view text, size_t most_bytes, const FieldPath& path,
               Violations& violations);
// As CheckText, but line breaks and tabs are allowed.
bool CheckProse(std::string_view text, size_t most_bytes, const FieldPath& path,
                Violations& violations);
// What execve can take: valid UTF-8, and no byte 0.
bool CheckArgument(std::string_view text, const FieldPath& path, Violations& violations);

}  // namespace berth::wire
