#include "common/args_reader.h"

#include <algorithm>
#include <sstream>

namespace berth::plugins {
namespace {

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string Joined(std::initializer_list<std::string_view> names) {
  std::string joined;
  for (std::string_view name : names) {
    if (!joined.empty()) joined += ", ";
    joined += name;
  }
  return joined;
}

}  // namespace

std::string Describe(const PluginArgs& value) {
  if (const bool* b = value.as_bool()) return *b ? "true" : "false";
  if (const int64_t* i = value.as_int()) return "the integer " + std::to_string(*i);
  if (const double* d = value.as_double()) {
    std::ostringstream text;
    text << "the number " << *d;
    return text.str();
  }
  if (const std::string* s = value.as_string()) return Quoted(*s);
  if (value.as_list() != nullptr) return "a list";
  if (value.as_map() != nullptr) return "a map";
  return "nothing";
}

absl::Status WrongArgument(std::string_view path, std::string_view what) {
  return absl::InvalidArgumentError(std::string(path) + ": " + std::string(what));
}

absl::StatusOr<ArgsReader> ArgsReader::Open(const PluginArgs& args, std::string path,
                                            std::initializer_list<std::string_view> accepted) {
  if (args.is_null()) return ArgsReader(nullptr, std::move(path));
  const PluginArgs::Map* map = args.as_map();
  if (map == nullptr) return WrongArgument(path, "must be a map, is " + Describe(args));
  const ArgsReader reader(map, std::move(path));
  for (const auto& [name, value] : *map) {
    if (std::find(accepted.begin(), accepted.end(), std::string_view(name)) != accepted.end()) {
      continue;
    }
    return WrongArgument(reader.Path(name),
                         accepted.size() == 0 ? "unknown argument; the plugin has none"
                                              : "unknown argument; accepted: " + Joined(accepted));
  }
  return reader;
}

const PluginArgs* ArgsReader::Find(std::string_view name) const {
  if (map_ == nullptr) return nullptr;
  const auto it = map_->find(std::string(name));
  return it == map_->end() || it->second.is_null() ? nullptr : &it->second;
}

std::string ArgsReader::Path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

absl::StatusOr<std::string> ArgsReader::Choice(
    std::string_view name, std::initializer_list<std::string_view> choices) const {
  const PluginArgs* value = Find(name);
  if (value == nullptr) return std::string(*choices.begin());
  const std::string* text = value->as_string();
  if (text == nullptr || std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    return WrongArgument(Path(name),
                         "must be one of " + Joined(choices) + ", is " + Describe(*value));
  }
  return *text;
}

absl::StatusOr<std::string> ArgsReader::Text(std::string_view name) const {
  const PluginArgs* value = Find(name);
  if (value == nullptr) return WrongArgument(Path(name), "is missing");
  const std::string* text = value->as_string();
  if (text == nullptr || text->empty()) {
    return WrongArgument(Path(name), "must be a name, is " + Describe(*value));
  }
  return *text;
}

absl::StatusOr<int64_t> ArgsReader::Integer(std::string_view name, int64_t least,
                                            int64_t most) const {
  const PluginArgs* value = Find(name);
  if (value == nullptr) return WrongArgument(Path(name), "is missing");
  const int64_t* number = value->as_int();
  if (number == nullptr || *number < least || *number > most) {
    return WrongArgument(Path(name), "must be an integer from " + std::to_string(least) + " to " +
                                         std::to_string(most) + ", is " + Describe(*value));
  }
  return *number;
}

absl::StatusOr<int64_t> ArgsReader::IntegerOr(std::string_view name, int64_t least, int64_t most,
                                              int64_t fallback) const {
  if (Find(name) == nullptr) return fallback;
  return Integer(name, least, most);
}

absl::StatusOr<bool> ArgsReader::FlagOr(std::string_view name, bool fallback) const {
  const PluginArgs* value = Find(name);
  if (value == nullptr) return fallback;
  if (const bool* flag = value->as_bool()) return *flag;
  return WrongArgument(Path(name), "must be true or false, is " + Describe(*value));
}

absl::StatusOr<const PluginArgs::List*> ArgsReader::List(std::string_view name, size_t most) const {
  const PluginArgs* value = Find(name);
  if (value == nullptr) return static_cast<const PluginArgs::List*>(nullptr);
  const PluginArgs::List* list = value->as_list();
  if (list == nullptr || list->empty() || list->size() > most) {
    return WrongArgument(
        Path(name),
        "must be a list of 1 to " + std::to_string(most) + " entries, is " +
            (list == nullptr ? Describe(*value) : "one of " + std::to_string(list->size())));
  }
  return list;
}

absl::Status AcceptNoArguments(const PluginArgs& args) {
  return ArgsReader::Open(args, "", {}).status();
}

}  // namespace berth::plugins
