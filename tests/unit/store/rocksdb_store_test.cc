#include "store/rocksdb_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "base/small_file.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/crash_plan.h"

extern char** environ;

namespace berth::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using SteadyClock = std::chrono::steady_clock;

// store_child.cc at work.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    const char* build = std::getenv("BERTH_BUILD_DIR");
    BERTH_CHECK(build != nullptr) << "run this test with ctest, or set BERTH_BUILD_DIR";
    const std::string program = std::string(build) + "/bin/store_child";
    arguments.insert(arguments.begin(), program);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    BERTH_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    output_.reset(ends[0]);
    base::UniqueFd input(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    const int error =
        ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    BERTH_CHECK(error == 0) << "cannot start " << program;
  }
  ~Child() {
    if (!reaped_) Kill();
  }

  // Reads what it says until it has acknowledged something and `time` has passed since, or it ends.
  void RunFor(std::chrono::microseconds time) {
    while (acknowledged_ == 0 && Read(SteadyClock::time_point::max())) {
    }
    const auto deadline = SteadyClock::now() + time;
    while (Read(deadline)) {
    }
  }
  // As if the power had been cut, and reads what it said before.
  void Kill() {
    ::kill(pid_, SIGKILL);
    Finish();
  }
  // Waits for its own end; returns its exit code.
  int Finish() {
    while (Read(SteadyClock::time_point::max())) {
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  uint64_t acknowledged() const { return acknowledged_; }
  const std::vector<std::string>& errors() const { return errors_; }
  // Bytes of each file, by inode, that were synced.
  const std::map<ino_t, off_t>& synced() const { return synced_; }

 private:
  // False at the deadline or at the end of the output.
  bool Read(SteadyClock::time_point deadline) {
    int timeout_ms = -1;
    if (deadline != SteadyClock::time_point::max()) {
      const auto left = deadline - SteadyClock::now();
      if (left <= SteadyClock::duration::zero()) return false;
      timeout_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
    }
    pollfd ready = {.fd = output_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, timeout_ms) <= 0) return false;
    char buffer[4096];
    const ssize_t count = ::read(output_.get(), buffer, sizeof buffer);
    if (count <= 0) return false;
    pending_.append(buffer, static_cast<size_t>(count));
    for (size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      Take(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
    return true;
  }

  void Take(const std::string& line) {
    if (line[0] == 'E') {
      errors_.push_back(line.substr(2));
      return;
    }
    char* rest = nullptr;
    const uint64_t number = std::strtoull(line.c_str() + 2, &rest, 10);
    if (line[0] == 'A') {
      acknowledged_ = number;
    } else {
      synced_[number] = static_cast<off_t>(std::strtoull(rest, nullptr, 10));
    }
  }

  pid_t pid_ = 0;
  base::UniqueFd output_;
  bool reaped_ = false;
  std::string pending_;
  uint64_t acknowledged_ = 0;
  std::vector<std::string> errors_;
  std::map<ino_t, off_t> synced_;
};

uint64_t DrawSeed() {
  if (const char* seed = std::getenv("BERTH_TEST_SEED")) return std::strtoull(seed, nullptr, 10);
  return std::random_device{}();
}

class RocksDbStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<RocksDbStore>> Open() {
    return RocksDbStore::Open({.data_dir = directory_.path() + "/data"}, clock_);
  }
  std::string database() const { return directory_.path() + "/data/db"; }

  // What a loss of power leaves: of each file what was synced.
  void LoseWhatWasNotSynced(const std::map<ino_t, off_t>& synced) {
    for (const auto& entry : std::filesystem::directory_iterator(database())) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name == "LOCK" || name.rfind("LOG", 0) == 0) continue;
      struct stat file {};
      ASSERT_EQ(::stat(entry.path().c_str(), &file), 0);
      const auto kept = synced.find(file.st_ino);
      const off_t size = kept == synced.end() ? 0 : kept->second;
      if (size < file.st_size) {
        ASSERT_EQ(::truncate(entry.path().c_str(), size), 0);
      }
    }
  }

  // The store holds exactly what was planned up to its head.
  void ExpectAsPlanned(uint64_t seed, uint64_t least_epoch, uint64_t most_epoch) {
    const auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    const uint64_t epoch = (*store)->head().epoch;
    EXPECT_GE(epoch, least_epoch) << "an acknowledged commit is lost";
    EXPECT_LE(epoch, most_epoch);
    std::map<std::string, std::string> found;
    for (const Table table : kTables) {
      ASSERT_TRUE((*store)
                      ->Scan(table,
                             [&](std::string_view key, std::string_view value) {
                               found[static_cast<char>(table) + std::string(key)] = value;
                               return true;
                             })
                      .ok());
    }
    EXPECT_TRUE(found == PlannedContent(seed, epoch)) << "the content is not that of " << epoch;
  }

  void CommitSome(int epochs) {
    auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    for (int i = 0; i < epochs; ++i) {
      const uint64_t epoch = (*store)->head().epoch + 1;
      ASSERT_TRUE((*store)->Commit(PlannedBatch(1, epoch), epoch, 1).ok());
    }
  }
  // Files of the database with this ending, by name.
  std::vector<std::string> Files(const std::string& ending) const {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(database())) {
      if (entry.path().extension() == ending) paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  static void FlipByte(const std::string& path, off_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const char byte = static_cast<char>(file.get());
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 0x20));
    ASSERT_TRUE(file.good()) << path;
  }

  const berth::testing::TempDir directory_;
  const berth::testing::FakeClock clock_;
};

