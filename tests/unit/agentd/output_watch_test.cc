#include "agentd/output/output_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agentd/attempt_store.h"
#include "agentd/event_loop.h"
#include "base/clock.h"
#include "base/small_file.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

class OutputWatchTest : public ::testing::Test {
 protected:
  OutputWatchTest() {
    EXPECT_TRUE(store_.Open().ok());
    std::filesystem::create_directories(store_.Directory(key_));
    Write("", false);
    Write("", true);
  }

  void Write(const std::string& text, bool is_stderr) {
    const AttemptPaths paths = store_.Paths(key_);
    std::ofstream(is_stderr ? paths.error : paths.output, std::ios::app) << text;
  }
  std::vector<OutputMark> Marks() const {
    const auto file = base::ReadSmallFile(store_.MarksPath(key_));
    return file.ok() ? DecodeMarks(*file) : std::vector<OutputMark>{};
  }
  // Runs the loop until `done` says so; fails after a while.
  template <typename Done>
  void RunUntil(Done done) {
    const int64_t deadline = clock_.MonotonicMs() + 20'000;
    std::function<void()> look = [&] {
      if (done() || clock_.MonotonicMs() > deadline) return loop_.Stop();
      loop_.At(clock_.MonotonicMs() + 1, look);
    };
    loop_.Post(look);
    loop_.Run();
    ASSERT_TRUE(done());
  }

  const AttemptKey key_{12, 0, 3, 1};
  berth::testing::TempDir folder_;
  base::SystemClock clock_;
  AttemptStore store_{folder_.path(), clock_};
  EventLoop loop_{clock_};
  OutputWatch watch_{loop_, clock_, store_};
};

TEST_F(OutputWatchTest, WritesOfBothStreamsAreMarkedInTheirOrder) {
  watch_.Started(key_);
  Write("a\n", false);
  RunUntil([&] { return Marks().size() == 1; });
  Write("oops\n", true);
  RunUntil([&] { return Marks().size() == 2; });
  Write("b\n", false);
  RunUntil([&] { return Marks().size() == 3; });
  const std::vector<OutputMark> marks = Marks();
  EXPECT_EQ(marks[0].until, 2);
  EXPECT_TRUE(marks[1].is_stderr);
  EXPECT_EQ(marks[1].until, 5);
  EXPECT_EQ(marks[2].until, 4);
  EXPECT_LE(marks[0].unix_ms, marks[1].unix_ms);
  EXPECT_LE(marks[1].unix_ms, marks[2].unix_ms);
  EXPECT_NEAR(static_cast<double>(marks[0].unix_ms), static_cast<double>(clock_.WallMs()), 60'000);
}

TEST_F(OutputWatchTest, AChattyTaskCostsAFewMarksASecond) {
  watch_.Started(key_);
  const int64_t began = clock_.MonotonicMs();
  int written = 0;
  RunUntil([&] {
    Write("x", false);
    ++written;
    return clock_.MonotonicMs() > began + 2000;
  });
  // Those of the burst, then one each time; a machine that stands still has earned no more.
  const int64_t most =
      OutputWatch::kBurst + 2 + (clock_.MonotonicMs() - began) / OutputWatch::kLookMs;
  EXPECT_GT(written, 100);
  EXPECT_LE(static_cast<int64_t>(Marks().size()), most);
}

TEST_F(OutputWatchTest, OneThatHasEndedIsLookedAtNoMore) {
  watch_.Started(key_);
  Write("a\n", false);
  RunUntil([&] { return Marks().size() == 1; });
  watch_.Ended(key_);
  Write("b\n", false);
  const int64_t began = clock_.MonotonicMs();
  RunUntil([&] { return clock_.MonotonicMs() > began + 2 * OutputWatch::kLookMs; });
  watch_.Tend();
  EXPECT_EQ(Marks().size(), 1u);
}

TEST_F(OutputWatchTest, OneThatIsFoundAgainGoesOnWhereItsMarksEnd) {
  Write("abc", false);
  std::ofstream(store_.MarksPath(key_)) << EncodeMarks({{false, 3, 1000}});
  watch_.Started(key_);
  Write("d", false);
  RunUntil([&] { return Marks().size() == 2; });
  EXPECT_EQ(Marks()[1].until, 4);
}

TEST_F(OutputWatchTest, MarksStayWithTheOutput) {
  watch_.Started(key_);
  Write("a\n", false);
  RunUntil([&] { return Marks().size() == 1; });
  watch_.Ended(key_);
  store_.Tidy(key_, true);
  const base::UniqueFd kept = store_.OpenMarks(key_);
  EXPECT_TRUE(kept.valid());
  // The directory is another's next: without marks.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    EXPECT_NE(entry.path().filename(), "marks");
  }
}

}  // namespace
}  // namespace berth::agentd
