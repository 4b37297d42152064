#include "agentd/output/output_tails.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agentd/attempt_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

constexpr int64_t kTail = OutputTails::kTailBytes;

class OutputTailsTest : public ::testing::Test {
 protected:
  OutputTailsTest() { EXPECT_TRUE(store_.Open().ok()); }

  static AttemptKey Key(uint64_t job) { return {job, 0, 0, 1}; }
  void Write(const AttemptKey& key, const std::string& text, bool is_stderr = false) {
    std::filesystem::create_directories(store_.Directory(key));
    const AttemptPaths paths = store_.Paths(key);
    std::ofstream(is_stderr ? paths.error : paths.output, std::ios::app) << text;
  }
  // "12 out 0 text", ...
  static std::vector<std::string> Words(const std::vector<v1::OutputTail>& tails) {
    std::vector<std::string> words;
    for (const v1::OutputTail& tail : tails) {
      words.push_back(std::to_string(tail.key().job_id()) + (tail.is_stderr() ? " err " : " out ") +
                      std::to_string(tail.offset()) + " " + tail.data());
    }
    return words;
  }
  using List = std::vector<std::string>;

  berth::testing::TempDir folder_;
  berth::testing::FakeClock clock_;
  AttemptStore store_{folder_.path(), clock_};
  OutputTails tails_{store_};
};

TEST_F(OutputTailsTest, OnlyWhatHasGrownIsTold) {
  Write(Key(1), "a\n");
  Write(Key(2), "b\n", true);
  const std::vector<AttemptKey> running = {Key(1), Key(2), Key(3)};
  EXPECT_EQ(Words(tails_.Round(running)), (List{"1 out 0 a\n", "2 err 0 b\n"}));
  EXPECT_EQ(Words(tails_.Round(running)), List{});
  Write(Key(2), "c\n", true);
  EXPECT_EQ(Words(tails_.Round(running)), (List{"2 err 0 b\nc\n"}));
}

TEST_F(OutputTailsTest, ItIsTheEndOfALongOne) {
  Write(Key(1), std::string(100, 'x') + std::string(kTail, 'y'));
  const auto tails = tails_.Round({Key(1)});
  ASSERT_EQ(tails.size(), 1u);
  EXPECT_EQ(tails[0].offset(), 100);
  EXPECT_EQ(tails[0].data(), std::string(kTail, 'y'));
}

TEST_F(OutputTailsTest, ManyTasksAreToldInTurns) {
  std::vector<AttemptKey> running;
  for (uint64_t job = 1; job <= 100; ++job) {
    running.push_back(Key(job));
    Write(Key(job), std::string(kTail, 'x'));
  }
  size_t told = 0;
  for (int round = 0; round < 4; ++round) {
    int64_t bytes = 0;
    for (const v1::OutputTail& tail : tails_.Round(running)) {
      bytes += static_cast<int64_t>(tail.data().size());
      ++told;
    }
    EXPECT_LE(bytes, OutputTails::kRoundBytes);
    // The first ones go on writing: the others get their turn all the same.
    for (uint64_t job = 1; job <= 10; ++job) Write(Key(job), "x");
  }
  EXPECT_GE(told, 100u);
}

TEST_F(OutputTailsTest, AnEndIsToldWithoutWhatIsKnownAlready) {
  Write(Key(1), "a\n");
  tails_.Round({Key(1)});
  EXPECT_EQ(Words(tails_.AtEnd(Key(1))), List{});
  Write(Key(2), "b\n");
  EXPECT_EQ(Words(tails_.AtEnd(Key(2))), (List{"2 out 0 b\n"}));
  EXPECT_EQ(Words(tails_.AtEnd(Key(3))), List{}) << "it wrote nothing";
}

TEST_F(OutputTailsTest, ANewSessionIsToldAllAgainAndWhatItMayHaveMissed) {
  Write(Key(1), "a\n");
  Write(Key(2), "b\n");
  tails_.Round({Key(1)});
  tails_.AtEnd(Key(2));
  store_.Tidy(Key(2), false);  // its output lies elsewhere now
  tails_.BeginAnew({Key(2)});
  EXPECT_EQ(Words(tails_.Round({Key(1)})), (List{"2 out 0 b\n", "1 out 0 a\n"}));
  EXPECT_EQ(Words(tails_.Round({Key(1)})), List{});
}

TEST_F(OutputTailsTest, ManyEndsAtOnceWaitForTheNextRounds) {
  std::vector<v1::OutputTail> now;
  for (uint64_t job = 1; job <= 40; ++job) {
    Write(Key(job), std::string(kTail, 'x'));
    for (v1::OutputTail& tail : tails_.AtEnd(Key(job))) now.push_back(std::move(tail));
  }
  EXPECT_LE(now.size() * kTail, OutputTails::kRoundBytes);
  const size_t later = tails_.Round({}).size();
  EXPECT_EQ(now.size() + later, 40u);
}

}  // namespace
}  // namespace berth::agentd
