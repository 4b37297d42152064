#include "agentd/drivers/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/file_tree.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CdiTest : public ::testing::Test {
 protected:
  [[nodiscard]] CdiRegistry Registry() const {
    return CdiRegistry({tree_.At("/etc"), tree_.At("/run"), "/no/such/folder"});
  }

  const berth::testing::FileTree tree_;
};

constexpr char kSpec[] = R"({
  "cdiVersion": "0.5.0", "kind": "nvidia.com/gpu",
  "containerEdits": {"env": ["ALL=1"],
    "mounts": [{"hostPath": "/lib/a", "containerPath": "/lib/b", "options": ["ro"]}],
    "hooks": [{"hookName": "createContainer", "path": "/h", "args": ["h", "x"], "timeout": 5}]},
  "devices": [
    {"name": "GPU-0", "containerEdits": {
      "deviceNodes": [{"path": "/dev/gpu0", "hostPath": "/dev/null", "fileMode": 438}]}},
    {"name": "GPU-1", "containerEdits": {"env": ["ONE=1"]}},
    {"name": "GPU-2", "containerEdits": {"deviceNodes": [{"path": "/no/such/device"}]}}]
})";

TEST_F(CdiTest, JoinsWhatAllDevicesHaveOnceWithWhatEachHas) {
  tree_.Write("/etc/gpu.json", kSpec);
  const auto edits = Registry().Find("gpu", {"GPU-0", "GPU-1"});
  ASSERT_TRUE(edits.ok()) << edits.status();
  EXPECT_THAT(edits->environment, ElementsAre("ALL=1", "ONE=1"));
  ASSERT_EQ(edits->nodes.size(), 1u);
  EXPECT_EQ(edits->nodes[0].path, "/dev/gpu0");
  EXPECT_EQ(edits->nodes[0].major, 1u);
  EXPECT_EQ(edits->nodes[0].minor, 3u);
  EXPECT_EQ(edits->nodes[0].mode, 0666u);
  ASSERT_EQ(edits->mounts.size(), 1u);
  EXPECT_EQ(edits->mounts[0].target, "/lib/b");
  ASSERT_EQ(edits->hooks.size(), 1u);
  EXPECT_EQ(edits->hooks[0].timeout_s, 5);
}

TEST_F(CdiTest, NamesADeviceThatNobodyDescribes) {
  tree_.Write("/etc/gpu.json", kSpec);
  const auto edits = Registry().Find("gpu", {"GPU-0", "GPU-7"});
  EXPECT_TRUE(absl::IsNotFound(edits.status()));
  EXPECT_EQ(edits.status().message(), "GPU-7");
  EXPECT_TRUE(absl::IsNotFound(Registry().Find("fpga", {"GPU-0"}).status()));
  EXPECT_TRUE(Registry().Find("mig", {"GPU-1"}).ok()) << "a slice of a GPU is one";
}

TEST_F(CdiTest, NamesADeviceFileThatIsNotThere) {
  tree_.Write("/etc/gpu.json", kSpec);
  const auto edits = Registry().Find("gpu", {"GPU-2"});
  EXPECT_TRUE(absl::IsFailedPrecondition(edits.status()));
  EXPECT_THAT(std::string(edits.status().message()), HasSubstr("/no/such/device"));
}

TEST_F(CdiTest, ReadsYamlAndLeavesOutWhatIsNone) {
  tree_.Write("/etc/broken.json", "{");
  tree_.Write("/etc/list.yaml", "- 1\n");
  tree_.Write("/etc/notes.txt", "not read");
  tree_.Write("/etc/gpu.json", kSpec);
  tree_.Write(
      "/run/gpu.yaml",
      "kind: nvidia.com/gpu\ndevices:\n- name: GPU-1\n  containerEdits:\n    env: [ONE=2]\n");
  EXPECT_THAT(Registry().Find("gpu", {"GPU-1"})->environment, ElementsAre("ONE=2"))
      << "the later folder's";
}

}  // namespace
}  // namespace berth::agentd
