// What names may look like, in one place for the network and for files.
#pragma once

#include <string_view>

namespace berth::base {

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

}  // namespace berth::base
