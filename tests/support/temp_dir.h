#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "base/check.h"

namespace berth::testing {

// A folder of its own for one test, under TMPDIR or /tmp, removed with all it holds when the object
// goes.
//
// Paths are short enough to hold a Unix socket.
class TempDir {
 public:
  TempDir() : path_((std::filesystem::temp_directory_path() / "berth-test-XXXXXX").string()) {
    BERTH_CHECK(::mkdtemp(path_.data()) != nullptr) << "cannot make " << path_;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    BERTH_CHECK(!error) << "cannot remove " << path_ << ": " << error.message();
  }

  // Without a slash at the end.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace berth::testing
