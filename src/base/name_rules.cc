#include "base/name_rules.h"

#include <algorithm>
#include <cstddef>

namespace berth::base {
namespace {

constexpr bool IsLowerCase(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool IsNumeral(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetterOrNumeral(char c) {
  return IsLowerCase(c) || (c >= 'A' && c <= 'Z') || IsNumeral(c);
}

template <typename Allowed>
bool AllAre(std::string_view text, size_t most, Allowed allowed) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), allowed);
}

bool IsPlainName(std::string_view text) {
  return AllAre(text, 63,
                [](char c) { return IsLetterOrNumeral(c) || c == '_' || c == '.' || c == '-'; });
}

bool IsGroupName(std::string_view text) {
  return AllAre(text, 63, [](char c) { return IsLowerCase(c) || IsNumeral(c) || c == '-'; }) &&
         IsLowerCase(text.front());
}

bool IsNodeName(std::string_view text) {
  const auto is_end = [](char c) { return IsLowerCase(c) || IsNumeral(c); };
  return AllAre(text, 253, [&](char c) { return is_end(c) || c == '.' || c == '-'; }) &&
         is_end(text.front()) && is_end(text.back());
}

bool IsLabelKey(std::string_view text) {
  return AllAre(text, 253, [](char c) {
    return IsLetterOrNumeral(c) || c == '_' || c == '.' || c == '/' || c == '-';
  });
}

bool IsExtendedResource(std::string_view text) {
  return AllAre(text, 63,
                [](char c) {
                  return IsLowerCase(c) || IsNumeral(c) || c == '_' || c == '.' || c == '/' ||
                         c == '-';
                }) &&
         IsLowerCase(text.front());
}

bool IsDeviceKind(std::string_view text) {
  return AllAre(text, 63,
                [](char c) {
                  return IsLowerCase(c) || IsNumeral(c) || c == '_' || c == '.' || c == '-';
                }) &&
         IsLowerCase(text.front());
}

bool IsVariableName(std::string_view text) {
  return AllAre(text, 255, [](char c) { return IsLetterOrNumeral(c) || c == '_'; }) &&
         !IsNumeral(text.front());
}

}  // namespace

const NameRule kJobName = {"[A-Za-z0-9_.-]{1,63}", IsPlainName};
const NameRule kNamespaceName = {"[A-Za-z0-9_.-]{1,63}", IsPlainName};
const NameRule kGroupName = {"[a-z][a-z0-9-]{0,62}", IsGroupName};
const NameRule kNodeName = {"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", IsNodeName};
const NameRule kLabelKey = {"[A-Za-z0-9_./-]{1,253}", IsLabelKey};
const NameRule kExtendedResource = {"[a-z][a-z0-9_./-]{0,62}", IsExtendedResource};
const NameRule kDeviceKind = {"[a-z][a-z0-9_.-]{0,62}", IsDeviceKind};
const NameRule kVariableName = {"[A-Za-z_][A-Za-z0-9_]{0,254}", IsVariableName};

}  // namespace berth::base
