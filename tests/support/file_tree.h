#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace berth::testing {

// A folder that a test fills, as in the place of /sys.
class FileTree {
 public:
  // Path from the folder, with a slash before it: "/sys/block".
  [[nodiscard]] std::string At(const std::string& path) const { return folder_.path() + path; }
  [[nodiscard]] const std::string& root() const { return folder_.path(); }

  void Write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(At(path)).parent_path());
    std::ofstream(At(path), std::ios::binary | std::ios::trunc) << text;
  }
  void Folder(const std::string& path) const { std::filesystem::create_directories(At(path)); }
  void Remove(const std::string& path) const { std::filesystem::remove_all(At(path)); }
  void Link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(At(path)).parent_path());
    std::filesystem::create_symlink(target, At(path));
  }

 private:
  const TempDir folder_;
};

}  // namespace berth::testing
