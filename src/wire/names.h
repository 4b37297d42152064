// What names may look like, in one place for everything that comes from the network.
#pragma once

#include <string>
#include <string_view>

#include "wire/field_path.h"

namespace berth::wire {

// One sort of name.
struct NameRule {
  const char* pattern;  // as an anchored regular expression, for people
  bool (*matches)(std::string_view text);
};

extern const NameRule kJobName;           // [A-Za-z0-9_.-]{1,63}
extern const NameRule kNamespaceName;     // [A-Za-z0-9_.-]{1,63}
extern const NameRule kGroupName;         // [a-z][a-z0-9-]{0,62}
extern const NameRule kNodeName;          // [a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?
extern const NameRule kLabelKey;          // [A-Za-z0-9_./-]{1,253}
extern const NameRule kExtendedResource;  // [a-z][a-z0-9_./-]{0,62}
extern const NameRule kDeviceKind;        // [a-z][a-z0-9_.-]{0,62}
extern const NameRule kVariableName;      // [A-Za-z_][A-Za-z0-9_]{0,254}

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
