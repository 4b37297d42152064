#include "base/build_info.h"

namespace berth::base {

std::string_view Version() { return BERTH_VERSION; }

std::string BuildDescription() {
#if defined(__clang__)
  const std::string compiler = "clang++ " + std::string(__clang_version__);
#else
  const std::string compiler = "g++ " + std::string(__VERSION__);
#endif
  return compiler + ", " + BERTH_BUILD_TYPE;
}

}  // namespace berth::base