TEST_F(RocksDbStoreTest, EveryAcknowledgedEpochSurvivesKillsAndLossesOfPower) {
  const uint64_t seed = DrawSeed();
  std::printf("seed %llu (BERTH_TEST_SEED)\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("BERTH_TEST_SEED=" + std::to_string(seed));
  base::Rng rng(seed);
  uint64_t acknowledged = 0;
  std::map<ino_t, off_t> synced;
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    Child child({"commit", directory_.path() + "/data", std::to_string(seed)});
    child.RunFor(std::chrono::microseconds(rng.Uniform(60'000)));
    child.Kill();
    ASSERT_TRUE(child.errors().empty()) << child.errors()[0];
    acknowledged = std::max(acknowledged, child.acknowledged());
    for (const auto& [inode, size] : child.synced()) synced[inode] = size;
    if (rng.Uniform(2) == 0) LoseWhatWasNotSynced(synced);
    // Of the epoch after the last acknowledged one the child may not have had the time to tell.
    ExpectAsPlanned(seed, acknowledged, acknowledged + 1);
    // The check has opened the store in this process, which syncs what it writes, untold.
    for (const auto& entry : std::filesystem::directory_iterator(database())) {
      struct stat file {};
      if (::stat(entry.path().c_str(), &file) == 0) synced[file.st_ino] = file.st_size;
    }
  }
  EXPECT_GT(acknowledged, 30u);
}

TEST_F(RocksDbStoreTest, AFullDiskFailsTheCommitEndsTheStoreAndLosesNothing) {
  constexpr uint64_t kSeed = 42;
  Child child({"fill", directory_.path() + "/data", std::to_string(kSeed), "200000"});
  EXPECT_EQ(child.Finish(), 1);
  ASSERT_EQ(child.errors().size(), 2u);
  EXPECT_THAT(child.errors()[0],
              AllOf(HasSubstr("data directory \"" + directory_.path() + "/data\""),
                    HasSubstr("cannot commit epoch " + std::to_string(child.acknowledged() + 1))));
  EXPECT_THAT(child.errors()[1], HasSubstr("an earlier commit failed"));
  EXPECT_GT(child.acknowledged(), 0u);
  ExpectAsPlanned(kSeed, child.acknowledged(), child.acknowledged() + 1);
}

TEST_F(RocksDbStoreTest, AUserWithoutRightsIsToldWhatToDo) {
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  if (::geteuid() != 0) {
    ASSERT_EQ(::chmod((directory_.path() + "/data").c_str(), 0500), 0);
    ASSERT_EQ(::chmod((directory_.path() + "/data/lock").c_str(), 0400), 0);
  }
  Child child({"open", directory_.path() + "/data"});
  EXPECT_EQ(child.Finish(), 1);
  ASSERT_EQ(child.errors().size(), 1u);
  EXPECT_THAT(child.errors()[0],
              AllOf(HasSubstr("Permission denied"), HasSubstr("user id"), HasSubstr("chown")));
  ::chmod((directory_.path() + "/data").c_str(), 0700);
}

TEST_F(RocksDbStoreTest, ASecondDaemonIsRefusedAndTheFirstGoesOn) {
  const auto first = Open();
  ASSERT_TRUE(first.ok());
  const auto second = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(base::S(second.status().message()), HasSubstr("another berthd"));
  EXPECT_TRUE((*first)->Commit({}, 1, 1).ok());
}

TEST_F(RocksDbStoreTest, DamageInTheMiddleOfTheLogIsNotTakenForItsEnd) {
  CommitSome(50);
  const std::vector<std::string> logs = Files(".log");
  ASSERT_FALSE(logs.empty());
  const auto size = static_cast<off_t>(std::filesystem::file_size(logs.back()));
  ASSERT_GT(size, 10'000);
  FlipByte(logs.back(), size / 2);
  const auto store = Open();
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
  EXPECT_THAT(base::S(store.status().message()),
              AllOf(HasSubstr("cannot open its database"),
                    HasSubstr("put a backup of the data directory in its place")));
}

TEST_F(RocksDbStoreTest, DamageInATableFileIsFoundWhenItIsRead) {
  CommitSome(50);
  // Opening writes what is in the log to table files.
  ASSERT_TRUE(Open().ok());
  ASSERT_FALSE(Files(".sst").empty());
  for (const std::string& path : Files(".sst")) FlipByte(path, 100);
  const auto store = Open();
  absl::Status status = store.status();
  for (const Table table : kTables) {
    if (!status.ok()) break;
    status = (*store)->Scan(table, [](std::string_view, std::string_view) { return true; });
  }
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(base::S(status.message()), HasSubstr("data directory"));
}

}  // namespace
}  // namespace berth::store
