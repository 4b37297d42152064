#include "agentd/drivers/oci_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "agentd/drivers/oci_bundle.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "tests/support/file_tree.h"

namespace berth::agentd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ProcessDriver::Node NodeThatAllowsRoot() {
  ProcessDriver::Node node;
  node.name = "n7";
  node.allow_root = true;
  return node;
}

class OciDriverTest : public ::testing::Test {
 protected:
  OciDriverTest() {
    EXPECT_TRUE(images_.Open().ok());
    tree_.Folder("/image/bin");
    tree_.Folder("/bundles");
    start_.mutable_key()->set_job_id(1);
    start_.mutable_payload()->set_image(tree_.At("/image"));
    start_.mutable_payload()->add_command("true");
  }
  ~OciDriverTest() override { images_.Stop(); }

  std::variant<PreparedTask, CannotStart> Prepare() {
    std::optional<std::variant<PreparedTask, CannotStart>> answer;
    const UserRecord user{geteuid(), "ada", "/home/ada", {getegid()}};
    driver_.Prepare(
        {start_,
         {geteuid(), getegid(), false},
         user,
         {"/a/stdout", "/a/stderr", "/a/stdin", "/a/script", "/s/1", tree_.At("/bundles/1")}},
        [&](auto given) { answer = std::move(given); });
    while (!answer) {
      std::function<void()> work;
      {
        const base::MutexLock lock(mutex_);
        while (!posted_) changed_.Wait(mutex_);
        work = std::exchange(posted_, nullptr);
      }
      work();
    }
    return *std::move(answer);
  }

  PreparedTask Prepared() {
    auto prepared = Prepare();
    if (const auto* refused = std::get_if<CannotStart>(&prepared)) {
      ADD_FAILURE() << refused->message;
      return {};
    }
    return std::get<PreparedTask>(std::move(prepared));
  }

  CannotStart Explain(shim::StartStep step, int error, uint32_t item = 0) {
    shim::TaskSpec spec;
    spec.arguments = {"train"};
    spec.environment = {"PATH=/bin"};
    spec.working_directory = "/w";
    spec.container = shim::ContainerSpec{
        "/usr/bin/crun", tree_.At("/bundles/1"), "/image", true, {"r/data"}, {"/data"}};
    shim::StatusRecord record;
    record.step = step;
    record.error = error;
    record.item = item;
    return driver_.Explain(record, shim::EncodeSpec(spec));
  }

  const berth::testing::FileTree tree_;
  base::SystemClock clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::function<void()> posted_;
  ProcessDriver process_{NodeThatAllowsRoot()};
  images::ImageStore images_{
      {.folder = tree_.At("/images")}, clock_, [this](std::function<void()> work) {
        const base::MutexLock lock(mutex_);
        posted_ = std::move(work);
        changed_.NotifyAll();
      }};
  OciDriver driver_{process_, images_,
                    OciDriver::Options{.runtime = "/bin/sh",
                                       .shim_program = "/bin/true",
                                       .host_name = "n7",
                                       .cdi_folders = {tree_.At("/cdi")}}};
  v1::StartTask start_;
};

TEST_F(OciDriverTest, MakesABundleForTheShim) {
  start_.set_max_processes(4);
  auto& mount = *start_.mutable_payload()->add_mounts();
  mount.set_source("/data");
  mount.set_read_only(true);
  const PreparedTask prepared = Prepared();
  ASSERT_TRUE(prepared.spec.container.has_value());
  const shim::ContainerSpec& container = *prepared.spec.container;
  EXPECT_EQ(container.image, tree_.At("/image"));
  EXPECT_TRUE(container.image_as_user);
  EXPECT_THAT(container.mounts, ElementsAre("r/data"));
  EXPECT_THAT(container.mount_targets, ElementsAre("/data"));
  EXPECT_THAT(prepared.spec.arguments, ElementsAre("true"));
  EXPECT_EQ(prepared.spec.working_directory, "/s/1");
  EXPECT_TRUE(prepared.needs_scratch);
  EXPECT_EQ(prepared.limits.max_processes, 5) << "and process 1 of the container";
  EXPECT_THAT(prepared.spec.environment, Contains("HOME=/s/1"));
  for (const char* name : {"config.json", "upper", "work", "rootfs", "state"}) {
    EXPECT_TRUE(std::filesystem::exists(container.bundle + "/" + name)) << name;
  }
  EXPECT_THAT(ImagesInUse(tree_.At("/bundles")), ElementsAre(tree_.At("/image")));
}

