#include "agentd/drivers/process_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const AttemptPaths kPaths = {"/a/stdout", "/a/stderr", "/a/stdin", "/a/script", "/a/scratch"};

ProcessDriver::Node NodeOfRoot() {
  ProcessDriver::Node node;
  node.name = "n7";
  node.agent_uid = 0;
  node.agent_gid = 0;
  node.path = "/usr/bin:/bin";
  return node;
}

v1::StartTask Task() {
  v1::StartTask start;
  start.mutable_key()->set_job_id(12);
  start.mutable_key()->set_index(3);
  start.mutable_key()->set_attempt(2);
  start.set_task_id("12.3");
  start.mutable_payload()->add_command("python3");
  start.mutable_payload()->add_command("train.py");
  start.mutable_payload()->set_working_directory("/srv");
  start.mutable_run_as()->set_verified(true);
  start.mutable_run_as()->set_uid(1000);
  start.mutable_run_as()->set_gid(1001);
  start.mutable_resources()->set_cpu_milli(1500);
  start.mutable_resources()->set_memory_bytes(1 << 30);
  start.set_max_processes(50);
  start.set_grace_ms(7000);
  start.set_time_limit_ms(9000);
  return start;
}

UserRecord Ada() { return {1000, "ada", "/home/ada", {1001, 27}}; }

ProcessDriver::Prepared Prepare(const ProcessDriver& driver, const v1::StartTask& start) {
  const auto admitted = driver.Admit(start);
  EXPECT_TRUE(std::holds_alternative<ProcessDriver::Identity>(admitted));
  auto prepared = driver.Prepare(start, std::get<ProcessDriver::Identity>(admitted), Ada(), kPaths);
  EXPECT_TRUE(std::holds_alternative<ProcessDriver::Prepared>(prepared));
  return std::get<ProcessDriver::Prepared>(std::move(prepared));
}

CannotStart RefusalOf(const ProcessDriver& driver, const v1::StartTask& start) {
  const auto admitted = driver.Admit(start);
  if (const auto* refused = std::get_if<CannotStart>(&admitted)) return *refused;
  const auto prepared =
      driver.Prepare(start, std::get<ProcessDriver::Identity>(admitted), Ada(), kPaths);
  if (const auto* refused = std::get_if<CannotStart>(&prepared)) return *refused;
  ADD_FAILURE() << "not refused";
  return {};
}

TEST(ProcessDriverTest, RunsTheCommandAsTheVerifiedUser) {
  const ProcessDriver driver(NodeOfRoot());
  const ProcessDriver::Prepared prepared = Prepare(driver, Task());
  EXPECT_THAT(prepared.spec.arguments, ElementsAre("python3", "train.py"));
  EXPECT_EQ(prepared.spec.working_directory, "/srv");
  ASSERT_TRUE(prepared.spec.user.has_value());
  EXPECT_EQ(prepared.spec.user->uid, 1000u);
  EXPECT_EQ(prepared.spec.user->gid, 1001u);
  EXPECT_THAT(prepared.spec.user->groups, ElementsAre(1001u, 27u));
  EXPECT_EQ(prepared.spec.grace_ms, 7000);
  EXPECT_EQ(prepared.spec.time_limit_ms, 9000);
  EXPECT_EQ(prepared.limits, (TaskLimits{1500, 1 << 30, 50}));
  EXPECT_FALSE(prepared.needs_scratch);
  EXPECT_FALSE(prepared.needs_script);
}

TEST(ProcessDriverTest, GivesTheEnvironmentOfTheNodeTheUserAndTheTask) {
  v1::StartTask start = Task();
  (*start.mutable_payload()->mutable_environment())["MODE"] = "fast";
  (*start.mutable_payload()->mutable_environment())["HOME"] = "/tmp";
  (*start.mutable_payload()->mutable_environment())["BERTH_ATTEMPT"] = "1";
  start.set_in_array(true);
  start.set_world_size(100);
  start.set_rank(3);
  const auto environment = Prepare(ProcessDriver(NodeOfRoot()), start).spec.environment;
  for (const char* entry :
       {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", "USER=ada", "LOGNAME=ada", "MODE=fast",
        "BERTH_JOB_ID=12", "BERTH_TASK_ID=12.3", "BERTH_ATTEMPT=2", "BERTH_ARRAY_INDEX=3",
        "BERTH_RANK=3", "BERTH_WORLD_SIZE=100"}) {
    EXPECT_THAT(environment, Contains(entry));
  }
  EXPECT_THAT(environment, Not(Contains(StartsWith("CUDA_VISIBLE_DEVICES"))));
}

