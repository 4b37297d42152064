#include "agentd/drivers/oci_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace berth::agentd {
namespace {

using Json = nlohmann::json;

ContainerSettings Settings() {
  ContainerSettings settings;
  settings.arguments = {"/init", "x"};
  settings.environment = {"A=b"};
  settings.uid = 1000;
  settings.gid = 1001;
  settings.groups = {4};
  settings.host_name = "n7";
  settings.root = "/b/rootfs";
  settings.mounts = {{"/data", "/data", true}};
  return settings;
}

TEST(OciConfigTest, GivesAUserNoPrivileges) {
  const Json config = Json::parse(OciConfig(Settings()));
  const Json& process = config["process"];
  EXPECT_EQ(process["user"]["uid"], 1000);
  EXPECT_EQ(process["user"]["additionalGids"], Json({4}));
  EXPECT_EQ(process["noNewPrivileges"], true);
  for (const auto& [set, names] : process["capabilities"].items()) {
    EXPECT_TRUE(names.empty()) << set;
  }
  EXPECT_EQ(config["root"]["path"], "/b/rootfs");
  EXPECT_EQ(config["hostname"], "n7");
  EXPECT_FALSE(config.contains("hooks"));
}

TEST(OciConfigTest, GivesRootNoMoreThanRuntimesDo) {
  ContainerSettings settings = Settings();
  settings.uid = 0;
  const Json config = Json::parse(OciConfig(settings));
  const Json& bounding = config["process"]["capabilities"]["bounding"];
  EXPECT_NE(std::find(bounding.begin(), bounding.end(), "CAP_CHOWN"), bounding.end());
  for (const char* name : {"CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_SYS_PTRACE", "CAP_NET_ADMIN"}) {
    EXPECT_EQ(std::find(bounding.begin(), bounding.end(), name), bounding.end()) << name;
  }
}

TEST(OciConfigTest, HasNamespacesOfItsOwnButForTheNetwork) {
  const Json config = Json::parse(OciConfig(Settings()));
  std::vector<std::string> types;
  for (const Json& each : config["linux"]["namespaces"]) types.push_back(each["type"]);
  EXPECT_EQ(types, (std::vector<std::string>{"pid", "mount", "ipc", "uts"}));
}

TEST(OciConfigTest, MountsWhatItIsToldLast) {
  const Json config = Json::parse(OciConfig(Settings()));
  const Json& last = config["mounts"].back();
  EXPECT_EQ(last["source"], "/data");
  const Json& options = last["options"];
  EXPECT_NE(std::find(options.begin(), options.end(), "ro"), options.end());
}

TEST(OciConfigTest, TakesOverWhatDevicesChange) {
  ContainerSettings settings = Settings();
  settings.edits.nodes = {{"/dev/gpu0", 'c', 195, 0, 0666, 0, 0}};
  settings.edits.mounts = {{"/lib/a", "/lib/b", {"ro"}}};
  settings.edits.hooks = {{.name = "createContainer", .path = "/h", .arguments = {"h"}}};
  const Json config = Json::parse(OciConfig(settings));
  EXPECT_EQ(config["linux"]["devices"][0]["major"], 195);
  EXPECT_EQ(config["hooks"]["createContainer"][0]["path"], "/h");
}

TEST(OciConfigTest, IsJsonWhateverTheBytes) {
  ContainerSettings settings = Settings();
  settings.environment = {"A=\xff\"\n"};
  EXPECT_TRUE(Json::accept(OciConfig(settings)));
}

}  // namespace
}  // namespace berth::agentd
