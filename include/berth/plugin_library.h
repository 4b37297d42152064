// A library of plugins: what a shared object in berthd's `pluginDir` exports, and how berthd knows
// that the two fit together.
//
//   #include "berth/plugin_library.h"
//   BERTH_PLUGINS({"LabelPreference", MakeLabelPreference});  // in one file, outside of namespaces
//
// C++ has no binary interface that would hold between any two compilers and headers, so berthd
// takes a library only when its fingerprint is the daemon's own: docs/write_a_plugin.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/base/config.h"
#include "berth/plugin_registry.h"
#include "berth/sdk_hash.h"  // made by the build, and installed with the others

#if !defined(__cpp_rtti)
#error "berthd asks plugins for their extension points by dynamic_cast: build without -fno-rtti"
#endif

namespace berth {

// Version of the interface that these headers are. 0: unstable, nothing is promised from one build
// of the headers to the next, and BERTH_SDK_HASH decides. From release 1.0 on it is raised by each
// change that a library would notice.
#define BERTH_PLUGIN_ABI_VERSION 0
inline constexpr uint32_t kPluginAbiVersion = BERTH_PLUGIN_ABI_VERSION;

// "berthplg". No other function of that name returns it by chance.
inline constexpr uint64_t kPluginLibraryMagic = 0x67'6c'70'68'74'72'65'62;

// ---- the fingerprint: all of a build that objects and calls between the two depend on ----

#define BERTH_ABI_TEXT_(...) #__VA_ARGS__
#define BERTH_ABI_TEXT(...) BERTH_ABI_TEXT_(__VA_ARGS__)

#if defined(__clang__)
#define BERTH_ABI_COMPILER                                                                           \
  "clang++ " BERTH_ABI_TEXT(__clang_major__) "." BERTH_ABI_TEXT(__clang_minor__) "." BERTH_ABI_TEXT( \
      __clang_patchlevel__) " abi-" BERTH_ABI_TEXT(__GXX_ABI_VERSION)
#elif defined(__GNUC__)
#define BERTH_ABI_COMPILER                                                               \
  "g++ " BERTH_ABI_TEXT(__GNUC__) "." BERTH_ABI_TEXT(__GNUC_MINOR__) "." BERTH_ABI_TEXT( \
      __GNUC_PATCHLEVEL__) " abi-" BERTH_ABI_TEXT(__GXX_ABI_VERSION)
#else
#error "plugins are built with g++ or clang++"
#endif

#if defined(_GLIBCXX_DEBUG)
#define BERTH_ABI_DEBUG_MODE " debug"
#else
#define BERTH_ABI_DEBUG_MODE ""
#endif
#if defined(_GLIBCXX_RELEASE)
#define BERTH_ABI_LIBRARY                                                     \
  "libstdc++ " BERTH_ABI_TEXT(_GLIBCXX_RELEASE) " cxx11-abi-" BERTH_ABI_TEXT( \
      _GLIBCXX_USE_CXX11_ABI) BERTH_ABI_DEBUG_MODE
#elif defined(_LIBCPP_VERSION)
#define BERTH_ABI_LIBRARY \
  "libc++ " BERTH_ABI_TEXT(_LIBCPP_VERSION) " abi-" BERTH_ABI_TEXT(_LIBCPP_ABI_VERSION)
#else
#error "plugins are built with libstdc++ or libc++"
#endif

#if defined(ABSL_LTS_RELEASE_VERSION)
#define BERTH_ABI_ABSL_RELEASE \
  BERTH_ABI_TEXT(ABSL_LTS_RELEASE_VERSION) "." BERTH_ABI_TEXT(ABSL_LTS_RELEASE_PATCH_LEVEL)
#else
#define BERTH_ABI_ABSL_RELEASE "head"
#endif
#if ABSL_OPTION_USE_INLINE_NAMESPACE
#define BERTH_ABI_ABSL_NAMESPACE BERTH_ABI_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME)
#else
#define BERTH_ABI_ABSL_NAMESPACE "absl"
#endif
// Which of its types are the standard's: any, optional, string_view, variant.
#define BERTH_ABI_ABSL                                                                         \
  "absl " BERTH_ABI_ABSL_RELEASE " " BERTH_ABI_ABSL_NAMESPACE                                  \
  " std-" BERTH_ABI_TEXT(ABSL_OPTION_USE_STD_ANY) BERTH_ABI_TEXT(ABSL_OPTION_USE_STD_OPTIONAL) \
      BERTH_ABI_TEXT(ABSL_OPTION_USE_STD_STRING_VIEW) BERTH_ABI_TEXT(ABSL_OPTION_USE_STD_VARIANT)

// UBSan changes no object and is in no macro; it may be in one of the two.
#if defined(__has_feature)
#define BERTH_ABI_HAS_FEATURE(feature) __has_feature(feature)
#else
#define BERTH_ABI_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || BERTH_ABI_HAS_FEATURE(address_sanitizer)
#define BERTH_ABI_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__) || BERTH_ABI_HAS_FEATURE(thread_sanitizer)
#define BERTH_ABI_SANITIZER "thread"
#elif BERTH_ABI_HAS_FEATURE(memory_sanitizer)
#define BERTH_ABI_SANITIZER "memory"
#else
#define BERTH_ABI_SANITIZER "none"
#endif

// Of whoever includes this; berthd compares it with its own, as text. No variable: the loader would
// give two libraries the same one.
#define BERTH_PLUGIN_FINGERPRINT                                                  \
  BERTH_ABI_COMPILER                                                              \
  "; C++ " BERTH_ABI_TEXT(__cplusplus) "; " BERTH_ABI_LIBRARY "; " BERTH_ABI_ABSL \
                                       "; sanitizer " BERTH_ABI_SANITIZER         \
                                       "; plugin ABI " BERTH_ABI_TEXT(            \
                                           BERTH_PLUGIN_ABI_VERSION) "; sdk " BERTH_SDK_HASH

// Where it stands in the library's file, so that berthd can read it before anything of the library
// runs: static initialisers, or the runtime of a sanitizer that ends whom it was not linked to.
#define BERTH_PLUGIN_SECTION ".berth_plugin"

// ---- the entry point ----

// What a library says of itself. Plain data, that can be read before anything of it is believed:
// the first two members stay where they are in every version, the others are read when the version
// is one's own.
struct PluginLibrary {
  uint64_t magic = kPluginLibraryMagic;
  uint32_t abi_version = kPluginAbiVersion;
  const char* fingerprint = BERTH_PLUGIN_FINGERPRINT;
  // Called once, at berthd's start, before there are other threads. What it throws refuses the
  // library, and nothing of it is registered.
  void (*register_plugins)(PluginRegistrar& registrar) = nullptr;
};
static_assert(std::is_standard_layout_v<PluginLibrary> && offsetof(PluginLibrary, magic) == 0 &&
              offsetof(PluginLibrary, abi_version) == 8);

// The one symbol that berthd looks for.
inline constexpr char kPluginLibraryEntry[] = "berth_plugin_library";
using PluginLibraryEntry = const PluginLibrary* (*)();

}  // namespace berth

// Makes the shared object a library of plugins, which `function`, a void(PluginRegistrar&),
// registers.
#define BERTH_PLUGIN_LIBRARY(function)                                                          \
  extern "C" __attribute__((visibility("default"))) const ::berth::PluginLibrary*               \
  berth_plugin_library() {                                                                      \
    __attribute__((section(BERTH_PLUGIN_SECTION), used)) static constexpr char kFingerprint[] = \
        BERTH_PLUGIN_FINGERPRINT;                                                               \
    static constexpr ::berth::PluginLibrary kLibrary = {.fingerprint = kFingerprint,            \
                                                        .register_plugins = function};          \
    return &kLibrary;                                                                           \
  }                                                                                             \
  static_assert(true)

// The same for a list of plugins, each a berth::PluginEntry: {NAME, FACTORY}.
#define BERTH_PLUGINS(...)                                                \
  static void BerthRegisterPlugins(::berth::PluginRegistrar& registrar) { \
    static constexpr ::berth::PluginEntry kPlugins[] = {__VA_ARGS__};     \
    ::berth::RegisterPlugins(kPlugins, registrar);                        \
  }                                                                       \
  BERTH_PLUGIN_LIBRARY(BerthRegisterPlugins)
