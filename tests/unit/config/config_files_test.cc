// The files that come with Berth, and what docs/defaults.md says, against the code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/small_file.h"
#include "config/agent_loader.h"
#include "config/berthd_loader.h"

namespace berth::config {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  auto text = base::ReadSmallFile(path);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *std::move(text) : "";
}

// The contents of the blocks between ```yaml and ```.
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

TEST(ConfigFilesTest, BerthdYamlSaysTheDefaults) {
  const auto loaded = LoadBerthdConfig("config/berthd.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config, BerthdConfig());
}

TEST(ConfigFilesTest, AgentYamlSaysTheDefaults) {
  const auto config = LoadAgentConfig("config/agent.yaml", "node-a");
  ASSERT_TRUE(config.ok()) << config.status();
  AgentConfig expected;
  expected.node_name = "node-a";
  EXPECT_EQ(*config, expected);
}

// What stands behind "# " in agent.yaml is meant to be used: it must be right as well.
TEST(ConfigFilesTest, TheCommentedKeysOfAgentYamlAreRight) {
  std::string text = Read("config/agent.yaml");
  const std::size_t start = text.find("inventory: {}\n");
  const std::size_t end = text.find("#\n", start);
  ASSERT_NE(end, std::string::npos);
  std::string inventory = text.substr(start, end - start);
  inventory.replace(0, std::string("inventory: {}").size(), "inventory:");
  for (std::size_t at = inventory.find("\n#"); at != std::string::npos;
       at = inventory.find("\n#")) {
    inventory.replace(at, 2, "\n");
  }
  const auto config = ParseAgentConfig(inventory, "agent.yaml", "host");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->inventory.devices.size(), 2u);
  EXPECT_EQ(config->inventory.models.size(), 1u);
}

TEST(ConfigFilesTest, EveryProfileIsReadAndKeepsTheDefaultOne) {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator("config/profiles")) {
    ++files;
    const auto loaded = LoadBerthdConfig(file.path().string());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->config.profiles[0].name, "default") << file.path();
  }
  EXPECT_GE(files, 3);
}

TEST(ConfigFilesTest, DefaultsMdSaysWhatIsPrinted) {
  const std::string text = Read("docs/defaults.md");
  const std::vector<std::string> blocks = YamlBlocks(text);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0], FormatBerthdConfig(BerthdConfig()));
  AgentConfig agent;
  agent.node_name = "node-a";
  EXPECT_EQ(blocks[1], FormatAgentConfig(agent));
}

TEST(ConfigFilesTest, DefaultsMdNamesWhatAReloadPutsInForce) {
  BerthdConfig running;
  running.cluster_resources = {{.name = "licence", .capacity = 1, .topology_key = ""}};
  BerthdConfig changed = running;
  changed.cluster_resources[0].capacity = 2;
  changed.data_dir = "x";
  changed.log = {"debug", "json"};
  changed.limits.inbox_facts = 1;
  changed.profiles[0].tie = "x";
  std::string keys;
  for (const std::string& key : CompareForReload(running, changed).at_once) {
    keys += (keys.empty() ? "`" : ", `") + key + "`";
  }
  std::string text = Read("docs/defaults.md");
  std::replace(text.begin(), text.end(), '\n', ' ');
  EXPECT_THAT(text, HasSubstr("In force at once: " + keys + "."));
}

}  // namespace
}  // namespace berth::config
