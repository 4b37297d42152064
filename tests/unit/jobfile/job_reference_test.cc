// docs/job_reference.md and config/examples, against the reader of job files.
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/small_file.h"
#include "jobfile/job_yaml.h"
#include "tests/unit/jobfile/message_fields.h"
#include "yaml/parse.h"

namespace berth::jobfile {
namespace {

std::string Reference() {
  auto text = base::ReadSmallFile("docs/job_reference.md");
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *std::move(text) : "";
}

std::vector<std::string> YamlBlocks(const std::string& text) {
  constexpr std::string_view kOpen = "\n```yaml\n";
  std::vector<std::string> blocks;
  for (std::size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at)) {
    at += kOpen.size();
    const std::size_t end = text.find("\n```", at);
    blocks.push_back(text.substr(at, end + 1 - at));
    at = end;
  }
  return blocks;
}

// The last block: all keys.
std::string EveryKey() {
  const std::vector<std::string> blocks = YamlBlocks(Reference());
  return blocks.empty() ? "" : blocks.back();
}

// Keys of maps whose keys are the writer's own.
bool HasFreeKeys(const std::string& key) {
  return key == "labels" || key == "annotations" || key == "env" || key == "nodeSelector" ||
         key == "extended";
}

void CollectKeys(const yaml::Value& value, std::vector<std::string>* keys) {
  if (value.is_list()) {
    for (const yaml::Value& item : value.list()) CollectKeys(item, keys);
  }
  if (!value.is_map()) return;
  for (const yaml::Value::Entry& entry : value.map()) {
    keys->push_back(entry.key);
    if (!HasFreeKeys(entry.key)) CollectKeys(entry.value, keys);
  }
}

TEST(JobReferenceTest, EveryExampleIsRead) {
  const std::vector<std::string> blocks = YamlBlocks(Reference());
  EXPECT_GE(blocks.size(), 5u);
  for (std::string block : blocks) {
    // A piece of a file stands for a file that has it.
    if (block.find("apiVersion:") == std::string::npos) {
      block = "apiVersion: berth/v1\nkind: Job\n" + block;
    }
    const auto job = ParseJobYaml(block, "docs/job_reference.md");
    EXPECT_TRUE(job.ok()) << job.status() << "\n" << block;
  }
}

TEST(JobReferenceTest, TheLongExampleSetsEveryFieldOfTheWire) {
  const auto job = ParseJobYaml(EveryKey(), "docs/job_reference.md");
  ASSERT_TRUE(job.ok()) << job.status();
  std::set<std::string> all;
  std::set<std::string> set;
  CollectFields(*job, all, set);
  EXPECT_GT(all.size(), 80u);
  for (const std::string& name : all) EXPECT_TRUE(set.contains(name)) << name;
}

TEST(JobReferenceTest, EveryKeyIsExplained) {
  const std::string text = Reference();
  const auto everything = yaml::ParseYaml(EveryKey(), "docs/job_reference.md", 1 << 20);
  ASSERT_TRUE(everything.ok()) << everything.status();
  std::vector<std::string> keys;
  CollectKeys(*everything, &keys);
  EXPECT_GT(keys.size(), 50u);
  for (const std::string& key : keys) {
    // In words, or as a part of a path: `resources.cpu`.
    const bool explained = text.find("`" + key + "`") != std::string::npos ||
                           text.find("." + key + "`") != std::string::npos ||
                           text.find("`" + key + ".") != std::string::npos;
    EXPECT_TRUE(explained) << key;
  }
}

TEST(JobReferenceTest, EveryExampleFileIsRead) {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator("config/examples")) {
    if (file.path().extension() != ".yaml") continue;
    ++files;
    const auto text = base::ReadSmallFile(file.path().string());
    ASSERT_TRUE(text.ok()) << text.status();
    const auto job = ParseJobYaml(*text, file.path().string());
    EXPECT_TRUE(job.ok()) << job.status();
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace berth::jobfile
