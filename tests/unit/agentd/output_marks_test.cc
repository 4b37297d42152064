#include "agentd/output/output_marks.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

class OutputMarksTest : public ::testing::Test {
 protected:
  void Append(const std::vector<OutputMark>& marks) { AppendBytes(EncodeMarks(marks)); }
  void AppendBytes(const std::string& bytes) { std::ofstream(path_, std::ios::app) << bytes; }
  // "until@time"; empty: no mark.
  std::string Of(bool is_stderr, int64_t offset) {
    marks_.Refresh();
    const auto span = marks_.Of(is_stderr, offset);
    return span ? std::to_string(span->until) + "@" + std::to_string(span->unix_ms) : "";
  }

  berth::testing::TempDir folder_;
  const std::string path_ = folder_.path() + "/marks";
  OutputMarks marks_{[this] { return base::UniqueFd(open(path_.c_str(), O_RDONLY | O_CLOEXEC)); }};
};

TEST_F(OutputMarksTest, AByteHasTheTimeOfTheFirstMarkBehindIt) {
  EXPECT_EQ(Of(false, 0), "") << "there is no file yet";
  Append({{false, 10, 1000}, {true, 5, 1500}, {false, 20, 2000}});
  EXPECT_EQ(Of(false, 0), "10@1000");
  EXPECT_EQ(Of(false, 9), "10@1000");
  EXPECT_EQ(Of(false, 10), "20@2000");
  EXPECT_EQ(Of(false, 20), "");
  EXPECT_EQ(Of(true, 0), "5@1500");
}

TEST_F(OutputMarksTest, MoreMayCome) {
  Append({{false, 10, 1000}});
  EXPECT_EQ(Of(false, 10), "");
  const std::string next = EncodeMarks({{false, 20, 2000}});
  AppendBytes(next.substr(0, 7));
  EXPECT_EQ(Of(false, 10), "") << "half a mark is none";
  AppendBytes(next.substr(7));
  EXPECT_EQ(Of(false, 10), "20@2000");
}

TEST_F(OutputMarksTest, AFileThatIsReplacedIsReadAnew) {
  Append({{false, 10, 1000}, {false, 20, 2000}});
  EXPECT_EQ(Of(false, 0), "10@1000");
  std::ofstream(path_ + ".new") << EncodeMarks({{false, 20, 2000}, {false, 30, 3000}});
  std::filesystem::rename(path_ + ".new", path_);
  EXPECT_EQ(Of(false, 0), "20@2000");
  EXPECT_EQ(Of(false, 20), "30@3000");
}

TEST_F(OutputMarksTest, ThinningOutKeepsTheLastOfEach) {
  std::vector<OutputMark> marks;
  for (int64_t i = 1; i <= 5; ++i) marks.push_back({false, i, i});
  marks.push_back({true, 7, 7});
  EXPECT_EQ(ThinOut(marks),
            (std::vector<OutputMark>{{false, 1, 1}, {false, 3, 3}, {false, 5, 5}, {true, 7, 7}}));
}

TEST_F(OutputMarksTest, WhatDoesNotRiseIsPassedOver) {
  Append({{false, 10, 1000}, {false, 3, 1500}, {false, 20, 2000}});
  EXPECT_EQ(Of(false, 5), "10@1000");
  EXPECT_EQ(Of(false, 12), "20@2000");
}

}  // namespace
}  // namespace berth::agentd
