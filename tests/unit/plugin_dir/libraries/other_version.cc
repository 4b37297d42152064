// Of a later ABI, of which no more than the first two members can be read.
#include <cstdint>

#include "berth/plugin_library.h"

extern "C" const void* berth_plugin_library() {
  static constexpr struct {
    uint64_t magic = berth::kPluginLibraryMagic;
    uint32_t abi_version = 7;
  } kLibrary;
  return &kLibrary;
}