TEST(ProcessDriverTest, LeavesOutWhatDoesNotApply) {
  const auto environment = Prepare(ProcessDriver(NodeOfRoot()), Task()).spec.environment;
  EXPECT_THAT(environment, Not(Contains(StartsWith("BERTH_ARRAY_INDEX"))));
  EXPECT_THAT(environment, Not(Contains(StartsWith("BERTH_RANK"))));
}

v1::NodeInventory WithDevices(const std::map<std::string, std::string>& kinds) {
  v1::NodeInventory inventory;
  for (const auto& [id, kind] : kinds) {
    v1::Device& device = *inventory.add_devices();
    device.set_id(id);
    device.set_kind(kind);
  }
  return inventory;
}

TEST(ProcessDriverTest, ShowsATaskItsOwnDevicesAndNoOther) {
  ProcessDriver driver(NodeOfRoot());
  driver.SetDevices(
      WithDevices({{"GPU-1", "gpu"}, {"MIG-2", "mig"}, {"tpu-0", "tpu"}, {"tpu-1", "tpu"}}));
  v1::StartTask start = Task();
  std::vector<std::string> environment = Prepare(driver, start).spec.environment;
  EXPECT_THAT(environment, Contains("CUDA_VISIBLE_DEVICES="));
  EXPECT_THAT(environment, Contains("TPU_VISIBLE_CHIPS="));
  for (const char* id : {"MIG-2", "tpu-1", "GPU-1"}) start.add_device_ids(id);
  environment = Prepare(driver, start).spec.environment;
  EXPECT_THAT(environment, Contains("CUDA_VISIBLE_DEVICES=MIG-2,GPU-1"));
  EXPECT_THAT(environment, Contains("TPU_VISIBLE_CHIPS=1"));

  driver.SetDevices({});
  environment = Prepare(driver, Task()).spec.environment;
  EXPECT_THAT(environment, Not(Contains(StartsWith("CUDA_VISIBLE_DEVICES"))));
  EXPECT_THAT(environment, Not(Contains(StartsWith("TPU_VISIBLE_CHIPS"))));
}

TEST(ProcessDriverTest, RunsAScriptWithTheCommandAsItsArguments) {
  v1::StartTask start = Task();
  start.mutable_payload()->set_script("#!/bin/sh\necho $1\n");
  const ProcessDriver::Prepared prepared = Prepare(ProcessDriver(NodeOfRoot()), start);
  EXPECT_TRUE(prepared.needs_script);
  EXPECT_THAT(prepared.spec.arguments, ElementsAre("/a/script", "python3", "train.py"));
}

TEST(ProcessDriverTest, GivesATaskTheStandardInputThatItAsksFor) {
  const ProcessDriver driver(NodeOfRoot());
  v1::StartTask start = Task();
  start.mutable_payload()->set_stdin_data("x");
  const auto file = Prepare(driver, start);
  EXPECT_TRUE(file.needs_input);
  EXPECT_EQ(file.spec.input_path, "/a/stdin");
  start.mutable_payload()->clear_stdin_data();
  start.mutable_payload()->set_console(v1::CONSOLE_TERMINAL);
  start.mutable_payload()->set_console_rows(31);
  start.mutable_payload()->set_console_columns(97);
  const auto terminal = Prepare(driver, start);
  EXPECT_EQ(terminal.spec.console, shim::ConsoleKind::kTerminal);
  EXPECT_EQ(terminal.spec.rows, 31);
  EXPECT_EQ(terminal.spec.columns, 97);
  EXPECT_THAT(terminal.spec.environment, Contains("TERM=xterm"));
  (*start.mutable_payload()->mutable_environment())["TERM"] = "screen";
  EXPECT_THAT(Prepare(driver, start).spec.environment, Contains("TERM=screen"));
}

TEST(ProcessDriverTest, GivesATaskWithoutADirectoryItsScratch) {
  v1::StartTask start = Task();
  start.mutable_payload()->clear_working_directory();
  const ProcessDriver::Prepared prepared = Prepare(ProcessDriver(NodeOfRoot()), start);
  EXPECT_TRUE(prepared.needs_scratch);
  EXPECT_EQ(prepared.spec.working_directory, "/a/scratch");
}

// Who may run here: (agent's uid, allow_root, verified, task's uid) → whether, and whether as
// somebody else.
struct Admission {
  const char* name;
  uint32_t agent_uid;
  bool allow_root;
  bool verified;
  uint32_t uid;
  bool admitted;
  bool becomes;
};

class AdmissionTest : public ::testing::TestWithParam<Admission> {};

