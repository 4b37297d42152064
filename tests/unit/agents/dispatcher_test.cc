#include "agents/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/strings.h"

namespace berth::agents {
namespace {

using ::testing::HasSubstr;

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() {
    // Two groups; the second is an array 10, 15, 20.
    auto spec = std::make_shared<state::JobSpec>();
    spec->name = "train";
    spec->ns = "ada";
    spec->blob = base::Sha256Of("hash-1");
    state::GroupSpec servers;
    servers.name = "ps";
    servers.ranges = {{0, 0, 1}};
    state::GroupSpec workers;
    workers.name = "worker";
    workers.ranges = {{10, 20, 5}};
    workers.in_array = true;
    workers.needs.Edit().requests.builtin = {1500, 2048, 0, 0};
    workers.time_limit_ms = 60'000;
    workers.grace_ms = 5'000;
    workers.max_processes = 7;
    workers.kill_on_partition = true;
    spec->groups = {servers, workers};
    spec_ = spec;

    v1::JobSpec kept;
    kept.add_groups()->mutable_template_()->mutable_payload()->add_command("server");
    kept.add_groups()->mutable_template_()->mutable_payload()->add_command("worker");
    blobs_[base::Sha256Hex("hash-1")] = kept.SerializeAsString();
  }

  state::StartTask Start() const {
    state::StartTask start;
    start.sequence = 9;
    start.attempt = {JobId{12}, 1, 15, 3};
    start.job = JobId{12};
    start.spec = spec_;
    start.group = 1;
    start.position = 1;
    start.run_as = {.verified = true, .uid = 1000, .gid = 100};
    start.device_ids = {"GPU-1"};
    start.device_share_milli = 250;
    return start;
  }

  std::shared_ptr<const state::JobSpec> spec_;
  std::map<std::string, std::string> blobs_;
  int reads_ = 0;
  Dispatcher dispatcher_{
      [this](const std::string& hash) -> absl::StatusOr<std::shared_ptr<const std::string>> {
        ++reads_;
        const auto found = blobs_.find(hash);
        if (found == blobs_.end()) return absl::NotFoundError("blob " + hash + ": there is none");
        return std::make_shared<const std::string>(found->second);
      }};
};

TEST_F(DispatcherTest, AStartHasAllThatTheNodeNeeds) {
  v1::Directive message;
  ASSERT_TRUE(dispatcher_.Fill(Start(), message).ok());
  EXPECT_EQ(message.sequence(), 9u);
  const v1::StartTask& start = message.start();
  EXPECT_EQ(start.key().job_id(), 12u);
  EXPECT_EQ(start.key().group(), 1u);
  EXPECT_EQ(start.key().index(), 15u);
  EXPECT_EQ(start.key().attempt(), 3u);
  EXPECT_EQ(start.task_id(), "12.worker.15");
  EXPECT_EQ(start.job_name(), "train");
  EXPECT_EQ(start.namespace_(), "ada");
  EXPECT_EQ(start.payload().command(0), "worker");  // of its own group
  EXPECT_EQ(start.resources().cpu_milli(), 1500);
  EXPECT_EQ(start.resources().memory_bytes(), int64_t{2} << 30);
  EXPECT_EQ(start.device_ids(0), "GPU-1");
  EXPECT_EQ(start.device_share_milli(), 250);
  EXPECT_EQ(start.time_limit_ms(), 60'000);
  EXPECT_EQ(start.grace_ms(), 5'000);
  EXPECT_EQ(start.max_processes(), 7);
  EXPECT_EQ(start.on_partition(), v1::ON_PARTITION_KILL);
  EXPECT_TRUE(start.run_as().verified());
  EXPECT_EQ(start.run_as().uid(), 1000u);
  EXPECT_EQ(start.run_as().gid(), 100u);
  EXPECT_EQ(start.world_size(), 3);
  EXPECT_EQ(start.rank(), 1);
  EXPECT_TRUE(start.in_array());
}

TEST_F(DispatcherTest, AStopAndAForgetNeedNoBlob) {
  v1::Directive message;
  ASSERT_TRUE(
      dispatcher_
          .Fill(state::StopTask{10, {JobId{12}, 1, 15, 3}, state::AttemptEnd::kCancelled}, message)
          .ok());
  EXPECT_EQ(message.sequence(), 10u);
  EXPECT_EQ(message.stop().key().index(), 15u);
  EXPECT_EQ(message.stop().end(), v1::ATTEMPT_END_CANCELLED);
  EXPECT_FALSE(message.stop().has_grace_ms());
  v1::Directive forget;
  ASSERT_TRUE(dispatcher_.Fill(state::ForgetAttempt{11, {JobId{12}, 1, 15, 3}}, forget).ok());
  EXPECT_EQ(forget.forget().key().attempt(), 3u);
  EXPECT_EQ(reads_, 0);
}

TEST_F(DispatcherTest, AnArraysBlobIsReadOnce) {
  for (int i = 0; i < 1000; ++i) {
    v1::Directive message;
    ASSERT_TRUE(dispatcher_.Fill(Start(), message).ok());
  }
  EXPECT_EQ(reads_, 1);
}

TEST_F(DispatcherTest, OldBlobsAreForgotten) {
  const std::string content = blobs_[base::Sha256Hex("hash-1")];
  const auto fill = [&](int job) {
    auto spec = std::make_shared<state::JobSpec>(*spec_);
    spec->blob = base::Sha256Of("job-" + std::to_string(job));
    blobs_[spec->blob.Hex()] = content;
    state::StartTask start = Start();
    start.spec = spec;
    v1::Directive message;
    ASSERT_TRUE(dispatcher_.Fill(start, message).ok());
  };
  for (int job = 0; job < 1000; ++job) fill(job);
  EXPECT_EQ(reads_, 1000);
  fill(999);
  EXPECT_EQ(reads_, 1000);
  fill(0);
  EXPECT_EQ(reads_, 1001);
}

TEST_F(DispatcherTest, ABlobThatCannotBeReadIsNamedWithItsTask) {
  v1::Directive message;
  blobs_.clear();
  absl::Status status = dispatcher_.Fill(Start(), message);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::S(status.message()),
              HasSubstr("task 12.worker.15: blob " + base::Sha256Hex("hash-1")));
  blobs_[base::Sha256Hex("hash-1")] = "\xff\xff";
  status = dispatcher_.Fill(Start(), message);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

// The blob was damaged, or is another's: its content has fewer groups than the job.
TEST_F(DispatcherTest, ABlobOfAnotherShapeIsRefused) {
  blobs_[base::Sha256Hex("hash-1")] = "";
  v1::Directive message;
  EXPECT_EQ(dispatcher_.Fill(Start(), message).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace berth::agents
