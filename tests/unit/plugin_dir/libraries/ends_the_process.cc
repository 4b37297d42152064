// Of another compiler, and whoever loads it finds out: as with the runtime of a sanitizer.
#include <cstdlib>

#include "berth/plugin_library.h"

namespace {

__attribute__((section(BERTH_PLUGIN_SECTION), used)) constexpr char kFingerprint[] = "g++ 2.95";

const bool ended = [] {
  std::abort();
  return true;
}();

}  // namespace

extern "C" const berth::PluginLibrary* berth_plugin_library() {
  static constexpr berth::PluginLibrary kLibrary = {.fingerprint = kFingerprint};
  return ended ? &kLibrary : nullptr;
}