TEST_F(OciDriverTest, AHomeIsWhereItIsMounted) {
  start_.mutable_payload()->add_mounts()->set_source("/home");
  EXPECT_THAT(Prepared().spec.environment, Contains("HOME=/home/ada"));
}

TEST_F(OciDriverTest, RefusesAnImageThatCannotBeUsedAndLeavesNothing) {
  start_.mutable_payload()->set_image(tree_.At("/none"));
  const auto refused = std::get<CannotStart>(Prepare());
  EXPECT_EQ(refused.reason, v1::REASON_CODE_IMAGE_UNUSABLE);
  EXPECT_THAT(refused.message, HasSubstr("node \"n7\": image \"" + tree_.At("/none")));
  EXPECT_FALSE(std::filesystem::exists(tree_.At("/bundles/1")));
}

TEST_F(OciDriverTest, RefusesAGpuThatNoSpecificationDescribes) {
  v1::NodeInventory inventory;
  auto& device = *inventory.add_devices();
  device.set_id("GPU-0");
  device.set_kind("gpu");
  process_.SetDevices(inventory);
  start_.add_device_ids("GPU-0");
  const auto refused = std::get<CannotStart>(Prepare());
  EXPECT_EQ(refused.reason, v1::REASON_CODE_DEVICE_MISSING);
  EXPECT_THAT(refused.message, HasSubstr("nvidia-ctk cdi generate"));
  tree_.Write("/cdi/gpu.json",
              R"({"kind": "nvidia.com/gpu", "devices": [{"name": "GPU-0",
                  "containerEdits": {"env": ["X=1"]}}]})");
  EXPECT_THAT(Prepared().spec.environment, Contains("X=1"));
}

TEST_F(OciDriverTest, TakesAnAgentOfRootAndARuntime) {
  ProcessDriver::Node node = NodeThatAllowsRoot();
  node.agent_uid = 1000;
  ProcessDriver of_user(node);
  const auto refused =
      std::get<CannotStart>(OciDriver(of_user, images_, {.runtime = "/bin/sh"}).Admit(start_));
  EXPECT_EQ(refused.reason, v1::REASON_CODE_IMAGE_UNUSABLE);
  EXPECT_THAT(refused.message, HasSubstr("takes one that runs as root"));
  const auto missing = std::get<CannotStart>(
      OciDriver(process_, images_, {.runtime = "/no/such/crun"}).Admit(start_));
  EXPECT_THAT(missing.message, HasSubstr("install crun"));
  EXPECT_TRUE(std::holds_alternative<TaskIdentity>(driver_.Admit(start_)));
  start_.mutable_payload()->add_mounts()->set_source("/proc/1");
  EXPECT_EQ(std::get<CannotStart>(driver_.Admit(start_)).reason, v1::REASON_CODE_INVALID_FIELD);
}

TEST_F(OciDriverTest, PutsAShimsErrorsIntoWords) {
  using shim::StartStep;
  EXPECT_EQ(Explain(StartStep::kImage, EACCES).reason, v1::REASON_CODE_IMAGE_UNUSABLE);
  EXPECT_THAT(Explain(StartStep::kImage, EACCES).message, HasSubstr("may not be read"));
  EXPECT_THAT(Explain(StartStep::kRootFs, EINVAL).message, HasSubstr("overlayfs"));
  EXPECT_THAT(Explain(StartStep::kMount, ENOENT).message, HasSubstr("mount \"/data\" does not"));
  EXPECT_THAT(Explain(StartStep::kMountTarget, EXDEV).message,
              HasSubstr("nothing is made in what is mounted there"));
  EXPECT_EQ(Explain(StartStep::kWorkingDirectory, ENOENT).reason,
            v1::REASON_CODE_WORKING_DIRECTORY_MISSING);
  EXPECT_EQ(Explain(StartStep::kExecute, ENOENT).reason, v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_EQ(Explain(StartStep::kExecute, ENOENT, 1).reason, v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE);
  EXPECT_EQ(Explain(StartStep::kFindProgram, ENOENT).reason, v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_EQ(Explain(StartStep::kExecute, EACCES).reason, v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE);
  EXPECT_THAT(Explain(StartStep::kRuntime, SIGKILL).message, HasSubstr("killed by signal 9"));
  tree_.Write("/bundles/1/log", "first\n2026: mount `x`: not found\n");
  EXPECT_THAT(Explain(StartStep::kRuntime, 256).message, HasSubstr("mount `x`: not found"));
}

}  // namespace
}  // namespace berth::agentd
