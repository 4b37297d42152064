#include "features/api_key.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/small_file.h"
#include "tests/support/status_text.h"
#include "tests/support/temp_dir.h"

namespace berth::features {
namespace {

using testing::Text;

class ApiKeyTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& contents, mode_t mode) {
    const std::string path = folder_.path() + "/key";
    EXPECT_EQ(Text(base::WriteFileAtomically(path, contents)), "OK");
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  testing::TempDir folder_;
};

TEST_F(ApiKeyTest, IsReadFromAFileOrAVariable) {
  EXPECT_EQ(*ReadApiKey("", ""), "");
  EXPECT_EQ(*ReadApiKey(Write("sk-test\n", 0600), ""), "sk-test");
  EXPECT_EQ(*ReadApiKey(Write("sk-test\n", 0440), ""), "sk-test");
  ASSERT_EQ(::setenv("BERTH_TEST_API_KEY", "sk-env", 1), 0);
  EXPECT_EQ(*ReadApiKey("", "BERTH_TEST_API_KEY"), "sk-env");
  ::unsetenv("BERTH_TEST_API_KEY");
  EXPECT_EQ(Text(ReadApiKey("", "BERTH_TEST_API_KEY")),
            "NOT_FOUND: environment variable BERTH_TEST_API_KEY: is not set; set it to the "
            "server's key, or use keyFile");
}

TEST_F(ApiKeyTest, IsRefusedWhereOthersMayUseIt) {
  for (const mode_t mode : {0604, 0602, 0644}) {
    const auto key = ReadApiKey(Write("sk-test", mode), "");
    EXPECT_EQ(key.status().code(), absl::StatusCode::kPermissionDenied) << mode;
    EXPECT_EQ(Text(key).find("sk-test"), std::string::npos);
  }
}

TEST_F(ApiKeyTest, IsRefusedWhenItIsNone) {
  EXPECT_EQ(ReadApiKey(Write("\n", 0600), "").status().code(), absl::StatusCode::kNotFound);
  const auto key = ReadApiKey(Write("two\nlines", 0600), "");
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument) << "a header of its own";
  EXPECT_EQ(Text(key).find("two"), std::string::npos) << "what is in it is not told";
  EXPECT_EQ(ReadApiKey(folder_.path(), "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadApiKey(folder_.path() + "/none", "").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace berth::features
