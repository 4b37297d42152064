#include "agentd/probe/node_examination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using ::testing::HasSubstr;

class NodeExaminationTest : public ::testing::Test {
 protected:
  NodeExaminationTest() {
    node_.state_dir = folder_.path();
    node_.isolation = "cgroup-v1";
    node_.heartbeat_interval_ms = 10'000;
    node_.unanswered_ms = 3000;
    const char* build = std::getenv("BERTH_BUILD_DIR");
    node_.shim_program = std::string(build == nullptr ? "." : build) + "/bin/berth-shim";
  }

  v1::Finding Of(const std::string& subject) const {
    const v1::Diagnosis diagnosis = Examine(node_);
    for (const v1::Finding& finding : diagnosis.findings()) {
      if (finding.subject() == subject) return finding;
    }
    return {};
  }
  std::string Script(const std::string& text) {
    const std::string path = folder_.path() + "/shim";
    std::ofstream(path) << "#!/bin/sh\n" << text;
    chmod(path.c_str(), 0755);
    return path;
  }

  berth::testing::TempDir folder_;
  NodeExamination node_;
};

TEST_F(NodeExaminationTest, WhatIsWellIsSaid) {
  for (const char* subject : {"cgroups", "journal", "shim", "heartbeats", "descriptors"}) {
    EXPECT_EQ(Of(subject).level(), v1::FINDING_LEVEL_GOOD) << subject << ": " << Of(subject).text();
  }
  EXPECT_THAT(Of("disk").text(), HasSubstr(folder_.path()));
}

TEST_F(NodeExaminationTest, AShimThatIsNotThereOrDoesNotRunIsBad) {
  node_.shim_program = "/no/such/shim";
  EXPECT_EQ(Of("shim").level(), v1::FINDING_LEVEL_BAD);
  EXPECT_THAT(Of("shim").text(), HasSubstr("/no/such/shim: No such file"));
  node_.shim_program = Script("exit 1\n");
  EXPECT_EQ(Of("shim").level(), v1::FINDING_LEVEL_BAD);
  node_.shim_program = Script("exit 2\n");
  EXPECT_EQ(Of("shim").level(), v1::FINDING_LEVEL_GOOD) << Of("shim").text();
}

TEST_F(NodeExaminationTest, CgroupsThatCannotBeMadeAreBad) {
  node_.cgroup_made = absl::PermissionDeniedError("cannot make /sys/fs/cgroup/x: read-only");
  EXPECT_EQ(Of("cgroups").level(), v1::FINDING_LEVEL_BAD);
  EXPECT_THAT(Of("cgroups").text(), HasSubstr("read-only"));
  node_.isolation = "none";
  EXPECT_EQ(Of("cgroups").subject(), "") << "there are none to be made";
}

TEST_F(NodeExaminationTest, WhatIsOddIsTold) {
  node_.unanswered_ms = 25'000;
  node_.journal_bytes = uint64_t{1} << 30;
  EXPECT_EQ(Of("heartbeats").level(), v1::FINDING_LEVEL_ODD);
  EXPECT_EQ(Of("journal").level(), v1::FINDING_LEVEL_ODD);
  node_.gpus = 4;
  EXPECT_EQ(Of("gpu-driver").level(), v1::FINDING_LEVEL_GOOD);
  node_.sick_gpus = 1;
  EXPECT_EQ(Of("gpu-driver").level(), v1::FINDING_LEVEL_BAD);
}

TEST_F(NodeExaminationTest, ProgramsForImagesAreThoseOfItsConfiguration) {
  node_.oci_runtime = Script("exit 0\n");
  node_.podman = "sh";  // looked up in PATH
  EXPECT_EQ(Of("images").level(), v1::FINDING_LEVEL_GOOD);
  EXPECT_THAT(Of("images").text(), HasSubstr(node_.oci_runtime + " and "));
  EXPECT_THAT(Of("images").text(), HasSubstr("/sh are there"));
}

TEST_F(NodeExaminationTest, WithoutARuntimeForImagesItIsOddAndWithoutPodmanItIsSaid) {
  node_.oci_runtime = "/no/such/crun";
  EXPECT_EQ(Of("images").level(), v1::FINDING_LEVEL_ODD);
  EXPECT_THAT(Of("images").text(), HasSubstr("no program \"/no/such/crun\""));
  EXPECT_THAT(Of("images").text(), HasSubstr("`ociRuntime` in agent.yaml"));
  node_.oci_runtime = "sh";
  node_.podman = "no-such-podman";
  EXPECT_EQ(Of("images").level(), v1::FINDING_LEVEL_GOOD);
  EXPECT_THAT(Of("images").text(), HasSubstr("no program \"no-such-podman\""));
}

TEST_F(NodeExaminationTest, AStateDirectoryThatIsGoneIsBad) {
  node_.state_dir = folder_.path() + "/gone";
  EXPECT_EQ(Of("disk").level(), v1::FINDING_LEVEL_BAD);
}

}  // namespace
}  // namespace berth::agentd
