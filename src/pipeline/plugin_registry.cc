#include "berth/plugin_registry.h"

#include <algorithm>
#include <utility>

#include "base/did_you_mean.h"

namespace berth {

void PluginRegistry::Register(std::string_view name, PluginFactory factory) {
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  if (known != entries_.end()) {
    known->factory = std::move(factory);
  } else {
    entries_.push_back({std::string(name), std::move(factory)});
  }
}

absl::StatusOr<std::unique_ptr<Plugin>> PluginRegistry::Make(std::string_view name,
                                                             const PluginArgs& args,
                                                             PluginContext& context) const {
  std::vector<std::string_view> known;
  for (const Entry& entry : entries_) {
    if (entry.name == name) return entry.factory(args, context);
    known.push_back(entry.name);
  }
  return absl::NotFoundError("no plugin is named \"" + std::string(name) + "\"" +
                             base::DidYouMean(name, known));
}

std::vector<std::string> PluginRegistry::Names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  return names;
}

}  // namespace berth
