#include "store/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/small_file.h"
#include "base/strings.h"
#include "store/schema_version.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace berth::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class DataDirectoryTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& cluster_name = "") {
    return DataDirectory::Open(path_, cluster_name, clock_);
  }
  std::string Refusal(const std::string& cluster_name = "") {
    const auto opened = Open(cluster_name);
    EXPECT_FALSE(opened.ok());
    EXPECT_THAT(base::S(opened.status().message()), HasSubstr("\"" + path_ + "\""));
    return base::S(opened.status().message());
  }
  void WriteFile(const std::string& name, const std::string& content) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ + "/" + name) << content;
  }
  static std::string Identity(uint32_t version) {
    return "{\"cluster_id\": \"c1\", \"schema_version\": " + std::to_string(version) + "}";
  }

  const berth::testing::TempDir parent_;
  const std::string path_ = parent_.path() + "/var/berth";
  const berth::testing::FakeClock clock_;
};

TEST_F(DataDirectoryTest, IsMadeWithItsParentsForItsUserAlone) {
  const auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  struct stat made {};
  ASSERT_EQ(::stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0700u);
  EXPECT_EQ((*opened)->path(), path_);
}

TEST_F(DataDirectoryTest, DrawsAUuidOnceAndKeepsIt) {
  const std::string id = (*Open())->cluster_id();
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                               "[0-9a-f]{12}"));
  EXPECT_EQ((*Open())->cluster_id(), id);
  const berth::testing::TempDir other;
  EXPECT_NE((*DataDirectory::Open(other.path(), "", clock_))->cluster_id(), id);
}

TEST_F(DataDirectoryTest, ItsIdentityIsAFileForPeople) {
  ASSERT_TRUE(Open("lab").ok());
  const auto text = base::ReadSmallFile(path_ + "/cluster.json");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, AllOf(HasSubstr("\"cluster_name\": \"lab\""),
                           HasSubstr("\"schema_version\": " + std::to_string(kSchemaVersion)),
                           HasSubstr("\"created_unix_ms\": \"1767225600000\"")));
}

TEST_F(DataDirectoryTest, ASecondUserIsToldWhoHasIt) {
  const auto first = Open();
  ASSERT_TRUE(first.ok());
  const auto second = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(base::S(second.status().message()),
              AllOf(HasSubstr("another berthd (process " + std::to_string(::getpid()) + ")"),
                    HasSubstr("stop that one, or set another dataDir")));
}

TEST_F(DataDirectoryTest, IsFreeWhenItsHolderHasGone) {
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(Open().ok());
}

TEST_F(DataDirectoryTest, AnotherClustersDirectoryIsRefused) {
  ASSERT_TRUE(Open("prod").ok());
  EXPECT_THAT(Refusal("staging"),
              AllOf(HasSubstr("belongs to cluster \"prod\""), HasSubstr("\"staging\""),
                    HasSubstr("set dataDir to this cluster's directory")));
  EXPECT_TRUE(Open("prod").ok());
  EXPECT_TRUE(Open("").ok());
}

TEST_F(DataDirectoryTest, ADirectoryWithoutANameTakesTheFirstOneThatIsConfigured) {
  const std::string id = (*Open(""))->cluster_id();
  EXPECT_EQ((*Open("prod"))->cluster_id(), id);
  EXPECT_FALSE(Open("staging").ok());
}

TEST_F(DataDirectoryTest, ANewerSchemaIsRefusedNamingBothVersions) {
  WriteFile("cluster.json", "{\"cluster_id\": \"c1\", \"schema_version\": 7, \"new_field\": [1]}");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("schema version 7"),
                               HasSubstr("up to " + std::to_string(kSchemaVersion)),
                               HasSubstr("newer berthd")));
}

TEST_F(DataDirectoryTest, ADamagedIdentityIsRefused) {
  for (const std::string& text :
       std::vector<std::string>{"", "{", "[]", "{}", Identity(0), "{\"schema_version\": 1}"}) {
    WriteFile("cluster.json", text);
    const auto opened = Open();
    EXPECT_TRUE(absl::IsDataLoss(opened.status())) << text << ": " << opened.status();
    EXPECT_THAT(base::S(opened.status().message()), HasSubstr("cluster.json is damaged"));
  }
}

TEST_F(DataDirectoryTest, SomeoneElsesDirectoryIsLeftAlone) {
  WriteFile("thesis.tex", "");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("not empty (there is \"thesis.tex\")"),
                               HasSubstr("set dataDir to an empty or a new directory")));
  EXPECT_FALSE(std::filesystem::exists(path_ + "/lock"));
}

TEST_F(DataDirectoryTest, AnUnfinishedFirstStartIsFinished) {
  WriteFile("lock", "1234\n");
  WriteFile("cluster.json.new-a1b2c3", "{");
  EXPECT_TRUE(Open().ok());
}

TEST_F(DataDirectoryTest, ADatabaseWithoutItsIdentityIsRefused) {
  std::filesystem::create_directories(path_ + "/db");
  EXPECT_THAT(Refusal(), HasSubstr("cluster.json, which says which cluster it is of, is gone"));
}

TEST_F(DataDirectoryTest, AFileInItsPlaceIsRefused) {
  std::filesystem::create_directories(parent_.path() + "/var");
  std::ofstream(path_) << "a file";
  EXPECT_THAT(Refusal(), HasSubstr("it is not a directory"));
}

TEST_F(DataDirectoryTest, AFileOnTheWayToItIsRefused) {
  std::ofstream(parent_.path() + "/var") << "a file";
  EXPECT_THAT(Refusal(), HasSubstr("set dataDir to another path"));
}

TEST_F(DataDirectoryTest, WhereNothingCanBeMadeTheWayOnIsNamed) {
  const auto opened = DataDirectory::Open("/proc/berth", "", clock_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(base::S(opened.status().message()),
              AllOf(HasSubstr("data directory \"/proc/berth\": cannot make it"),
                    HasSubstr("set dataDir to a directory that this user can write")));
}

TEST_F(DataDirectoryTest, AnEmptyPathIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(DataDirectory::Open("", "", clock_).status()));
}

TEST_F(DataDirectoryTest, ASlashAtTheEndChangesNothing) {
  const std::string id = (*Open())->cluster_id();
  EXPECT_EQ((*DataDirectory::Open(path_ + "//", "", clock_))->cluster_id(), id);
}

}  // namespace
}  // namespace berth::store
