// Has a function of that name, which returns something else.
#include <cstdint>

extern "C" const void* berth_plugin_library() {
  static constexpr uint64_t kOther[4] = {1, 2, 3, 4};
  return kOther;
}