TEST_P(AdmissionTest, FollowsTheRules) {
  const Admission& rule = GetParam();
  ProcessDriver::Node node = NodeOfRoot();
  node.agent_uid = rule.agent_uid;
  node.agent_gid = rule.agent_uid;
  node.allow_root = rule.allow_root;
  v1::StartTask start = Task();
  start.mutable_run_as()->set_verified(rule.verified);
  start.mutable_run_as()->set_uid(rule.uid);
  start.mutable_run_as()->set_gid(rule.uid);
  const auto admitted = ProcessDriver(node).Admit(start);
  ASSERT_EQ(std::holds_alternative<ProcessDriver::Identity>(admitted), rule.admitted);
  if (!rule.admitted) {
    EXPECT_EQ(std::get<CannotStart>(admitted).reason, v1::REASON_CODE_USER_NOT_ALLOWED);
    EXPECT_THAT(std::get<CannotStart>(admitted).message, StartsWith("node \"n7\": "));
    return;
  }
  const auto identity = std::get<ProcessDriver::Identity>(admitted);
  EXPECT_EQ(identity.becomes, rule.becomes);
  EXPECT_EQ(identity.uid, rule.becomes ? rule.uid : rule.agent_uid);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, AdmissionTest,
    ::testing::Values(Admission{"RootRunsAUser", 0, false, true, 1000, true, true},
                      Admission{"RootRefusesRoot", 0, false, true, 0, false, false},
                      Admission{"RootRunsRootWhereAllowed", 0, true, true, 0, true, false},
                      Admission{"RootRefusesTheUnknown", 0, false, false, 1000, false, false},
                      Admission{"RootRunsTheUnknownAsItselfWhereAllowed", 0, true, false, 1000,
                                true, false},
                      Admission{"AUserRunsItself", 1000, false, true, 1000, true, false},
                      Admission{"AUserRefusesAnother", 1000, false, true, 1001, false, false},
                      Admission{"AUserRefusesRoot", 1000, true, true, 0, false, false},
                      Admission{"AUserRunsTheUnknownAsItself", 1000, false, false, 0, true, false}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(ProcessDriverTest, RefusesByNameWhatItDoesNotHonour) {
  const ProcessDriver driver(NodeOfRoot());
  v1::StartTask mounts = Task();
  mounts.mutable_payload()->add_mounts()->set_source("/data");
  EXPECT_EQ(RefusalOf(driver, mounts).reason, v1::REASON_CODE_FIELD_NOT_HONOURED);
  EXPECT_THAT(RefusalOf(driver, mounts).message, HasSubstr("payload.mounts without payload.image"));
  v1::StartTask newer = Task();
  newer.set_on_partition(static_cast<v1::OnPartition>(9));
  EXPECT_THAT(RefusalOf(driver, newer).message, HasSubstr("on_partition: 9"));
  v1::StartTask fenced = Task();
  fenced.set_on_partition(v1::ON_PARTITION_KILL);
  EXPECT_THAT(RefusalOf(driver, fenced).message, HasSubstr("on_partition: kill"))
      << "there is no lease by which it could be fenced";
}

TEST(ProcessDriverTest, FencesATaskThatAsksForItByTheNodesLease) {
  ProcessDriver::Node node = NodeOfRoot();
  node.lease_path = "/var/lib/berth-agent/lease";
  const ProcessDriver driver(node);
  EXPECT_EQ(Prepare(driver, Task()).spec.lease_path, "");
  v1::StartTask keep = Task();
  keep.set_on_partition(v1::ON_PARTITION_KEEP);
  EXPECT_EQ(Prepare(driver, keep).spec.lease_path, "");
  v1::StartTask kill = Task();
  kill.set_on_partition(v1::ON_PARTITION_KILL);
  EXPECT_EQ(Prepare(driver, kill).spec.lease_path, "/var/lib/berth-agent/lease");
}

TEST(ProcessDriverTest, RefusesWhatCannotRun) {
  const ProcessDriver driver(NodeOfRoot());
  v1::StartTask empty = Task();
  empty.mutable_payload()->clear_command();
  EXPECT_EQ(RefusalOf(driver, empty).reason, v1::REASON_CODE_INVALID_FIELD);
  v1::StartTask relative = Task();
  relative.mutable_payload()->set_working_directory("data");
  EXPECT_EQ(RefusalOf(driver, relative).reason, v1::REASON_CODE_INVALID_FIELD);
  v1::StartTask text = Task();
  text.mutable_payload()->set_script("echo hello");
  EXPECT_EQ(RefusalOf(driver, text).reason, v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE);
  EXPECT_THAT(RefusalOf(driver, text).message, HasSubstr("#!/bin/sh"));
}

class ExplainTest : public ::testing::Test {
 protected:
  CannotStart Explain(shim::StartStep step, int error, const std::string& program = "train",
                      uint32_t item = 0) {
    shim::TaskSpec spec;
    spec.arguments = {program};
    spec.environment = {"A=b", "PATH=/usr/bin:/bin"};
    spec.working_directory = dir_.path();
    spec.output_path = "/a/stdout";
    spec.error_path = "/a/stderr";
    spec.cgroup_procs = {"/c/one", "/c/two"};
    spec.user = shim::TaskUser{1000, 1001, {}};
    shim::StatusRecord record;
    record.step = step;
    record.error = error;
    record.item = item;
    return ProcessDriver(NodeOfRoot()).Explain(record, shim::EncodeSpec(spec));
  }

  berth::testing::TempDir dir_;
};

TEST_F(ExplainTest, NamesTheProgramThatIsNotThere) {
  const CannotStart bare = Explain(shim::StartStep::kFindProgram, ENOENT);
  EXPECT_EQ(bare.reason, v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_EQ(bare.message,
            "node \"n7\": program \"train\" is in none of the directories of PATH (/usr/bin:/bin)");
  const CannotStart path = Explain(shim::StartStep::kExecute, ENOENT, "./train");
  EXPECT_EQ(path.reason, v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_THAT(path.message,
              HasSubstr("\"./train\" does not exist there (seen from " + dir_.path()));
}

TEST_F(ExplainTest, TellsAMissingInterpreterFromAMissingProgram) {
  std::ofstream(dir_.path() + "/train") << "#!/no/such\n";
  const CannotStart why = Explain(shim::StartStep::kExecute, ENOENT, "./train");
  EXPECT_EQ(why.reason, v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE);
  EXPECT_THAT(why.message, HasSubstr("interpreter"));
}

TEST_F(ExplainTest, GivesEachStepItsReason) {
  using shim::StartStep;
  const std::pair<CannotStart, v1::ReasonCode> cases[] = {
      {Explain(StartStep::kExecute, EACCES), v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE},
      {Explain(StartStep::kExecute, ENOEXEC), v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE},
      {Explain(StartStep::kExecute, ENOTDIR), v1::REASON_CODE_PROGRAM_NOT_FOUND},
      {Explain(StartStep::kExecute, E2BIG), v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE},
      {Explain(StartStep::kWorkingDirectory, ENOENT), v1::REASON_CODE_WORKING_DIRECTORY_MISSING},
      {Explain(StartStep::kWorkingDirectory, EACCES), v1::REASON_CODE_WORKING_DIRECTORY_MISSING},
      {Explain(StartStep::kJoinCgroup, ENOENT, "x", 1), v1::REASON_CODE_ISOLATION_FAILED},
      {Explain(StartStep::kChangeUser, EPERM), v1::REASON_CODE_USER_NOT_ALLOWED},
      {Explain(StartStep::kOpenOutput, ENOSPC, "x", 2), v1::REASON_CODE_DRIVER_ERROR},
      {Explain(StartStep::kLimits, EPERM), v1::REASON_CODE_DRIVER_ERROR},
      {Explain(StartStep::kClone, EAGAIN), v1::REASON_CODE_DRIVER_ERROR},
      {Explain(StartStep::kLeaseEnded, 0), v1::REASON_CODE_NODE_LOST},
  };
  for (const auto& [why, reason] : cases) {
    EXPECT_EQ(why.reason, reason) << why.message;
    EXPECT_THAT(why.message, StartsWith("node \"n7\": "));
  }
  EXPECT_THAT(Explain(StartStep::kJoinCgroup, ENOENT, "x", 1).message, HasSubstr("/c/two"));
  EXPECT_THAT(Explain(StartStep::kOpenOutput, ENOSPC, "x", 2).message, HasSubstr("/a/stderr"));
  EXPECT_THAT(Explain(StartStep::kWorkingDirectory, EACCES).message,
              HasSubstr("cannot be entered: Permission denied"));
}

TEST(ExplainWithoutSpecTest, SaysThatTheSpecIsGone) {
  const CannotStart why = ProcessDriver(NodeOfRoot()).Explain(shim::StatusRecord{}, "");
  EXPECT_EQ(why.reason, v1::REASON_CODE_DRIVER_ERROR);
  EXPECT_THAT(why.message, HasSubstr("spec file"));
}

}  // namespace
}  // namespace berth::agentd
