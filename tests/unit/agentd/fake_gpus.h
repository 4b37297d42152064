#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "tests/support/file_tree.h"

namespace berth::agentd {

// GPUs out of a script: see tests/support/fake_nvml.cc for what it says. One at a time.
class FakeGpus {
 public:
  // No driver, until Set.
  FakeGpus() { setenv("BERTH_FAKE_NVML", tree_.At("/gpus").c_str(), 1); }
  explicit FakeGpus(const std::string& script) : FakeGpus() { Set(script); }
  FakeGpus(const FakeGpus&) = delete;
  FakeGpus& operator=(const FakeGpus&) = delete;
  ~FakeGpus() { unsetenv("BERTH_FAKE_NVML"); }

  // Whole, as a reader may look at any moment.
  void Set(const std::string& script) const {
    tree_.Write("/gpus.new", script);
    std::filesystem::rename(tree_.At("/gpus.new"), tree_.At("/gpus"));
  }

  [[nodiscard]] static std::string Library() {
    const char* build = getenv("BERTH_BUILD_DIR");
    return std::string(build == nullptr ? "build/release" : build) +
           "/tests/nvml/libnvidia-ml.so.1";
  }
  // With /sys.
  [[nodiscard]] const berth::testing::FileTree& tree() const { return tree_; }

 private:
  const berth::testing::FileTree tree_;
};

}  // namespace berth::agentd
